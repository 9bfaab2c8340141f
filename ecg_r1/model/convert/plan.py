"""Which source tensor becomes which of ours: checked by name and shape before a value is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from ..checkpoint import PARTS, tensor_shapes
from ..configuration import ECGTowerConfig, GEMConfig
from ..presets import build_processor
from ..processing import GEMProcessor
from ..weights import PICKLED, CheckpointError, Stored, few
from . import names
from .configs import coca_config, feature_layer, is_llava, language_config, read_config, vision_config
from .names import Assignment
from .tokens import tokenizer_of

NEW_PARTS = ("ecg_tower", "ecg_projector", "mm_projector")  # begin at random where no source has them
WITH_ROWS = ("model.language_model.embed_tokens.weight", "lm_head.weight")  # one row for each token of the vocabulary


@dataclass(frozen=True)
class Part:
    """A row of the report. `origin`: the file or folder whose weights these are, or "random"."""

    name: str
    tensors: int
    parameters: int
    origin: str


@dataclass(frozen=True)
class Plan:
    """A conversion, checked and not carried out yet.

    `used`: our name -> source tensor. `random`: our name -> shape, of what no source has. `dropped`: the other source
    tensors, each with the reason. `processor` is None where only an ECG tower is converted.
    """

    config: GEMConfig | ECGTowerConfig
    processor: GEMProcessor | None
    used: dict[str, Stored]
    dropped: list[tuple[Stored, str]]
    random: dict[str, tuple[int, ...]] = field(default_factory=dict)
    seed: int = 0

    @property
    def parts(self) -> list[Part]:
        """What each part of the model is made of."""
        sizes: dict[tuple[str, str], list[int]] = {}
        for name, tensor in self.used.items():
            origin = tensor.file.name if tensor.file.suffix in PICKLED else tensor.file.parent.name
            sizes.setdefault((_part(name), origin), []).append(torch.Size(tensor.shape).numel())
        for name, shape in self.random.items():
            sizes.setdefault((_part(name), "random"), []).append(torch.Size(shape).numel())
        rows = [Part(part, len(counts), sum(counts), origin) for (part, origin), counts in sizes.items()]
        return sorted(rows, key=lambda row: list(PARTS).index(row.name))


def plan(
    source: Path,
    *,
    ecg_tower: Path | None = None,
    vision_tower: Path | None = None,
    gem_compat: bool = False,
    seed: int = 0,
) -> Plan:
    """Read names, shapes and configs of a source, and say what becomes of each tensor.

    Args:
        source: folder of a GEM, PULSE or LLaVA in LLaVA's own layout, or of a causal language model; or ECG-CoCa's
            file, which gives an ECG tower alone.
        ecg_tower: ECG-CoCa's file, or a folder with an ECG tower of ours, for a source that has none.
        vision_tower: a CLIP's folder, for a source that has none.
        gem_compat: the processor does GEM's own preprocessing; see `build_processor`.
        seed: of the parts that no source has.

    Raises:
        CheckpointError: another architecture, a tensor that is missing, mis-shaped or unknown, a truncated shard.
    """
    taken = Assignment()
    if source.is_file():
        tower = _read_tower(source, taken)
        shapes = tensor_shapes(GEMConfig(ecg_config=tower))
        _check(taken, {name: shape for name, shape in shapes.items() if _part(name) == "ecg_tower"}, source)
        return Plan(tower, None, taken.used, taken.dropped)
    values = read_config(source)
    llava = is_llava(values, source)
    language, clip = language_config(values, source), vision_config(values, source, vision_tower)
    taken.take(source, names.GEM if llava else names.LANGUAGE_MODEL)
    if not taken.has("vision_tower"):
        if vision_tower is None:
            raise CheckpointError(f"{source}: holds no vision tower; name its CLIP's folder with --vision-tower")
        taken.take(vision_tower, names.CLIP)
    tower = _tower(taken, source, ecg_tower)
    tokenizer = tokenizer_of(source, llava_llama=llava and language.model_type == "llama")
    config = _config(tower, clip, language, tokenizer, taken)
    config.vision_feature_layer = feature_layer(values, source)
    if config.tie_word_embeddings and "lm_head.weight" in taken.used:
        taken.dropped.append((taken.used.pop("lm_head.weight"), "the language model's head is its embedding"))
    random = _check(taken, tensor_shapes(config), source)
    processor = build_processor(config, tokenizer, gem_compat=gem_compat)
    return Plan(config, processor, taken.used, taken.dropped, random, seed)


def _tower(taken: Assignment, source: Path, ecg_tower: Path | None) -> ECGTowerConfig:
    """The ECG tower's shape; its tensors are the source's, those of `ecg_tower`, or to be drawn at random."""
    if taken.has("ecg_tower"):
        if ecg_tower is not None:
            raise CheckpointError(f"{source}: has an ECG tower of its own; leave --ecg-tower out")
        return coca_config(taken.used, source)
    if ecg_tower is not None:
        return _read_tower(ecg_tower, taken)
    if taken.has("ecg_projector"):
        raise CheckpointError(f"{source}: a GEM without its ECG tower; name ECG-CoCa's file with --ecg-tower")
    return ECGTowerConfig()


def _read_tower(path: Path, taken: Assignment) -> ECGTowerConfig:
    if path.is_dir():
        values = read_config(path)
        if values.get("model_type") not in (GEMConfig.model_type, ECGTowerConfig.model_type):
            raise CheckpointError(f"{path}: model_type is {values.get('model_type')!r}; it has no ECG tower of ours")
        taken.take(path, names.OUR_TOWER)
        return ECGTowerConfig(**values.get("ecg_config", values))
    if path.suffix not in PICKLED or not path.is_file():
        raise CheckpointError(f"{path}: name a checkpoint's folder, or ECG-CoCa's file ({', '.join(PICKLED)})")
    taken.take(path, names.ECG_COCA)
    return coca_config(taken.used, path)


def _config(
    tower: ECGTowerConfig,
    clip: PreTrainedConfig,
    language: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    taken: Assignment,
) -> GEMConfig:
    embeddings = taken.used.get(WITH_ROWS[0])
    language.vocab_size = max(len(tokenizer), embeddings.shape[0] if embeddings else 0)
    return GEMConfig(
        ecg_config=tower,
        vision_config=clip,
        text_config=language,
        ecg_token_id=tokenizer.convert_tokens_to_ids(GEMProcessor.ecg_token),
        image_token_id=tokenizer.convert_tokens_to_ids(GEMProcessor.image_token),
        tie_word_embeddings=bool(language.tie_word_embeddings),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        architectures=["GEMForConditionalGeneration"],
        dtype=embeddings.dtype if embeddings else None,
    )


def _check(taken: Assignment, shapes: dict[str, tuple[int, ...]], source: Path) -> dict[str, tuple[int, ...]]:
    """What is to be drawn at random: the parts that no source has."""
    unknown = [name for name in taken.used if name not in shapes]
    if unknown:
        raise CheckpointError(f"{source}: tensors that its config has no place for: {few(unknown)}")
    for name, shape in shapes.items():
        stored = taken.used.get(name)
        rows = name in WITH_ROWS and stored is not None and stored.shape[0] <= shape[0]
        if stored is not None and stored.shape[rows:] != shape[rows:]:
            raise CheckpointError(f"{stored.file}: {stored.name} has shape {stored.shape}, expected {shape}")
    missing = [name for name in shapes if name not in taken.used]
    random = [name for name in missing if _part(name) in NEW_PARTS and not taken.has(_part(name))]
    if len(random) < len(missing):
        raise CheckpointError(f"{source}: lacks {few(name for name in missing if name not in random)}")
    return {name: shapes[name] for name in random}


def _part(name: str) -> str:
    return next(part for part, prefix in PARTS.items() if name.startswith(prefix))
