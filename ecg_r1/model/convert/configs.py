"""A source's configuration -> the shape of our GEM. Sizes that are missing there are read from the tensors."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import isfile  # pathlib's raises for a name that no file can have
from pathlib import Path
from types import NoneType
from typing import Any

from transformers import PreTrainedConfig
from transformers.models.auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from ecg_r1.model.configuration import CLIP_LARGE_336, ECGTowerConfig, GEMConfig
from ecg_r1.model.settings import MOST_LAYERS, check_inside, check_sizes, named, read_settings
from ecg_r1.model.weights import CheckpointError, Stored, few

HEAD_WIDTH = 64  # of ECG-CoCa's attention: open_clip's default, which its configuration leaves as it is

TYPES: dict[str, tuple[type, ...]] = {  # of the keys that are read below; each may be missing
    "mm_vision_tower": (str, NoneType), "vision_config": (dict, NoneType), "architectures": (list, NoneType),
    "mm_vision_select_layer": (int, NoneType), "ecg_config": (dict, NoneType), "vision_feature_layer": (int, NoneType),
}  # fmt: skip

LLAVA_LANGUAGE_MODELS = {
    "llava_llama": "llama",
    "llava": "llama",
    "llava_qwen": "qwen2",
    "llava_mistral": "mistral",
}


def read_config(folder: Path) -> dict[str, Any]:
    """Read the config.json of a checkpoint.

    Args:
        folder: of the checkpoint.

    Raises:
        CheckpointError: there is no such folder, it has no config.json, or one that describes no model.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{folder}: no config.json; name the folder of a checkpoint")
    for entry in sorted(folder.iterdir()):
        check_inside(entry, folder)
    values = read_settings(path)
    check_sizes(values, path)
    kind = values.get("model_type")
    if not isinstance(kind, str):
        raise CheckpointError(f"{path}: model_type is {kind!r:.80}; it must name the kind of model")
    for key, kinds in TYPES.items():
        if not isinstance(values.get(key), kinds):
            raise CheckpointError(f"{path}: {key} is {values[key]!r:.80}, which is no {kinds[0].__name__}")
    return values


def is_llava(values: Mapping[str, Any], folder: Path) -> bool:
    """Tell LLaVA's own layout (GEM, PULSE, LLaVA) from a causal language model.

    Args:
        values: of the source's config.json.
        folder: of the source, for messages.

    Returns:
        True for LLaVA's layout, False for a language model.

    Raises:
        CheckpointError: the source is of another architecture.
    """
    kind = values.get("model_type")
    if "mm_vision_tower" in values:
        return True
    causal = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind or "")
    if causal and "text_config" not in values:
        classes = values.get("architectures") or [causal]
        if causal not in classes:  # a BERT, say
            raise CheckpointError(f"{folder}: {few(map(str, classes))} is no causal language model; give one")
        return False
    if kind == GEMConfig.model_type:
        raise CheckpointError(f"{folder}: is a checkpoint of ecg_r1 already; name it as it is")
    raise CheckpointError(
        f"{folder}: cannot convert a model of type {kind!r}; give a GEM, PULSE or LLaVA in LLaVA's own layout "
        "(its config.json names mm_vision_tower), or a causal language model"
    )


def language_config(values: Mapping[str, Any], folder: Path) -> PreTrainedConfig:
    """The configuration of the language model.

    Args:
        values: of the source's config.json; LLaVA mixes the language model's values with its own.
        folder: of the source, for messages.

    Raises:
        CheckpointError: a LLaVA around a language model that is not supported.
    """
    kind = LLAVA_LANGUAGE_MODELS.get(values["model_type"], values["model_type"])
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise CheckpointError(f"{folder}: model_type {kind!r}; known are {', '.join(LLAVA_LANGUAGE_MODELS)}")
    known = {*CONFIG_MAPPING[kind]().to_dict(), "rope_theta", "rope_scaling"} - {"model_type", "architectures"}
    with named(folder / "config.json"):
        return CONFIG_MAPPING[kind](**{key: value for key, value in values.items() if key in known})


def vision_config(values: Mapping[str, Any], folder: Path, vision_tower: Path | None) -> PreTrainedConfig | None:
    """The configuration of the CLIP: of `vision_tower`, or of the tower that LLaVA's config.json names.

    Args:
        values: of the source's config.json.
        folder: of the source, for messages.
        vision_tower: a CLIP's folder, or a checkpoint of ours.

    Returns:
        None for a language model alone: it will read the signal, and no pages.

    Raises:
        CheckpointError: the tower is not a CLIP and has none, or only its name is given and its shape is unknown.
    """
    name = values.get("mm_vision_tower") or ""
    if vision_tower is None and name and isfile(f"{name}/config.json"):
        vision_tower = Path(name)
    if vision_tower is not None:
        clip = read_config(vision_tower)
        if clip.get("model_type") not in ("clip", "clip_vision_model", GEMConfig.model_type):
            raise CheckpointError(f"{vision_tower}: model_type is {clip.get('model_type')!r}; give a CLIP")
        if clip["model_type"] == GEMConfig.model_type and not clip.get("vision_config"):
            raise CheckpointError(f"{vision_tower}: this GEM has no vision tower; give a CLIP")
        shape = {k: v for k, v in (clip.get("vision_config") or clip).items() if k not in ("model_type", "dtype")}
    elif name.endswith("clip-vit-large-patch14-336"):
        shape = CLIP_LARGE_336
    elif "mm_vision_tower" in values:
        raise CheckpointError(f"{folder}: its vision tower is {name!r}; name that CLIP's folder with --vision-tower")
    else:
        return None
    with named((vision_tower or folder) / "config.json"):
        return CONFIG_MAPPING["clip_vision_model"](**shape)


def feature_layer(values: Mapping[str, Any], folder: Path, vision_tower: Path | None) -> int:
    """The hidden state of CLIP that is read, counted as LLaVA counts them: -2 in GEM.

    Args:
        values: of the source's config.json.
        folder: of the source, for messages.
        vision_tower: the folder that the CLIP comes from; a checkpoint of ours says which state it was trained by.

    Raises:
        CheckpointError: the source also reads CLIP's class token, or puts tokens around the image: GEM cannot.
    """
    for key, ours in (("mm_vision_select_feature", "patch"), ("mm_use_im_start_end", False)):
        if values.get(key, ours) != ours:
            raise CheckpointError(f"{folder}: its config.json says {key} = {values[key]!r}; only {ours!r} is read here")
    layer = values.get("mm_vision_select_layer")
    if vision_tower is not None:
        layer = read_config(vision_tower).get("vision_feature_layer", layer)
    return -2 if layer is None else layer


def coca_config(tensors: Mapping[str, Stored], folder: Path) -> ECGTowerConfig:
    """The shape of an ECG-CoCa tower, read from its tensors. Its leads are in MIMIC-IV-ECG's order.

    Args:
        tensors: by our names.
        folder: of the source, for messages.

    Raises:
        CheckpointError: a tensor that shows the size is missing.
    """
    prefix = "model.ecg_tower."
    layers = [name.split(".")[3] for name in tensors if ".blocks." in name]
    if not all(len(layer) <= 3 and int(layer) < MOST_LAYERS for layer in layers):
        raise CheckpointError(f"{folder}: its ECG tower has more than {MOST_LAYERS} layers")
    try:
        width, leads, kernel = tensors[prefix + "stem.0.weight"].shape
        tokens, _ = tensors[prefix + "positional_embedding"].shape
        mlp, _ = tensors[prefix + "blocks.0.c_fc.weight"].shape
    except KeyError as error:
        raise CheckpointError(f"{folder}: its ECG tower lacks {error.args[0]}") from None
    except ValueError:
        raise CheckpointError(f"{folder}: the tensors of its ECG tower have other dimensions than ECG-CoCa's") from None
    projection = tensors.get(prefix + "proj")
    with named(folder):
        return ECGTowerConfig(
            leads=leads,
            samples=(tokens - 1) * kernel,
            stem=[[width, kernel, kernel]],
            hidden_size=width,
            num_hidden_layers=1 + max(map(int, layers)),
            num_attention_heads=width // HEAD_WIDTH,
            intermediate_size=mlp,
            projection_dim=None if projection is None else projection.shape[1],
            lead_order="mimic",
        )
