"""What `lora.bits: 4` cannot do: said before anything starts."""

from __future__ import annotations

from importlib.util import find_spec

from ecg_r1.model.lora import served_rank
from ecg_r1.model.presets import PRESETS
from ecg_r1.recipe import GRPORecipe, RecipeError, RunRecipe


def check_four_bits(recipe: RunRecipe, path: str) -> None:
    """Refuse `lora.bits: 4` where it cannot be honoured.

    Args:
        path: the recipe's file, for messages.

    Raises:
        RecipeError: bitsandbytes is missing, or the recipe asks for what 4-bit weights cannot do.
    """
    if recipe.lora is None or recipe.lora.bits is None:
        return
    where = f'{path}: "lora.bits: 4"'
    if find_spec("bitsandbytes") is None:
        raise RecipeError(f'{where} needs bitsandbytes: pip install "ecg-r1-gem[qlora]", or remove it')
    if recipe.model in PRESETS:
        raise RecipeError(f'{where} needs a checkpoint; "{recipe.model}" has random weights')
    if recipe.deepspeed:
        raise RecipeError(f"{where} is for weights that one device holds; set `deepspeed: null`")
    if isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm":
        if recipe.rollout.mode == "colocate":
            raise RecipeError(
                f"{where}: vLLM in the training process would need the whole weights at each step; use "
                "`rollout.mode: server`, which gets the adapter alone, or `rollout.engine: hf`"
            )
        if served_rank(recipe.lora) is None:
            raise RecipeError(f"{where}: a rollout server cannot take this adapter; see docs/rollouts.md on weights")
