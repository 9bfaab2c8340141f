"""LoRA by name of part: adapters on the linear layers of the parts that a recipe names."""

from __future__ import annotations

import dataclasses

from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from torch import nn

from ecg_r1.model.checkpoint import PARTS, parts_of, shape_of
from ecg_r1.recipe import LoRA, RecipeError, unknown_key

AS_ADAPTER = {"r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora"}  # options whose adapters vLLM can run
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # for which vLLM makes room


def lora_config(lora: LoRA, model: str, path: str) -> LoraConfig:
    """PEFT's configuration, with the full name of every layer that gets an adapter.

    PEFT alone would look for `q_proj` in the vision tower too.

    Args:
        lora: of the recipe.
        model: preset or checkpoint; only its shape is opened.
        path: the recipe's file, for messages.

    Returns:
        The configuration, which has been tried on the model's shape.

    Raises:
        RecipeError: a part, an option of PEFT or a layer that does not exist.
    """
    config = adapted(lora, shape_of(model), path).peft_config["default"]
    config.base_model_name_or_path = None  # else PEFT warns that it is another model's
    return config


def adapted(lora: LoRA, model: nn.Module, path: str) -> PeftModel:
    """The model with its adapters.

    Args:
        lora: of the recipe.
        model: a GEM, or its shape without weights; it is changed.
        path: the recipe's file, for messages.

    Raises:
        RecipeError: as `lora_config`.
    """
    known = {field.name for field in dataclasses.fields(LoraConfig) if field.init}
    for key in lora.options:
        if key not in known:
            raise RecipeError(f"{path}: {unknown_key(f'lora.{key}', known | {'parts', 'bits'})}")
    there = parts_of(model.config)
    for part in lora.parts:
        if part not in PARTS or part == "lm_head":  # TRL computes log-probs from the head's own weight
            raise RecipeError(f"{path}: lora.parts: {unknown_key(part, PARTS.keys() - {'lm_head'})}")
        if part not in there:
            raise RecipeError(f"{path}: lora.parts: this model has no {part}; its parts are {', '.join(there)}")
    prefixes = tuple(PARTS[part] for part in lora.parts)
    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and f"{name}.".startswith(prefixes)
    ]
    try:
        config = LoraConfig(**lora.options)
        config.target_modules = _chosen(config, layers, f"{path}: lora.target_modules", lora.parts)
        return get_peft_model(model, config)
    except RecipeError:
        raise
    except (TypeError, ValueError) as error:
        raise RecipeError(f'{path}: "lora": {error}') from error


def served_rank(lora: LoRA | None) -> int | None:
    """The rank for which a rollout server makes room, where it can take the adapter itself.

    Returns:
        None where the trainer sends merged weights: vLLM has no such adapters.
    """
    if lora is None or lora.parts != ["language_model"] or lora.options.keys() - AS_ADAPTER:
        return None
    rank = int(lora.options.get("r", 8))
    return next((room for room in RANKS if room >= rank), None)


def _chosen(config: LoraConfig, layers: list[str], key: str, parts: list[str]) -> set[str]:
    """Of the layers, those that `target_modules` asks for, by PEFT's own rules; all of them unless it is given."""
    asked = config.target_modules
    if asked in (None, "all-linear"):
        return set(layers)
    for target in [asked] if isinstance(asked, str) else sorted(asked or ()):
        alone = LoraConfig(target_modules=target if isinstance(asked, str) else [target])
        if not any(check_target_module_exists(alone, name) for name in layers):
            there = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
            raise RecipeError(f"{key}: no linear layer {target!r} in {', '.join(parts)}; there are {there}")
    return {name for name in layers if check_target_module_exists(config, name)}
