"""Which source tensor becomes which of ours, checked by name and shape before a value is read."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from ecg_r1.model.checkpoint import PARTS, tensor_shapes
from ecg_r1.model.configuration import ECGTowerConfig, GEMConfig
from ecg_r1.model.convert import names
from ecg_r1.model.convert.configs import (
    coca_config,
    feature_layer,
    is_llava,
    language_config,
    read_config,
    vision_config,
)
from ecg_r1.model.convert.names import Assignment
from ecg_r1.model.convert.tokenizers import tokenizer_of
from ecg_r1.model.presets import PRESETS, build_processor, tower_config
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.model.settings import named
from ecg_r1.model.weights import PICKLED, CheckpointError, Stored, few

NEW_PARTS = ("ecg_tower", "ecg_projector", "mm_projector")  # drawn at random if no source has them
WITH_ROWS = ("model.language_model.embed_tokens.weight", "lm_head.weight")  # one row for each token of the vocabulary


@dataclass(frozen=True)
class Part:
    """A row of the report.

    Attributes:
        name: of the part, a key of `PARTS`.
        tensors: how many it has.
        parameters: how many it has.
        origin: the file or folder that its weights come from; or "random", with the size of a random ECG tower; or
            why the model does not have this part.
    """

    name: str
    tensors: int
    parameters: int
    origin: str


@dataclass(frozen=True)
class Plan:
    """A conversion that is checked, and not carried out yet.

    Attributes:
        config: of the whole GEM, or of the ECG tower if it is converted alone.
        processor: of the model; None if an ECG tower is converted alone.
        used: our name -> source tensor.
        dropped: the other source tensors, each with the reason.
        random: our name -> shape, of the tensors that no source has.
        seed: of the random tensors.
        tower_preset: the preset that gives a random ECG tower its size.
    """

    config: GEMConfig | ECGTowerConfig
    processor: GEMProcessor | None
    used: dict[str, Stored]
    dropped: list[tuple[Stored, str]]
    random: dict[str, tuple[int, ...]] = field(default_factory=dict)
    seed: int = 0
    tower_preset: str | None = None

    @property
    def parts(self) -> list[Part]:
        """What each part of the model is made of, and that a model without a CLIP reads no pages."""
        sizes: dict[tuple[str, str], list[int]] = {}
        for name, tensor in self.used.items():
            origin = tensor.file.name if tensor.file.suffix in PICKLED else tensor.file.parent.name
            sizes.setdefault((_part(name), origin), []).append(torch.Size(tensor.shape).numel())
        for name, shape in self.random.items():
            part = _part(name)
            of_size = f", as large as the ECG tower of {self.tower_preset}" if part == "ecg_tower" else ""
            sizes.setdefault((part, f"random{of_size}"), []).append(torch.Size(shape).numel())
        rows = [Part(part, len(counts), sum(counts), origin) for (part, origin), counts in sizes.items()]
        if isinstance(self.config, GEMConfig) and self.config.vision_config is None:
            rows.append(Part("vision_tower", 0, 0, "none: the model reads signals only; --vision-tower adds pages"))
        return sorted(rows, key=lambda row: list(PARTS).index(row.name))


def plan(
    source: Path,
    *,
    ecg_tower: str | Path | None = None,
    vision_tower: Path | None = None,
    gem_compat: bool = False,
    seed: int | None = None,
) -> Plan:
    """Read the names, shapes and configuration of a source, and decide what becomes of each tensor.

    Args:
        source: folder of a GEM, PULSE or LLaVA in LLaVA's own layout, or of a causal language model; or ECG-CoCa's
            file, which gives an ECG tower alone.
        ecg_tower: for a source without an ECG tower: ECG-CoCa's file, a folder with an ECG tower of ours, or the name
            of a preset, for a random tower of that size. By default a random tower that fits the language model: see
            `fitting_preset`.
        vision_tower: a CLIP's folder, or a checkpoint of ours with one, for a source without one. A language model
            alone then reads pages too.
        gem_compat: the processor does GEM's own preprocessing; see `build_processor`.
        seed: of the parts that no source has; 0 unless given.

    Raises:
        CheckpointError: the source is of another architecture; a tensor is missing, unknown or of another shape; a
            shard is truncated; or an option is given that changes nothing.
    """
    taken = Assignment()
    if source.is_file():
        if ecg_tower is not None or vision_tower is not None or gem_compat or seed is not None:
            raise CheckpointError(
                f"{source}: an ECG tower alone is converted; leave --ecg-tower, --vision-tower, --gem-compat and "
                "--seed out"
            )
        tower = _read_tower(source, taken)
        with named(source):
            shapes = tensor_shapes(GEMConfig(ecg_config=tower))
        _check(taken, {name: shape for name, shape in shapes.items() if _part(name) == "ecg_tower"}, source)
        return Plan(tower, None, taken.used, taken.dropped)
    values = read_config(source)
    llava = is_llava(values, source)
    language, clip = language_config(values, source), vision_config(values, source, vision_tower)
    taken.take(source, names.GEM if llava else names.LANGUAGE_MODEL)
    if clip is not None and not taken.has("vision_tower"):
        if vision_tower is None:
            raise CheckpointError(f"{source}: holds no vision tower; name its CLIP's folder with --vision-tower")
        ours = read_config(vision_tower)["model_type"] == GEMConfig.model_type
        taken.take(vision_tower, names.OUR_VISION_TOWER if ours else names.CLIP)
    tower, preset = _tower(taken, source, ecg_tower, language)
    tokenizer = tokenizer_of(source, pages=clip is not None, llava_llama=llava and language.model_type == "llama")
    with named(source / "config.json"):
        config = _config(tower, clip, language, tokenizer, taken)
        config.vision_feature_layer = feature_layer(values, source, vision_tower)
    if config.tie_word_embeddings and "lm_head.weight" in taken.used:
        taken.dropped.append((taken.used.pop("lm_head.weight"), "the language model's head is its embedding"))
    with named(source / "config.json"):
        shapes = tensor_shapes(config)
    random = _check(taken, shapes, source)
    if seed is not None and not random:
        raise CheckpointError(f"{source}: every part has weights, and none is drawn at random; leave --seed out")
    processor = build_processor(config, tokenizer, gem_compat=gem_compat)
    return Plan(config, processor, taken.used, taken.dropped, random, seed or 0, preset)


def fitting_preset(width: int) -> str:
    """The size of a random ECG tower that fits a language model.

    It is the largest preset whose ECG tower is no wider than the language model, so that the projector does not have
    to squeeze the tower's features; `tiny` if none is. This is a rule of thumb, not a measured optimum.

    Args:
        width: the language model's hidden size.

    Returns:
        A key of `PRESETS`.
    """
    widths = {preset: tower_config(preset).hidden_size for preset in PRESETS}
    fitting = [preset for preset in PRESETS if widths[preset] <= width]
    return max(fitting, key=widths.__getitem__, default=min(PRESETS, key=widths.__getitem__))


def _tower(
    taken: Assignment, source: Path, ecg_tower: str | Path | None, language: PreTrainedConfig
) -> tuple[ECGTowerConfig, str | None]:
    """The shape of the ECG tower, and the preset that it comes from if the tower is to be drawn at random."""
    if taken.has("ecg_tower"):
        if ecg_tower is not None:
            raise CheckpointError(f"{source}: already has an ECG tower; leave --ecg-tower out")
        return coca_config(taken.used, source), None
    if ecg_tower is None:
        if taken.has("ecg_projector"):
            raise CheckpointError(f"{source}: a GEM without its ECG tower; name ECG-CoCa's file with --ecg-tower")
        ecg_tower = fitting_preset(language.hidden_size)
    if isinstance(ecg_tower, str) and ecg_tower in PRESETS:
        return tower_config(ecg_tower), ecg_tower
    return _read_tower(Path(ecg_tower), taken), None


def _read_tower(path: Path, taken: Assignment) -> ECGTowerConfig:
    if path.is_dir():
        values = read_config(path)
        if values.get("model_type") not in (GEMConfig.model_type, ECGTowerConfig.model_type):
            raise CheckpointError(f"{path}: model_type is {values.get('model_type')!r}; it has no ECG tower of ours")
        taken.take(path, names.OUR_TOWER)
        with named(path / "config.json"):
            return ECGTowerConfig(**(values.get("ecg_config") or values))
    if path.suffix not in PICKLED or not path.is_file():
        near = difflib.get_close_matches(str(path), PRESETS, 1)
        hint = f" — did you mean {near[0]!r}?" if near else ""
        raise CheckpointError(
            f"{path}: not an ECG tower; name a checkpoint's folder, ECG-CoCa's file ({', '.join(PICKLED)}), or a size: "
            f"{', '.join(PRESETS)}{hint}"
        )
    taken.take(path, names.ECG_COCA)
    return coca_config(taken.used, path)


def _config(
    tower: ECGTowerConfig,
    clip: PreTrainedConfig | None,
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
        image_token_id=None if clip is None else tokenizer.convert_tokens_to_ids(GEMProcessor.image_token),
        tie_word_embeddings=bool(language.tie_word_embeddings),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        architectures=["GEMForConditionalGeneration"],
        dtype=embeddings.dtype if embeddings else None,
    )


def _check(taken: Assignment, shapes: dict[str, tuple[int, ...]], source: Path) -> dict[str, tuple[int, ...]]:
    """Check names and shapes; what is returned is to be drawn at random, because no source has it."""
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
