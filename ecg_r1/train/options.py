"""Options by the names of TRL, transformers and DeepSpeed: checked, completed, and made into a trainer's arguments."""

from __future__ import annotations

import dataclasses
import os
from importlib.resources import files
from pathlib import Path

import torch
from transformers import TrainingArguments
from trl import GRPOConfig, SFTConfig

from ..recipe import GRPORecipe, PretrainRecipe, RecipeError, RunRecipe, SFTRecipe, unknown_key

ARGUMENTS: dict[type, type] = {PretrainRecipe: TrainingArguments, SFTRecipe: SFTConfig, GRPORecipe: GRPOConfig}
OURS = {"output_dir", "seed", "deepspeed", "use_vllm", "report_to"}  # the recipe has other keys for these
DEEPSPEED = {"zero2": "zero2.json", "zero3": "zero3.json"}


def training_arguments(recipe: RunRecipe, path: str) -> TrainingArguments:
    """The recipe's `trainer` and `deepspeed` as the arguments of its stage's trainer.

    Args:
        path: the recipe's file, for messages.

    Raises:
        RecipeError: a key that the trainer does not have or the recipe sets itself, or a value that it refuses.
    """
    kind = ARGUMENTS[type(recipe)]
    fields = {field.name for field in dataclasses.fields(kind) if field.init}
    for key in recipe.trainer:
        if key in OURS:
            raise RecipeError(f'{path}: "trainer.{key}" is set by the recipe itself; remove it')
        if key not in fields:
            raise RecipeError(f"{path}: {unknown_key(f'trainer.{key}', fields - OURS)}")
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(Path(recipe.run) / "tensorboard"))
    options = {
        "output_dir": str(Path(recipe.run) / "checkpoints"),
        "seed": recipe.seed,
        "report_to": ["tensorboard"],
        "deepspeed": _deepspeed(recipe.deepspeed, path),
        "bf16": False,
        "disable_tqdm": True,  # LiveProgress shows it
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": recipe.processes > 1 and not torch.cuda.is_available(),  # else accelerate sees one process
    }
    if isinstance(recipe, GRPORecipe):
        options |= {
            "use_vllm": recipe.rollout.engine == "vllm",
            "vllm_mode": recipe.rollout.mode,
            "reward_weights": [reward.weight for reward in recipe.rewards],
        }
    try:
        return kind(**(options | recipe.trainer))
    except (TypeError, ValueError) as error:
        raise RecipeError(f'{path}: "trainer": {error}') from error


def _deepspeed(name: str | None, path: str) -> str | None:
    """`zero2`, `zero3`, or a DeepSpeed configuration file."""
    if name is None:
        return None
    shipped = files("ecg_r1").joinpath("recipes", "deepspeed", DEEPSPEED.get(name, ""))
    file = Path(str(shipped)) if name in DEEPSPEED else Path(name)
    if not file.is_file():
        raise RecipeError(f'{path}: "deepspeed": {name!r} is none of {", ".join(DEEPSPEED)} nor a file')
    return str(file)
