"""LoRA by name of part: adapters on the linear layers of the parts that a recipe names."""

from __future__ import annotations

import dataclasses

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from torch import nn
from transformers import AutoConfig

from ..model import register
from ..model.checkpoint import PARTS, check_checkpoint
from ..model.configuration import GEMConfig
from ..model.modeling import GEMForConditionalGeneration
from ..model.presets import PRESETS
from ..recipe import LoRA, RecipeError, unknown_key


def lora_config(lora: LoRA, model: str, path: str) -> LoraConfig:
    """PEFT's configuration, with the full name of every layer that gets an adapter.

    PEFT alone would look for `q_proj` in the vision tower too.

    Args:
        model: preset or checkpoint; only its shape is opened.
        path: the recipe's file, for messages.

    Raises:
        RecipeError: a part, an option of PEFT or a layer that does not exist.
    """
    known = {field.name for field in dataclasses.fields(LoraConfig) if field.init}
    for key in lora.options:
        if key not in known:
            raise RecipeError(f"{path}: {unknown_key(f'lora.{key}', known | {'parts'})}")
    for part in lora.parts:
        if part not in PARTS:
            raise RecipeError(f"{path}: lora.parts: {unknown_key(part, PARTS)}")
    prefixes = tuple(PARTS[part] for part in lora.parts)
    layers = [
        name
        for name, module in _shape(model).named_modules()
        if isinstance(module, nn.Linear) and name.startswith(prefixes)
    ]
    try:
        config = LoraConfig(**lora.options)
    except (TypeError, ValueError) as error:
        raise RecipeError(f'{path}: "lora": {error}') from error
    if config.target_modules not in (None, "all-linear"):
        endings = sorted({name.rpartition(".")[2] for name in layers})
        asked = [config.target_modules] if isinstance(config.target_modules, str) else config.target_modules
        for target in asked or ():
            alone = LoraConfig(target_modules=target if isinstance(config.target_modules, str) else [target])
            if not any(check_target_module_exists(alone, name) for name in layers):
                raise RecipeError(
                    f'{path}: "lora.target_modules": no linear layer {target!r} in {", ".join(lora.parts)}; '
                    f"there are {', '.join(endings)}"
                )
        layers = [name for name in layers if check_target_module_exists(config, name)]
    config.target_modules = set(layers)
    return config


def _shape(model: str) -> nn.Module:
    """The model without its weights."""
    register()
    config = GEMConfig(**PRESETS[model]) if model in PRESETS else AutoConfig.from_pretrained(check_checkpoint(model))
    with torch.device("meta"):
        return GEMForConditionalGeneration(config)
