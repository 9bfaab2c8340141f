"""Checkpoints: a preset or a folder -> model and processor; the parts of a model by name, and freezing them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from os.path import isfile  # pathlib's raises where a name is too long
from pathlib import Path
from typing import Any

import torch
from transformers.integrations import is_deepspeed_zero3_enabled
from transformers.modeling_utils import set_zero3_state
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from ecg_r1.model import ARCHITECTURE, register
from ecg_r1.model.configuration import ECGTowerConfig, GEMConfig
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.opened import open_processor
from ecg_r1.model.presets import PRESETS, build_model
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.model.settings import check_files, check_sizes, named, read_settings
from ecg_r1.model.tokenizer import train_tokenizer
from ecg_r1.model.weights import CheckpointError, check_finite, check_values, few, first_not_finite, inventory, read

PARTS = {
    "ecg_tower": "model.ecg_tower.",
    "ecg_projector": "model.ecg_projector.",
    "vision_tower": "model.vision_tower.",
    "mm_projector": "model.mm_projector.",
    "ecg_mm_projector": "model.ecg_mm_projector.",
    "language_model": "model.language_model.",
    "lm_head": "lm_head.",
}
PART_TYPES = {
    "ecg_config": (ECGTowerConfig.model_type,),
    "vision_config": ("clip_vision_model",),
    "text_config": ("llama", *MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
}  # the model types of each part, the one that is assumed first
VOCABULARY = 512  # at most, of the tokenizers that are made for the small presets


def load_model(
    spec: str, *, texts: Iterable[str] = (), dtype: str = "float32", four_bits: Sequence[str] = ()
) -> tuple[GEMForConditionalGeneration, GEMProcessor]:
    """Load a model and its processor.

    Args:
        spec: a preset, for random weights; a checkpoint's folder (safetensors only); or a run's folder.
        texts: what a preset's tokenizer is made from: the questions and reports of the training corpus.
        dtype: of a checkpoint's weights in memory.
        four_bits: parts whose linear layers are held in 4 bits; see `ecg_r1.model.four_bits`.

    Raises:
        CheckpointError: there is no such preset or folder, the folder holds another model or is damaged, or a weight is
            NaN or infinite.
    """
    register()
    if spec in PRESETS:
        if spec == "gem-7b":
            raise CheckpointError('preset "gem-7b" has no weights; convert a released checkpoint and name its folder')
        return build_model(spec, train_tokenizer(texts))
    folder = check_checkpoint(spec)
    options: dict[str, Any] = {}
    if four_bits:
        from ecg_r1.model.four_bits import quantization

        options["quantization_config"] = quantization(four_bits, PARTS)
    model = GEMForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, local_files_only=True, trust_remote_code=False, **options
    )
    if is_deepspeed_zero3_enabled():  # this process holds a slice of each tensor
        check_values(folder)
    else:
        _check_model(model, folder)
    return model, load_processor(folder)


def load_processor(folder: Path) -> GEMProcessor:
    """Load the processor of a checkpoint.

    Args:
        folder: of the checkpoint, as `check_checkpoint` returns it.

    Raises:
        CheckpointError: a file of the processor or the tokenizer is missing, damaged or of another model, or the chat
            template fails on a question.
    """
    register()
    return open_processor(folder, read_config(folder))


def read_config(folder: Path) -> GEMConfig:
    """Read the configuration of a checkpoint.

    Args:
        folder: of the checkpoint.

    Raises:
        CheckpointError: its config.json is missing, damaged or of another model, or describes no model.
    """
    path = folder / "config.json"
    values = read_settings(path)
    kind = values.get("model_type")
    if kind != GEMConfig.model_type:
        raise CheckpointError(
            f"{path}: model_type is {kind!r:.80}, not {GEMConfig.model_type!r}; convert it with `ecg-r1 convert`"
        )
    if values.get("architectures", [ARCHITECTURE]) != [ARCHITECTURE]:
        raise CheckpointError(f"{path}: architectures is {values['architectures']!r:.80}, not {[ARCHITECTURE]!r}")
    check_sizes(values, path)
    for part, kinds in PART_TYPES.items():
        part_values = values.get(part)
        if part_values is None:
            continue
        if not isinstance(part_values, dict):
            raise CheckpointError(f"{path}: {part} must hold keys, not {part_values!r:.80}")
        kind = part_values.get("model_type", kinds[0])
        if not isinstance(kind, str) or kind not in kinds:
            known = kinds[0] if len(kinds) == 1 else "a causal language model of transformers'"
            raise CheckpointError(f"{path}: {part}.model_type is {kind!r:.80}, not {known}")
    with named(path):
        return GEMConfig(**values)


def stored_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Read the tensors of a checkpoint one at a time, so that memory holds one of them, whatever the model's size.

    Args:
        folder: of the checkpoint.

    Yields:
        Name and tensor.
    """
    for stored, tensor in read(inventory(folder, pickled=False).values()):
        yield stored.name, tensor


def check_checkpoint(spec: str | Path) -> Path:
    """Find a GEM checkpoint and check that every tensor is in place; only the headers of its shards are read.

    transformers would only warn of a missing tensor, and draw it at random.

    Args:
        spec: the checkpoint's folder, or the folder of a run that trained one.

    Returns:
        The checkpoint's folder; of a run, its `model/`.

    Raises:
        CheckpointError: there is no such folder, or it holds another model or is damaged.
    """
    folder = Path(spec)
    if isfile(folder / "model" / "config.json"):
        folder = folder / "model"
    config = folder / "config.json"
    if not isfile(config):
        near = difflib.get_close_matches(str(spec), PRESETS, 1)
        hint = f" — did you mean the preset {near[0]!r}?" if near else f"; presets are {', '.join(PRESETS)}"
        raise CheckpointError(f"{spec}: neither a preset nor a checkpoint folder with config.json{hint}")
    check_files(folder)
    described = read_config(folder)
    stored = inventory(folder, pickled=False)
    for stray in {*folder.glob("*.safetensors")} - {tensor.file for tensor in stored.values()}:
        raise CheckpointError(f"{stray}: belongs to no shard of this model; vLLM would read it; move it away")
    with named(config):
        shapes = tensor_shapes(described)
    for names, what in ((shapes.keys() - stored.keys(), "lacks"), (stored.keys() - shapes.keys(), "has no place for")):
        if names:
            raise CheckpointError(f"{folder}: a GEM of this config.json {what} {few(sorted(names))}")
    for name, tensor in stored.items():
        if tensor.shape != shapes[name]:
            raise CheckpointError(f"{tensor.file}: {name} has shape {tensor.shape}, config.json says {shapes[name]}")
        if not tensor.dtype.is_floating_point:
            raise CheckpointError(f"{tensor.file}: {name} has dtype {tensor.dtype}; weights are floating-point numbers")
    return folder


def skeleton(config: GEMConfig) -> GEMForConditionalGeneration:
    """A GEM without weights: its modules, and the shapes of their tensors on the meta device.

    Args:
        config: of the model.
    """
    with set_zero3_state(), torch.device("meta"):  # where ZeRO-3 is on, it would shard tensors that hold nothing
        return GEMForConditionalGeneration(config)


def shape_of(spec: str) -> GEMForConditionalGeneration:
    """A preset or a checkpoint without its weights, as `skeleton` gives it.

    Args:
        spec: as in `load_model`. The vocabulary of a small preset depends on its corpus: `VOCABULARY` is assumed.

    Raises:
        CheckpointError: as `load_model`.
    """
    register()
    if spec not in PRESETS:
        return skeleton(read_config(check_checkpoint(spec)))
    values = {part: dict(value) for part, value in PRESETS[spec].items()}
    if values:
        values["text_config"] |= {"vocab_size": VOCABULARY}
    return skeleton(GEMConfig(**values))


def tensor_shapes(config: GEMConfig) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that a checkpoint holds, by name.

    A head that shares the matrix of the embeddings is left out, as transformers leaves it out of the file.

    Args:
        config: of the model.
    """
    model = skeleton(config)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in tied}


def parts_of(config: GEMConfig) -> list[str]:
    """The parts that a model has, by their names in `PARTS`.

    Args:
        config: of the model.
    """
    absent = set()
    if not config.separate_projectors:
        absent.add("ecg_mm_projector")
    if config.vision_config is None:
        absent |= {"vision_tower", "ecg_projector"}
    return [part for part in PARTS if part not in absent]


def check_parts(parts: Sequence[str], config: GEMConfig | None = None) -> None:
    """Refuse the name of a part that cannot be frozen.

    Args:
        parts: names, as a recipe's `freeze` lists them.
        config: of the model, whose own parts they must then be; by default any part that a GEM can have.

    Raises:
        CheckpointError: there is no such part, or this model does not have it.
    """
    there = list(PARTS) if config is None else parts_of(config)
    for part in parts:
        if part not in PARTS:
            near = difflib.get_close_matches(part, there, 1)
            raise CheckpointError(
                f"freeze: no part {part!r}; {f'did you mean {near[0]!r}?' if near else f'parts are {there}'}"
            )
        if part not in there:
            raise CheckpointError(f"freeze: this model has no {part}; its parts are {', '.join(there)}")


def freeze(model: Any, parts: Sequence[str]) -> None:
    """Exclude parts from training, and in any case the tensors that the loss does not depend on: see `_beyond_loss`.

    Args:
        model: a GEM; `requires_grad` of its parameters is changed.
        parts: names in `PARTS`.

    Raises:
        CheckpointError: as `check_parts`, of this model.
    """
    check_parts(parts, model.config)
    prefixes = tuple(PARTS[part] for part in parts)
    for name, parameter in model.named_parameters():
        if name.startswith(prefixes or ("\0",)) or _beyond_loss(model, name):
            parameter.requires_grad = False


def _beyond_loss(model: Any, name: str) -> bool:
    """Whether a parameter cannot change the loss.

    These are CLIP's layers after the one that is read and its final norm, and the norm and projection of ECG-CoCa's
    contrastive loss.
    """
    vision = model.config.vision_config
    if vision is not None and name.startswith(PARTS["vision_tower"]):
        read = vision.num_hidden_layers + 1 + model.config.vision_feature_layer
        _, _, layer = name.partition(".encoder.layers.")
        return "post_layernorm" in name or (layer != "" and int(layer.split(".")[0]) >= read)
    return name.startswith((PARTS["ecg_tower"] + "ln_post.", PARTS["ecg_tower"] + "proj"))


def save(model: Any, processor: GEMProcessor, folder: Path) -> None:
    """Save a checkpoint that transformers and vLLM open; adapters are merged into the weights.

    Args:
        model: a GEM, or PEFT's model around one.
        processor: of the model.
        folder: to write into.

    Raises:
        CheckpointError: a weight is NaN or infinite; nothing is written.
    """
    if hasattr(model, "merge_and_unload"):
        quantized = model.get_base_model()
        if getattr(quantized, "is_loaded_in_4bit", False):
            from ecg_r1.model.four_bits import on_whole_weights

            model = on_whole_weights(model, load_model(quantized.name_or_path)[0])
        model = model.merge_and_unload()
    _check_model(model, folder)
    # In the names of this process: `save_pretrained` would else put back names that a checkpoint came with.
    model.save_pretrained(folder, save_original_format=False)
    processor.save_pretrained(folder)


def _check_model(model: Any, folder: Path) -> None:
    state = model.state_dict()
    name = first_not_finite(state.items())
    if name is not None:
        check_finite(name, state[name], folder)
