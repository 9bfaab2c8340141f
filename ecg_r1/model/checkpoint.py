"""Checkpoints: a preset or a folder -> model and processor; freezing and LoRA by name of part."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoProcessor

from ecg_r1.errors import UserError

from . import register
from .modeling import GEMForConditionalGeneration
from .presets import PRESETS, build_model
from .processing import GEMProcessor
from .tokenizer import train_tokenizer

PARTS = {
    "ecg_tower": "model.ecg_tower.",
    "ecg_projector": "model.ecg_projector.",
    "vision_tower": "model.vision_tower.",
    "mm_projector": "model.mm_projector.",
    "ecg_mm_projector": "model.ecg_mm_projector.",
    "language_model": "model.language_model.",
    "lm_head": "lm_head.",
}


class CheckpointError(UserError):
    """A model spec is neither a preset nor the folder of a GEM checkpoint, or names a part that GEM does not have."""


def load_model(
    spec: str, *, texts: Iterable[str] = (), dtype: str = "float32"
) -> tuple[GEMForConditionalGeneration, GEMProcessor]:
    """A preset (random weights, a tokenizer made from `texts`) or a folder (safetensors only).

    Raises:
        CheckpointError: no such preset or folder, or the folder holds another model.
    """
    register()
    if spec in PRESETS:
        if spec == "gem-7b":
            raise CheckpointError(
                'preset "gem-7b" has no weights of its own; convert a released checkpoint and name its folder'
            )
        return build_model(spec, train_tokenizer(texts))
    folder = check_checkpoint(spec)
    model = GEMForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, local_files_only=True
    )
    return model, load_processor(folder)


def load_processor(folder: Path) -> GEMProcessor:
    register()
    return AutoProcessor.from_pretrained(folder, local_files_only=True)


def stored_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a checkpoint by name, one at a time: memory stays at one tensor's, whatever the model's size."""
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as shard:
            for name in shard.keys():  # noqa: SIM118 (a shard is no dict)
                yield name, shard.get_tensor(name)


def check_checkpoint(spec: str | Path) -> Path:
    """The folder of a GEM checkpoint; a run's folder stands for its `model/`.

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
    kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
    if kind != "ecg_r1_gem":
        raise CheckpointError(f"{config}: model_type is {kind!r}, not 'ecg_r1_gem'; convert it with `ecg-r1 convert`")
    return folder


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
    """CLIP's layers after the feature layer and its final norm: they are computed or kept, never used.

    (ECG-CoCa's own norm and projection, beyond the hidden states that GEM uses, are born frozen.)
    """
    config = model.config
    depth = config.vision_config.num_hidden_layers + 1 + config.vision_feature_layer
    _, _, layer = name.partition(".encoder.layers.")
    return name.startswith(PARTS["vision_tower"]) and (
        "post_layernorm" in name or (layer != "" and int(layer.split(".")[0]) >= depth)
    )


def save(model: Any, processor: GEMProcessor, folder: Path) -> None:
    """Weights (adapters merged) and processor, loadable by transformers and vLLM."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    # In the names of this process: `save_pretrained` would else put back names that a checkpoint came with.
    model.save_pretrained(folder, save_original_format=False)
    processor.save_pretrained(folder)
