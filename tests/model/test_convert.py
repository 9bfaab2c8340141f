"""`ecg-r1 convert`: every source tensor is used or dropped with a reason; what does not fit is named."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import gem_release as release
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaTokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from ecg_r1.model.checkpoint import CheckpointError, check_checkpoint, load_model
from ecg_r1.model.convert.plan import fitting_preset, plan
from ecg_r1.model.convert.shards import write
from ecg_r1.model.presets import tower_config
from ecg_r1.model.registration import register_auto_classes
from ecg_r1.model.tokenizer import train_tokenizer

register_auto_classes()


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def convert(source, destination, **options):
    planned = plan(source, **options)
    names = list(write(planned, destination))
    assert sorted(names) == sorted([*planned.used, *planned.random])
    return planned


def stored(folder):
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "bin"])
def test_gem_shards(tmp_path, pickled):
    state = release.write_gem(tmp_path / "GEM", pickled=pickled, shards=3)
    planned = convert(tmp_path / "GEM", tmp_path / "ours")
    # every source tensor is accounted for
    assert {t.name for t in planned.used.values()} | {t.name for t, _ in planned.dropped} == set(state)
    assert len(planned.used) + len(planned.dropped) == len(state)
    assert not planned.random
    reasons = {tensor.name: reason for tensor, reason in planned.dropped}
    assert set(reasons) == {
        "model.image_newline", "model.vision_tower.vision_tower.vision_model.embeddings.position_ids",
        *(f"model.layers.{i}.self_attn.rotary_emb.inv_freq" for i in range(2)),
    }  # fmt: skip
    assert "tiles" in reasons["model.image_newline"]
    # with its values, bit by bit
    ours = stored(tmp_path / "ours")
    for name, tensor in planned.used.items():
        assert torch.equal(ours[name][: tensor.shape[0]] if tensor.shape else ours[name], state[tensor.name]), name
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "ours")
    loaded = model.state_dict()
    assert ours.keys() == loaded.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in ours.items())
    assert model.config.ecg_config.lead_order == "mimic"
    assert model.config.num_ecg_tokens == 101
    # the placeholders' rows: the mean of the others
    for name in ("model.language_model.embed_tokens.weight", "lm_head.weight"):
        assert ours[name].shape[0] == 402
        torch.testing.assert_close(ours[name][400:], ours[name][:400].mean(0).expand(2, -1))


def test_the_converted_folder_opens_everywhere_and_generates(tmp_path):
    release.write_gem(tmp_path / "GEM")
    convert(tmp_path / "GEM", tmp_path / "ours")
    assert check_checkpoint(tmp_path / "ours") == tmp_path / "ours"
    model, processor = load_model(str(tmp_path / "ours"))
    x = processor(
        text=processor.prompt("What is the PR interval?"),
        ecgs=[np.zeros((12, 5000), dtype=np.float32)],
        images=[np.zeros((30, 40, 3), dtype=np.uint8)],
        return_tensors="pt",
    )
    assert x["input_ids"][0, 0] == processor.tokenizer.bos_token_id
    assert (x["input_ids"] == processor.tokenizer.bos_token_id).sum() == 1
    assert model.eval().generate(**x, max_new_tokens=3, do_sample=False).shape[1] > x["input_ids"].shape[1]
    record = json.loads((tmp_path / "ours" / "conversion.json").read_text())
    assert record["used"]["model.ecg_tower.stem.0.weight"].endswith(": model.ecg_tower.ecg_tower.conv1.weight")


@pytest.mark.slow
def test_the_converted_folder_says_the_same_in_vllm(tmp_path):
    pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")
    release.write_gem(tmp_path / "GEM")
    convert(tmp_path / "GEM", tmp_path / "ours")
    script = Path(__file__).with_name("greedy_parity.py")
    run = [sys.executable, script, tmp_path / "ours", "10", "1"]
    said = subprocess.run(run, capture_output=True, text=True, timeout=500, check=True).stdout
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))["first"]
    assert found["same"] == found["of"] == 10
    assert found["logprob_gap"] < 1e-4


def test_pulse_begins_with_a_random_ecg_tower(tmp_path):
    state = release.write_gem(tmp_path / "PULSE-7B", tower=False)
    planned = convert(tmp_path / "PULSE-7B", tmp_path / "ours", seed=1, ecg_tower="gem-7b")
    assert {name.split(".")[1] for name in planned.random} == {"ecg_tower", "ecg_projector"}
    assert planned.config.ecg_config.lead_order == "standard"
    ours = stored(tmp_path / "ours")
    assert torch.equal(ours["model.mm_projector.0.weight"], state["model.mm_projector.0.weight"])
    assert ours["model.ecg_tower.blocks.3.c_fc.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(ours["model.ecg_tower.ln_pre.weight"], torch.ones(768))
    assert ours["model.ecg_tower.class_embedding"].std() == pytest.approx(768**-0.5, rel=0.1)
    assert {(part.name, part.origin) for part in planned.parts} >= {
        ("ecg_tower", "random, as large as the ECG tower of gem-7b"),
        ("ecg_projector", "random"),
        ("mm_projector", "PULSE-7B"),
    }
    load_model(str(tmp_path / "ours"))


def test_pulse_with_the_tower_of_ecg_coca(tmp_path):
    release.write_gem(tmp_path / "PULSE-7B", tower=False)
    tower = release.coca_checkpoint(tmp_path / "cpt_wfep_epoch_20.pt")
    planned = convert(tmp_path / "PULSE-7B", tmp_path / "ours", ecg_tower=tmp_path / "cpt_wfep_epoch_20.pt")
    ours = stored(tmp_path / "ours")
    assert torch.equal(
        ours["model.ecg_tower.blocks.1.qkv_proj.bias"], tower["transformer.resblocks.1.attn.in_proj_bias"]
    )
    assert torch.equal(ours["model.ecg_tower.proj"], tower["proj"])
    assert {name.split(".")[1] for name in planned.random} == {"ecg_projector"}
    assert planned.config.ecg_config.lead_order == "mimic"
    reasons = {tensor.name: reason for tensor, reason in planned.dropped}
    assert "text side" in reasons["state_dict.module.text.transformer.embeddings.word_embeddings.weight"]
    assert "trainer's state" in reasons["optimizer.state.0.exp_avg"]


def test_the_file_of_ecg_coca_alone_gives_a_tower_to_use_again(tmp_path):
    release.coca_checkpoint(tmp_path / "coca.pt")
    planned = convert(tmp_path / "coca.pt", tmp_path / "tower")
    assert len(planned.used) == 8 + 2 * 12
    release.write_gem(tmp_path / "PULSE-7B", tower=False)
    convert(tmp_path / "PULSE-7B", tmp_path / "a", ecg_tower=tmp_path / "coca.pt")
    convert(tmp_path / "PULSE-7B", tmp_path / "b", ecg_tower=tmp_path / "tower")
    convert(tmp_path / "PULSE-7B", tmp_path / "c", ecg_tower=tmp_path / "a")  # a GEM of ours has one too
    a, b, c = (stored(tmp_path / name) for name in "abc")
    towers = [name for name in a if name.startswith("model.ecg_tower.")]
    assert len(towers) == len(planned.used)
    assert all(torch.equal(a[name], b[name]) and torch.equal(a[name], c[name]) for name in towers)
    assert json.loads((tmp_path / "c" / "config.json").read_text())["ecg_config"]["lead_order"] == "mimic"


def test_clip_beside_a_language_model(tmp_path):
    release.write_language_model(tmp_path / "LLM")
    clip = release.clip() | {"text_model.final_layer_norm.weight": torch.ones(4), "logit_scale": torch.tensor(2.6)}
    release.write_config(tmp_path / "CLIP", {"model_type": "clip", "vision_config": release.clip_config()})
    (tmp_path / "CLIP").mkdir(exist_ok=True)
    save_file(clip, tmp_path / "CLIP" / "model.safetensors")
    planned = convert(tmp_path / "LLM", tmp_path / "ours", vision_tower=tmp_path / "CLIP")
    assert {name.split(".")[1] for name in planned.random} == {"ecg_tower", "ecg_projector", "mm_projector"}
    ours = stored(tmp_path / "ours")
    assert torch.equal(ours["model.vision_tower.pre_layrnorm.weight"], clip["vision_model.pre_layrnorm.weight"])
    model, processor = load_model(str(tmp_path / "ours"))
    assert processor.page_size == 28
    assert model.config.num_image_tokens == 4


def test_clip_beside_qwen3_as_transformers_saves_them(tmp_path):
    """A head that is the embeddings, a vocabulary with rows to spare, a chat template of its own."""
    tokenizer = train_tokenizer(["Read this ECG."])
    tokenizer.save_pretrained(tmp_path / "Qwen3")
    Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=512, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, head_dim=32, tie_word_embeddings=True,
        )
    ).save_pretrained(tmp_path / "Qwen3")  # fmt: skip
    CLIPVisionModel(CLIPVisionConfig(**release.clip_config())).save_pretrained(tmp_path / "CLIP")
    planned = convert(tmp_path / "Qwen3", tmp_path / "ours", vision_tower=tmp_path / "CLIP")
    assert planned.config.text_config.model_type == "qwen3"
    assert planned.config.text_config.vocab_size == 512
    assert planned.processor.tokenizer.chat_template == tokenizer.chat_template
    before = stored(tmp_path / "Qwen3")["model.embed_tokens.weight"]
    assert torch.equal(stored(tmp_path / "ours")["model.language_model.embed_tokens.weight"], before)
    model, _ = load_model(str(tmp_path / "ours"))
    assert model.lm_head.weight is model.get_input_embeddings().weight


@pytest.mark.parametrize(("width", "preset"), [(64, "tiny"), (128, "tiny"), (576, "small"), (4096, "gem-7b")])
def test_a_random_tower_fits_the_language_model(tmp_path, width, preset):
    assert fitting_preset(width) == preset
    release.write_language_model(tmp_path / "LLM", release.llama_config(width=width, layers=1, mlp=32))
    planned = plan(tmp_path / "LLM")
    assert planned.config.ecg_config.to_diff_dict() == tower_config(preset).to_diff_dict()
    said = {part.name: part.origin for part in planned.parts}
    assert said["ecg_tower"] == f"random, as large as the ECG tower of {preset}"
    assert "reads signals only" in said["vision_tower"]


def test_the_size_of_a_random_tower_is_chosen_by_name(tmp_path, monkeypatch):
    release.write_language_model(tmp_path / "LLM")
    planned = convert(tmp_path / "LLM", tmp_path / "ours", ecg_tower="small")
    assert planned.config.ecg_config.hidden_size == 384
    assert stored(tmp_path / "ours")["model.ecg_tower.stem.0.weight"].shape == (128, 12, 10)
    model, processor = load_model(str(tmp_path / "ours"))
    assert processor.num_ecg_tokens == model.config.num_ecg_tokens == planned.config.ecg_config.num_tokens
    with pytest.raises(CheckpointError, match=r"smal: not an ECG tower; .* or a size: .* — did you mean 'small'\?"):
        plan(tmp_path / "LLM", ecg_tower="smal")
    # a folder of the same name is meant by its path
    release.coca_checkpoint(tmp_path / "coca.pt")
    convert(tmp_path / "coca.pt", tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    assert plan(tmp_path / "LLM", ecg_tower="./tiny").config.ecg_config.lead_order == "mimic"
    assert plan(tmp_path / "LLM", ecg_tower="tiny").config.ecg_config.lead_order == "standard"


def test_a_size_for_a_source_that_has_a_tower_is_refused(tmp_path):
    release.write_gem(tmp_path / "GEM")
    with pytest.raises(CheckpointError, match="already has an ECG tower"):
        plan(tmp_path / "GEM", ecg_tower="small")


def test_a_seed_for_a_source_that_has_every_part_is_refused(tmp_path):
    release.write_gem(tmp_path / "GEM")
    with pytest.raises(CheckpointError, match="none is drawn at random; leave --seed out"):
        plan(tmp_path / "GEM", seed=1)


@pytest.mark.parametrize(
    "option", [{"ecg_tower": "tiny"}, {"vision_tower": Path("CLIP")}, {"gem_compat": True}, {"seed": 0}]
)
def test_options_of_a_whole_model_are_refused_where_a_tower_is_converted_alone(tmp_path, option):
    release.coca_checkpoint(tmp_path / "coca.pt")
    with pytest.raises(CheckpointError, match="an ECG tower alone is converted; leave"):
        plan(tmp_path / "coca.pt", **option)


def test_dtypes_stay_as_they_are(tmp_path):
    state = release.write_gem(tmp_path / "GEM")
    release.write_shards(tmp_path / "GEM", {n: t.half() if t.is_floating_point() else t for n, t in state.items()})
    planned = convert(tmp_path / "GEM", tmp_path / "ours")
    assert {tensor.dtype for tensor in stored(tmp_path / "ours").values()} == {torch.float16}
    assert planned.config.dtype == torch.float16
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "ours", dtype="auto").dtype == torch.float16


def test_the_preprocessing_is_asked_for_and_saved(tmp_path):
    release.write_gem(tmp_path / "GEM")
    convert(tmp_path / "GEM", tmp_path / "ours")
    convert(tmp_path / "GEM", tmp_path / "theirs", gem_compat=True)
    ours, theirs = (AutoProcessor.from_pretrained(tmp_path / name) for name in ("ours", "theirs"))
    assert (ours.image_processor.do_center_crop, theirs.image_processor.do_center_crop) == (False, True)
    assert (ours.feature_extractor.gem_compat, theirs.feature_extractor.gem_compat) == (False, True)
    assert ours.feature_extractor.lead_order == theirs.feature_extractor.lead_order == "mimic"


@pytest.mark.parametrize("fast", [False, True], ids=["tokenizer.model", "tokenizer.json"])
def test_wording_of_llava_v1(tmp_path, fast):
    """GEM's words and GEM's tokens: every stretch of text between special tokens is tokenised as if alone."""
    release.write_gem(tmp_path / "GEM")
    encode = SentencePieceProcessor(str(tmp_path / "GEM" / "tokenizer.model")).encode
    if fast:
        LlamaTokenizer.from_pretrained(tmp_path / "GEM").save_pretrained(tmp_path / "GEM")
        (tmp_path / "GEM" / "tokenizer.model").unlink()
    tokenizer = plan(tmp_path / "GEM").processor.tokenizer
    turns = [
        {"role": "user", "content": "<ecg><image>\nRate?"},
        {"role": "assistant", "content": "60 bpm."},
        {"role": "user", "content": "PR?"},
    ]
    said = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    first, second, third = f"{release.SYSTEM} USER: ", "\nRate? ASSISTANT: 60 bpm.", "USER: PR? ASSISTANT:"
    assert said == f"<s>{first}<ecg><image>{second}</s>{third}"
    assert tokenizer(said)["input_ids"] == [1, *encode(first), 400, 401, *encode(second), 2, *encode(third)]


# -- what does not fit


def change(folder, edit):
    """Rewrite a GEM's state after `edit`."""
    state = release.write_gem(folder)
    edit(state)
    release.write_shards(folder, state)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda s: s.pop("model.layers.1.mlp.up_proj.weight"),
            r"lacks model.language_model.layers.1.mlp.up_proj.weight",
        ),
        (lambda s: s.pop("model.mm_projector.2.bias"), r"lacks model.mm_projector.2.bias"),
        (
            lambda s: s.pop("model.ecg_tower.ecg_tower.conv1.weight"),
            r"its ECG tower lacks model.ecg_tower.stem.0.weight",
        ),
        (
            lambda s: s.update({"model.norm.weight": torch.ones(5)}),
            r"model.norm.weight has shape \(5,\), expected \(64,\)",
        ),
        (
            lambda s: s.update({"model.ecg_projector.weight": torch.ones(64, 63)}),
            r"model.ecg_projector.weight has shape \(64, 63\), expected \(64, 64\)",
        ),
        (
            lambda s: s.update({"model.q_former.weight": torch.ones(2)}),
            "tensors of another architecture: model.q_former",
        ),
        (
            lambda s: s.update({"model.layers.2.mlp.up_proj.weight": torch.ones(96, 64)}),
            "no place for: model.language_model.layers.2.mlp.up_proj.weight",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(tmp_path, edit, said):
    change(tmp_path / "GEM", edit)
    with pytest.raises(CheckpointError, match=said):
        plan(tmp_path / "GEM")


def test_a_gem_without_its_tower_asks_for_it(tmp_path):
    change(tmp_path / "GEM", lambda s: [s.pop(name) for name in list(s) if ".ecg_tower." in name])
    with pytest.raises(CheckpointError, match="--ecg-tower"):
        plan(tmp_path / "GEM")
    release.coca_checkpoint(tmp_path / "coca.pt")
    assert not plan(tmp_path / "GEM", ecg_tower=tmp_path / "coca.pt").random


def test_truncated_and_missing_shards(tmp_path):
    release.write_gem(tmp_path / "GEM")
    release.write_gem(tmp_path / "bin", pickled=True)
    for file in (
        tmp_path / "GEM" / "model-00002-of-00002.safetensors",
        tmp_path / "bin" / "pytorch_model-00002-of-00002.bin",
    ):
        whole = file.read_bytes()
        for length in (len(whole) - 100, len(whole) // 2, 5, 0):
            file.write_bytes(whole[:length])
            with pytest.raises(CheckpointError, match=f"{file.name}: truncated") as error:
                plan(file.parent)
            assert "\n" not in str(error.value)
        file.unlink()
        with pytest.raises(CheckpointError, match=f"not there: {file.name}"):
            plan(file.parent)


def test_a_shard_of_another_index_is_named(tmp_path):
    state = release.write_gem(tmp_path / "GEM")
    file = tmp_path / "GEM" / "model-00001-of-00002.safetensors"
    left = load_file(file)
    lost = left.popitem()[0]
    save_file(left, file)
    assert lost in state
    with pytest.raises(CheckpointError, match=f"lacks {lost}, which the index says"):
        plan(tmp_path / "GEM")


class Code:
    def __reduce__(self):
        return print, ("a checkpoint ran code",)


def test_a_pickle_with_code_is_not_run(tmp_path, capsys):
    torch.save({"state_dict": {}, "args": Code()}, tmp_path / "coca.pt")
    with pytest.raises(CheckpointError, match="more than tensors"):
        plan(tmp_path / "coca.pt")
    assert "ran code" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "vit"}, "'vit'"),
        ({"model_type": "bert", "architectures": ["BertModel"]}, "BertModel is no causal language model"),
        ({"model_type": "qwen2_5_vl", "text_config": {}}, "'qwen2_5_vl'"),
        ({"model_type": "ecg_r1_gem"}, "already"),
        ({"model_type": "llava", "text_config": {}, "vision_config": {}}, "LLaVA's own layout"),
        ({"model_type": "llava_mpt", "mm_vision_tower": "openai/clip-vit-large-patch14-336"}, "'llava_mpt'"),
    ],
)
def test_another_architecture_is_refused(tmp_path, config, said):
    release.write_config(tmp_path / "other", config)
    with pytest.raises(CheckpointError, match=said):
        plan(tmp_path / "other")


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="nope: no such folder"):
        plan(tmp_path / "nope")


@pytest.mark.parametrize(
    "junk",
    [b"junk\n", b"", b"\x80\x02X", b"\x80\x02l", b"PK\x03\x04" + bytes(60), bytes(1000)],
    ids=["words", "empty", "half a string", "nothing to take", "half a zip", "an empty archive"],
)
def test_junk_is_no_torch_file(tmp_path, junk):
    (tmp_path / "j.pt").write_bytes(junk)
    with pytest.raises(CheckpointError, match=r"j\.pt: (truncated|holds more)") as error:
        plan(tmp_path / "j.pt")
    assert "weights_only" not in str(error.value)
    assert "\n" not in str(error.value)


def test_what_llava_reads_of_clip_is_kept_or_refused(tmp_path):
    release.write_gem(tmp_path / "GEM")
    config = json.loads((tmp_path / "GEM" / "config.json").read_text())
    release.write_config(tmp_path / "GEM", config | {"mm_vision_select_layer": -1})
    assert plan(tmp_path / "GEM").config.vision_feature_layer == -1
    release.write_config(tmp_path / "GEM", config | {"mm_vision_select_feature": "cls_patch"})
    with pytest.raises(CheckpointError, match="mm_vision_select_feature = 'cls_patch'; only 'patch'"):
        plan(tmp_path / "GEM")


def test_clip_of_another_size_is_asked_for(tmp_path):
    release.write_gem(tmp_path / "GEM")
    config = json.loads((tmp_path / "GEM" / "config.json").read_text())
    release.write_config(tmp_path / "GEM", config | {"mm_vision_tower": "openai/clip-vit-base-patch16"})
    with pytest.raises(CheckpointError, match="'openai/clip-vit-base-patch16'; name that CLIP's folder"):
        plan(tmp_path / "GEM")
    assert plan(tmp_path / "GEM", vision_tower=tmp_path / "GEM-clip").config.vision_config.hidden_size == 64


def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path):
    release.write_gem(tmp_path / "GEM")
    planned = plan(tmp_path / "GEM")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "kept").write_text("")
    with pytest.raises(CheckpointError, match="exists already"):
        next(write(planned, tmp_path / "ours"))
    cut_short = write(planned, tmp_path / "new")
    next(cut_short)
    cut_short.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["GEM", "GEM-clip", "ours"]


def test_the_command_line(tmp_path, ecg_r1):
    release.write_gem(tmp_path / "GEM")
    said = ecg_r1("convert", tmp_path / "GEM", tmp_path / "ours")
    assert said.code == 0, said.err
    assert "ecg_tower" in said.out
    assert "ends a row of LLaVA-1.6's tiles" in said.out
    assert said.out.strip().splitlines()[-1] == str(tmp_path / "ours")
    again = ecg_r1("convert", tmp_path / "GEM", tmp_path / "ours")
    assert (again.code, again.err.count("\n")) == (2, 1)
    missing = ecg_r1("convert", tmp_path / "nothing", tmp_path / "new")
    assert (missing.code, missing.err.count("\n")) == (2, 1)


def test_the_command_line_says_how_large_a_random_tower_is_and_that_there_are_no_pages(tmp_path, ecg_r1):
    release.write_language_model(tmp_path / "LLM")
    said = ecg_r1("convert", tmp_path / "LLM", tmp_path / "ours", "--ecg-tower", "tiny")
    assert said.code == 0, said.err
    assert "random, as large as the ECG tower of tiny" in said.out
    assert "--vision-tower adds pages" in said.out


MEMORY = """
import sys
from pathlib import Path
from ecg_r1.model import weights
from ecg_r1.model.convert.plan import plan
from ecg_r1.model.convert.shards import write

def peak():  # kB; ru_maxrss would be the parent's
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

weights.SHARD_BYTES = 8 * 2**20
planned = plan(Path(sys.argv[1]))
before = peak()
for _ in write(planned, Path(sys.argv[2])): pass
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "bin"])
def test_memory_stays_near_one_shard(tmp_path, pickled):
    language = release.llama_config(width=512, layers=12, mlp=1536, heads=8)
    state = release.write_gem(tmp_path / "GEM", language=language, shards=20, pickled=pickled)
    megabytes = sum(tensor.nbytes for tensor in state.values()) / 2**20
    assert megabytes > 150  # twenty shards of 8 MB
    run = [sys.executable, "-c", MEMORY, tmp_path / "GEM", tmp_path / "ours"]
    said = subprocess.run(run, capture_output=True, text=True, check=True)
    grown = int(said.stdout) / 1024
    print(f"{megabytes:.0f} MB converted, {grown:.0f} MB more memory")
    assert grown < 3 * 8 + 25  # the shard that is read, the one that is written and its bytes; the rest is fixed
    index = json.loads((tmp_path / "ours" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) >= 20
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in stored(tmp_path / "ours").values())
    load_model(str(tmp_path / "ours"))
