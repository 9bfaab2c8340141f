"""Checkpoints: a preset or a folder -> model and processor; freezing and LoRA by name of part."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoProcessor
from transformers.modeling_utils import set_zero3_state

from . import register
from .configuration import GEMConfig
from .modeling import GEMForConditionalGeneration
from .presets import PRESETS, build_model
from .processing import GEMProcessor
from .tokenizer import train_tokenizer
from .weights import CheckpointError, few, inventory, read

PARTS = {
    "ecg_tower": "model.ecg_tower.",
    "ecg_projector": "model.ecg_projector.",
    "vision_tower": "model.vision_tower.",
    "mm_projector": "model.mm_projector.",
    "ecg_mm_projector": "model.ecg_mm_projector.",
    "language_model": "model.language_model.",
    "lm_head": "lm_head.",
}
VOCABULARY = 512  # at most, of the tokenizers that are made for the small presets


def load_model(
    spec: str, *, texts: Iterable[str] = (), dtype: str = "float32"
) -> tuple[GEMForConditionalGeneration, GEMProcessor]:
    """A preset (random weights, a tokenizer made from `texts`) or a folder (safetensors only).

    Raises:
        CheckpointError: no such preset or folder, or the folder holds another model, or a damaged one.
    """
    register()
    if spec in PRESETS:
        if spec == "gem-7b":
            raise CheckpointError(
                'preset "gem-7b" has no weights of its own; convert a released checkpoint and name its folder'
            )
        return build_model(spec, train_tokenizer(texts))
    folder = check_checkpoint(spec)
    model = GEMForConditionalGeneration.from_pretrained(folder, dtype=dtype, local_files_only=True)
    return model, load_processor(folder)


def load_processor(folder: Path) -> GEMProcessor:
    register()
    return AutoProcessor.from_pretrained(folder, local_files_only=True)


def stored_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a checkpoint by name, one at a time: memory stays at one tensor's, whatever the model's size."""
    for stored, tensor in read(inventory(folder, pickled=False).values()):
        yield stored.name, tensor


def check_checkpoint(spec: str | Path) -> Path:
    """The folder of a GEM checkpoint, every tensor of it in place; a run's folder stands for its `model/`.

    Only the headers of its shards are read. transformers would draw a missing tensor at random, with a warning.

    Raises:
        CheckpointError: as `load_model`.
    """
    folder = Path(spec)
    if (folder / "model" / "config.json").is_file():
        folder = folder / "model"
    config = folder / "config.json"
    if not config.is_file():
        near = difflib.get_close_matches(str(spec), PRESETS, 1)
        hint = f" — did you mean the preset {near[0]!r}?" if near else f"; presets are {', '.join(PRESETS)}"
        raise CheckpointError(f"{spec}: neither a preset nor a checkpoint folder with config.json{hint}")
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{config}: no JSON ({error})") from None
    kind = values.get("model_type")
    if kind != "ecg_r1_gem":
        raise CheckpointError(f"{config}: model_type is {kind!r}, not 'ecg_r1_gem'; convert it with `ecg-r1 convert`")
    stored, shapes = inventory(folder, pickled=False), tensor_shapes(GEMConfig(**values))
    for names, what in ((shapes.keys() - stored.keys(), "lacks"), (stored.keys() - shapes.keys(), "has no place for")):
        if names:
            raise CheckpointError(f"{folder}: a GEM of this config.json {what} {few(sorted(names))}")
    for name, tensor in stored.items():
        if tensor.shape != shapes[name]:
            raise CheckpointError(f"{tensor.file}: {name} has shape {tensor.shape}, config.json says {shapes[name]}")
    return folder


def skeleton(config: GEMConfig) -> GEMForConditionalGeneration:
    """A GEM without weights: its modules and the shapes of their tensors."""
    with set_zero3_state(), torch.device("meta"):  # where ZeRO-3 is on, it would shard what is not there
        return GEMForConditionalGeneration(config)


def shape_of(spec: str) -> GEMForConditionalGeneration:
    """The model of a preset or a checkpoint folder without its weights; `VOCABULARY` words where its corpus decides.

    Raises:
        CheckpointError: as `load_model`.
    """
    register()
    if spec not in PRESETS:
        return skeleton(AutoConfig.from_pretrained(check_checkpoint(spec), local_files_only=True))
    values = {part: dict(value) for part, value in PRESETS[spec].items()}
    if values:
        values["text_config"] |= {"vocab_size": VOCABULARY}
    return skeleton(GEMConfig(**values))


def tensor_shapes(config: GEMConfig) -> dict[str, tuple[int, ...]]:
    """Every tensor of a GEM's checkpoint by name; a head that is tied to the embeddings is none."""
    model = skeleton(config)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in tied}


def check_parts(parts: Sequence[str]) -> None:
    """
    Raises:
        CheckpointError: a part GEM does not have.
    """
    for part in parts:
        if part not in PARTS:
            near = difflib.get_close_matches(part, PARTS, 1)
            raise CheckpointError(
                f"freeze: no part {part!r}; {f'did you mean {near[0]!r}?' if near else f'parts are {list(PARTS)}'}"
            )


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Take the named parts out of training. What no loss reaches is frozen in any case: see `_beyond_loss`.

    Raises:
        CheckpointError: as `check_parts`.
    """
    check_parts(parts)
    prefixes = tuple(PARTS[part] for part in parts)
    for name, parameter in model.named_parameters():
        if name.startswith(prefixes or ("\0",)) or _beyond_loss(model, name):
            parameter.requires_grad = False


def _beyond_loss(model: Any, name: str) -> bool:
    """What is computed or kept, and never used: CLIP's layers after the feature layer and its final norm, and the
    norm and projection of ECG-CoCa's contrastive loss."""
    config = model.config
    depth = config.vision_config.num_hidden_layers + 1 + config.vision_feature_layer
    _, _, layer = name.partition(".encoder.layers.")
    vision = "post_layernorm" in name or (layer != "" and int(layer.split(".")[0]) >= depth)
    return (name.startswith(PARTS["vision_tower"]) and vision) or name.startswith(
        (PARTS["ecg_tower"] + "ln_post.", PARTS["ecg_tower"] + "proj")
    )


def save(model: Any, processor: GEMProcessor, folder: Path) -> None:
    """Weights (adapters merged) and processor, loadable by transformers and vLLM."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    # In the names of this process: `save_pretrained` would else put back names that a checkpoint came with.
    model.save_pretrained(folder, save_original_format=False)
    processor.save_pretrained(folder)
