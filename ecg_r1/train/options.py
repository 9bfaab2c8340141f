"""Options by the names of TRL, transformers and DeepSpeed: checked, completed, and made into a trainer's arguments."""

from __future__ import annotations

import dataclasses
import os
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError
from transformers import TrainingArguments
from trl import GRPOConfig, SFTConfig

from ecg_r1.errors import did_you_mean
from ecg_r1.recipe import GRPORecipe, PretrainRecipe, RecipeError, RunRecipe, SFTRecipe, unknown_key

ARGUMENTS: dict[type, type] = {PretrainRecipe: TrainingArguments, SFTRecipe: SFTConfig, GRPORecipe: GRPOConfig}
ENGINE_OURS = {"model", "seed"}
OURS = {"output_dir", "seed", "deepspeed", "use_vllm", "report_to"}  # the recipe has other keys for these
DEEPSPEED = {"zero2": "zero2.json", "zero3": "zero3.json"}


def training_arguments(recipe: RunRecipe, path: str) -> TrainingArguments:
    """The recipe's `trainer` and `deepspeed` as the arguments of its stage's trainer.

    Args:
        path: the recipe's file, for messages.

    Raises:
        RecipeError: a key that the trainer does not have or the recipe sets itself, or a value that it refuses.
    """
    given = read_trainer(recipe, path)
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
        return ARGUMENTS[type(recipe)](**(options | given))
    except (TypeError, ValueError) as error:
        raise RecipeError(f'{path}: "trainer": {error}') from error


def check_options(recipe: RunRecipe, path: str) -> None:
    """What can be said of a run's options without its model and corpus: names and types.

    Raises:
        RecipeError: as `read_trainer` and `check_engine_options`.
    """
    read_trainer(recipe, path)
    if isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm":
        check_engine_options(recipe.rollout.options, path)


def read_trainer(recipe: RunRecipe, path: str) -> dict[str, Any]:
    """The recipe's `trainer`, each value of the type that the trainer's field has; a quoted number is a number.

    Raises:
        RecipeError: a key that the trainer does not have or the recipe sets itself, or a value of another type.
    """
    kind = ARGUMENTS[type(recipe)]
    _check_keys(recipe.trainer, kind, OURS, path, "trainer")
    types, given = get_type_hints(kind), {}
    for key, value in recipe.trainer.items():
        try:
            read = TypeAdapter(types[key]).validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise RecipeError(f'{path}: "trainer.{key}": {said} (found {value!r})') from None
        given[key] = read if isinstance(value, str) else value
    return given


def check_engine_options(options: dict[str, Any], path: str) -> None:
    """
    Raises:
        RecipeError: vLLM's engine has no such option, or the recipe sets it itself.
    """
    from trl.generation.vllm_generation import LLM

    arguments = get_type_hints(LLM.from_engine_args)["engine_args"]
    _check_keys(options, arguments, ENGINE_OURS, path, "rollout.options")


def _check_keys(given: dict[str, Any], kind: type, ours: set[str], path: str, section: str) -> None:
    fields = {field.name for field in dataclasses.fields(kind) if field.init}
    for key in given:
        if key in ours:
            raise RecipeError(f'{path}: "{section}.{key}" is set by the recipe itself; remove it')
        if key not in fields:
            raise RecipeError(f"{path}: {unknown_key(f'{section}.{key}', fields - ours)}")


def _deepspeed(name: str | None, path: str) -> str | None:
    """`zero2`, `zero3`, or a DeepSpeed configuration file."""
    if name is None:
        return None
    shipped = files("ecg_r1").joinpath("recipes", "deepspeed", DEEPSPEED.get(name, ""))
    file = Path(str(shipped)) if name in DEEPSPEED else Path(name)
    if not file.is_file():
        near = did_you_mean(name, DEEPSPEED)
        raise RecipeError(f'{path}: "deepspeed": {name!r} is none of {", ".join(DEEPSPEED)} nor a file{near}')
    return str(file)
