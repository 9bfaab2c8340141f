"""Made-up checkpoints under the real key names: GEM, PULSE, ECG-CoCa, CLIP, a Llama. Widths are the caller's."""

import json
import random

import sentencepiece
import torch
from safetensors.torch import save_file

SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)


def normal(*shape, std=None, generator=None):
    """Random weights that keep activations near 1."""
    return torch.randn(*shape, generator=generator) * (shape[-1] ** -0.5 if std is None else std)


def _norm(name, width):
    return {f"{name}.weight": 1 + normal(width, std=0.1), f"{name}.bias": normal(width, std=0.1)}


def _linear(name, wide_in, wide_out):
    return {f"{name}.weight": normal(wide_out, wide_in), f"{name}.bias": normal(wide_out, std=0.1)}


def ecg_tower(width=64, layers=2, kernel=50, projection=32, leads=12, samples=5000):
    """ECG-CoCa's encoder as its checkpoint names it, without a prefix."""
    state = {
        "class_embedding": normal(width, std=0.1),
        "positional_embedding": normal(samples // kernel + 1, width, std=0.1),
        "proj": normal(width, projection),
        "conv1.weight": normal(width, leads, kernel, std=(leads * kernel) ** -0.5),
        **_norm("ln_pre", width),
        **_norm("ln_post", width),
    }
    for i in range(layers):
        block = f"transformer.resblocks.{i}"
        state |= _norm(f"{block}.ln_1", width) | _norm(f"{block}.ln_2", width)
        state |= {
            f"{block}.attn.in_proj_weight": normal(3 * width, width),
            f"{block}.attn.in_proj_bias": normal(3 * width, std=0.1),
            **_linear(f"{block}.attn.out_proj", width, width),
            **_linear(f"{block}.mlp.c_fc", width, 4 * width),
            **_linear(f"{block}.mlp.c_proj", 4 * width, width),
        }
    return state


def clip(width=64, layers=2, size=28, patch=14, mlp=128):
    """CLIPVisionModel as transformers 4 saved it: `vision_model.…`, with its position buffer."""
    places = (size // patch) ** 2 + 1
    state = {
        "embeddings.class_embedding": normal(width, std=0.1),
        "embeddings.patch_embedding.weight": normal(width, 3, patch, patch, std=(3 * patch**2) ** -0.5),
        "embeddings.position_embedding.weight": normal(places, width, std=0.1),
        "embeddings.position_ids": torch.arange(places)[None],
        **_norm("pre_layrnorm", width),
        **_norm("post_layernorm", width),
    }
    for i in range(layers):
        layer = f"encoder.layers.{i}"
        state |= _norm(f"{layer}.layer_norm1", width) | _norm(f"{layer}.layer_norm2", width)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            state |= _linear(f"{layer}.self_attn.{name}", width, width)
        state |= _linear(f"{layer}.mlp.fc1", width, mlp) | _linear(f"{layer}.mlp.fc2", mlp, width)
    return {f"vision_model.{name}": tensor for name, tensor in state.items()}


def clip_config(width=64, layers=2, size=28, patch=14, mlp=128):
    return {
        "model_type": "clip_vision_model", "hidden_size": width, "intermediate_size": mlp,
        "num_hidden_layers": layers, "num_attention_heads": width // 32, "image_size": size, "patch_size": patch,
    }  # fmt: skip


def llama(config):
    """A Llama as vicuna's checkpoint names it, with the rotary buffer that old ones carry."""
    width, mlp, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    # as a head, embeddings near 1 would make one token all but certain
    state = {"model.embed_tokens.weight": normal(vocab, width, std=None if config["tie_word_embeddings"] else 1.0)}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        for name, rows in (("q", width), ("k", keys), ("v", keys), ("o", width)):
            state[f"{layer}.self_attn.{name}_proj.weight"] = normal(rows, width)
        state |= {
            f"{layer}.self_attn.rotary_emb.inv_freq": torch.ones(8),
            f"{layer}.mlp.gate_proj.weight": normal(mlp, width),
            f"{layer}.mlp.up_proj.weight": normal(mlp, width),
            f"{layer}.mlp.down_proj.weight": normal(width, mlp),
            f"{layer}.input_layernorm.weight": 1 + normal(width, std=0.1),
            f"{layer}.post_attention_layernorm.weight": 1 + normal(width, std=0.1),
        }
    return state | {"model.norm.weight": 1 + normal(width, std=0.1), "lm_head.weight": normal(vocab, width)}


def llama_config(width=64, layers=2, mlp=96, heads=2, keys=None, vocab=400):
    return {
        "model_type": "llama", "hidden_size": width, "intermediate_size": mlp, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": keys or heads, "vocab_size": vocab,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False,
    }  # fmt: skip


def projectors(vision, text, ecg=None):
    state = _linear("model.mm_projector.0", vision, text) | _linear("model.mm_projector.2", text, text)
    return state if ecg is None else state | _linear("model.ecg_projector", ecg, vision)


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def gem(language, tower=True, clip_kwargs=None, **tower_kwargs):
    """A whole GEM's state, or PULSE's where `tower` is False."""
    vision = clip(**(clip_kwargs or {}))
    wide = vision["vision_model.embeddings.class_embedding"].shape[0]
    state = llama(language) | under("model.vision_tower.vision_tower.", vision)
    state["model.image_newline"] = normal(language["hidden_size"])
    if not tower:
        return state | projectors(wide, language["hidden_size"])
    coca = ecg_tower(**tower_kwargs)
    state |= projectors(wide, language["hidden_size"], coca["class_embedding"].shape[0])
    return state | under("model.ecg_tower.ecg_tower.", coca)


def coca_checkpoint(path, **tower_kwargs):
    """ECG-CoCa's file: a training checkpoint under DDP, the text side beside the encoder."""
    tower = ecg_tower(**tower_kwargs)
    state = under("module.ecg.", tower) | {
        "module.text.transformer.embeddings.word_embeddings.weight": normal(9, 4),
        "module.text_decoder.resblocks.0.ln_1.weight": normal(4),
        "module.logit_scale": torch.tensor(2.6),
    }
    optimizer = {"state": {0: {"exp_avg": normal(4)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    torch.save({"epoch": 20, "name": "cpt_wfep", "state_dict": state, "optimizer": optimizer}, path)
    return tower


def write_shards(folder, state, shards=2, pickled=False):
    """`state` over several files with their index, as the Hub has them."""
    folder.mkdir(parents=True, exist_ok=True)
    names, weight_map = list(state), {}
    ending, stem = ("bin", "pytorch_model") if pickled else ("safetensors", "model")
    for i in range(shards):
        file = f"{stem}-{i + 1:05d}-of-{shards:05d}.{ending}"
        part = {name: state[name].contiguous() for name in names[i::shards]}
        torch.save(part, folder / file) if pickled else save_file(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / f"{stem}.{ending}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def write_config(folder, values):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))


def write_tokenizer(folder, vocab=400):
    """A sentencepiece model made as Llama's is: BPE, byte fallback, a "▁" before the text."""
    folder.mkdir(parents=True, exist_ok=True)
    words = f"{SYSTEM} USER ASSISTANT What is the PR interval of this ECG 160 ms QRS normal sinus rhythm".split()
    chance = random.Random(0)
    texts = folder / "texts.txt"
    texts.write_text("\n".join(" ".join(chance.choices(words, k=12)) for _ in range(2000)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(texts), model_prefix=str(folder / "tokenizer"), vocab_size=vocab, model_type="bpe",
        byte_fallback=True, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2,
    )  # fmt: skip
    texts.unlink()
    config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False, "model_max_length": 4096}
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | special))


def write_language_model(folder, language=None):
    """A Llama's folder."""
    language = language or llama_config()
    write_config(folder, language)
    write_shards(folder, llama(language))
    write_tokenizer(folder, language["vocab_size"])


def write_gem(folder, *, tower=True, pickled=False, shards=2, language=None, clip_kwargs=None, **tower_kwargs):
    """A GEM's (or PULSE's) folder; its state is returned. The CLIP that its config names lies beside it."""
    language = language or llama_config()
    state = gem(language, tower, clip_kwargs, **tower_kwargs)
    clip_folder = folder.with_name(folder.name + "-clip")
    write_config(clip_folder, clip_config(**(clip_kwargs or {})))
    own = {"model_type": "llava_llama", "mm_vision_tower": str(clip_folder), "mm_projector_type": "mlp2x_gelu"}
    write_config(folder, language | own | {"architectures": ["LlavaLlamaForCausalLM"]})
    write_shards(folder, state, shards, pickled)
    write_tokenizer(folder, language["vocab_size"])
    return state
