"""A recipe's options, checked against the libraries that read them, and made into the arguments of a trainer."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError
from transformers import GenerationConfig, Trainer, TrainingArguments, get_scheduler
from trl import GRPOConfig, SFTConfig

from ecg_r1.engine.vllm_colocated import check_vllm_options, vllm_option_names, vllm_sampling_names
from ecg_r1.recipe import GRPORecipe, PretrainRecipe, RecipeError, RunRecipe, SFTRecipe, unknown_key
from ecg_r1.runs import layout
from ecg_r1.train.options import deepspeed_file
from ecg_r1.train.refused import TRAINER
from ecg_r1.train.refused_engine import ENGINE

ARGUMENTS: dict[type, type] = {PretrainRecipe: TrainingArguments, SFTRecipe: SFTConfig, GRPORecipe: GRPOConfig}
SECTIONS = {  # of a DeepSpeed configuration, beside the constants of `deepspeed.runtime.constants`
    "zero_optimization", "activation_checkpointing", "aio", "autotuning", "comet", "comms_logger", "compile",
    "compression_training", "csv_monitor", "elasticity", "flops_profiler", "hybrid_engine", "pipeline",
    "sequence_parallel_size", "tensor_parallel", "tensorboard", "wandb", "weight_quantization",
}  # fmt: skip
TRAINERS_OWN = {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "max_new_tokens"}


def training_arguments(recipe: RunRecipe, path: str, *, deepspeed: bool = True) -> TrainingArguments:
    """The recipe's `trainer` and `deepspeed` as the arguments of its stage's trainer.

    Args:
        path: the recipe's file, for messages.
        deepspeed: False leaves DeepSpeed out, which would be imported and set up: enough to check the rest.

    Raises:
        RecipeError: a key that the trainer does not have, or a value that it refuses.
    """
    given = read_trainer(recipe, path)
    file = deepspeed_file(recipe.deepspeed, path)
    defaults = {
        "report_to": ["tensorboard"],
        "run_name": recipe.run,
        "bf16": False,
        "disable_tqdm": False,  # read by LiveProgress, which stands in the place of transformers' bar
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": recipe.processes > 1 and not torch.cuda.is_available(),  # else accelerate sees one process
    }
    ours = {
        "output_dir": str(Path(recipe.run, layout.CHECKPOINTS)),
        "seed": recipe.seed,
        "logging_nan_inf_filter": False,
        "deepspeed": str(file) if file and deepspeed else None,
    }
    if isinstance(recipe, GRPORecipe):
        ours |= {
            "use_vllm": recipe.rollout.engine == "vllm",
            "vllm_mode": "colocate",  # of TRL's two, the one that leaves the engine to `ecg_r1.train.rollout`
            "reward_weights": [reward.weight for reward in recipe.rewards],
        }
        if recipe.rollout.staleness:
            defaults["vllm_importance_sampling_mode"] = "token_truncate"
    with _said_by_the_library(f'{path}: "trainer"'):
        arguments = ARGUMENTS[type(recipe)](**(defaults | given | ours))
        _check_late(arguments)
        if isinstance(recipe, GRPORecipe) and recipe.rollout.staleness:
            _check_staleness(arguments)
    return arguments


def check_names(recipe: RunRecipe, path: str) -> None:
    """Names and types of all options, without the recipe's model and corpus.

    Raises:
        RecipeError: as `read_trainer`, or vLLM has no such option.
    """
    read_trainer(recipe, path)
    if isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm":
        check_engine(recipe, path)


def read_trainer(recipe: RunRecipe, path: str) -> dict[str, Any]:
    """The recipe's `trainer`, each value of the type that the trainer's field has; a quoted number is a number.

    `null` stands for the library's default where the field cannot be None, so that an override can take an option of a
    base recipe away.

    Raises:
        RecipeError: a key that the trainer does not have, or a value of another type.
    """
    kind = ARGUMENTS[type(recipe)]
    fields = {field.name for field in dataclasses.fields(kind) if field.init}
    types, given = get_type_hints(kind), {}
    for key, value in recipe.trainer.items():
        if key not in fields:
            raise RecipeError(f"{path}: {unknown_key(f'trainer.{key}', fields - TRAINER[recipe.stage].keys())}")
        if value is None and NoneType not in get_args(types[key]):
            continue
        try:
            read = TypeAdapter(types[key]).validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            raise RecipeError(f'{path}: "trainer.{key}": {said} (found {value!r})') from None
        given[key] = read if isinstance(value, str) else value
    _check_generation(given.get("generation_kwargs"), recipe, path)
    return given


def check_engine(recipe: GRPORecipe, path: str, checkpoint: Path | None = None) -> None:
    """Let vLLM check the recipe's `rollout.options`.

    Args:
        checkpoint: the model's folder, with which vLLM checks the values; without it only names are checked.

    Raises:
        RecipeError: vLLM's engine has no such option, or refuses a value; or NCCL has no GPU.
    """
    if recipe.rollout.transport == "nccl" and not torch.cuda.is_available():
        raise RecipeError(f'{path}: "rollout.transport: nccl" needs a GPU; use gloo or http')
    known = vllm_option_names()
    for key in recipe.rollout.options:
        if key not in known:
            raise RecipeError(f"{path}: {unknown_key(f'rollout.options.{key}', known - ENGINE.keys())}")
    with _said_by_the_library(f'{path}: "rollout.options"'):
        inside = {"distributed_executor_backend": "external_launcher"} if recipe.rollout.mode == "colocate" else {}
        options = inside | recipe.rollout.options
        check_vllm_options(options, checkpoint, dtype=recipe.rollout.dtype)


def check_deepspeed(name: str, path: str) -> None:
    """A DeepSpeed configuration of the user's own: DeepSpeed reads what it knows of it and skips the rest.

    Args:
        name: the configuration file.

    Raises:
        RecipeError: DeepSpeed has no such section, or refuses an option of ZeRO.
    """
    from deepspeed.runtime import constants
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    values = json.loads(Path(name).read_text(encoding="utf-8"))
    known = {value for value in vars(constants).values() if isinstance(value, str)} | SECTIONS
    for key in values:
        if key not in known:
            raise RecipeError(f"{path}: deepspeed: {name}: {unknown_key(key, known)}")
    zero = {key: value for key, value in values.get("zero_optimization", {}).items() if value != "auto"}
    with _said_by_the_library(f'{path}: "deepspeed": {name}: zero_optimization'):
        DeepSpeedZeroConfig(**zero)


def _check_late(arguments: TrainingArguments) -> None:
    """What transformers would say when the model is loaded: of the optimizer, the schedule and the precision."""
    if arguments.fp16 and not torch.cuda.is_available():
        raise ValueError("fp16 needs a GPU")
    if getattr(arguments, "vllm_enable_sleep_mode", False) and not torch.cuda.is_available():
        raise ValueError("vllm_enable_sleep_mode needs a GPU: on a CPU vLLM cannot give back its memory")
    if getattr(arguments, "activation_offloading", False) and not torch.cuda.is_available():
        raise ValueError("activation_offloading needs a GPU")
    if arguments.optim_target_modules is None:  # else its handler asks for the model
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
        Trainer.get_optimizer_cls_and_kwargs(arguments)
        get_scheduler(
            arguments.lr_scheduler_type, optimizer, num_warmup_steps=0, num_training_steps=10,
            scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
        )  # fmt: skip
    if getattr(arguments, "loss_type", None) == "vespo" and arguments.use_vllm:
        mode = arguments.vllm_importance_sampling_mode
        if arguments.vllm_importance_sampling_correction and not mode.startswith("token"):
            raise ValueError("loss_type vespo needs vllm_importance_sampling_mode token_truncate or token_mask")


def _check_staleness(arguments: Any) -> None:
    if arguments.num_iterations * arguments.steps_per_generation != arguments.gradient_accumulation_steps:
        raise ValueError(
            "with rollout.staleness each update has completions of its own: leave num_iterations, steps_per_generation "
            "and generation_batch_size out"
        )


def _check_generation(given: Any, recipe: RunRecipe, path: str) -> None:
    """`generation_kwargs` are sampling options of the engine that generates, by its names."""
    if not given or not isinstance(recipe, GRPORecipe):
        return
    known = vllm_sampling_names() if recipe.rollout.engine == "vllm" else set(GenerationConfig().to_dict())
    for key in given:
        if key in TRAINERS_OWN:
            raise RecipeError(
                f'{path}: "trainer.generation_kwargs.{key}" is set by the recipe; use `trainer`\'s option'
            )
        if key not in known:
            raise RecipeError(f"{path}: {unknown_key(f'trainer.generation_kwargs.{key}', known)}")


@contextmanager
def _said_by_the_library(where: str) -> Iterator[None]:
    """
    Raises:
        RecipeError: one line, in place of whatever the library raises; its warnings are left out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{where}: {place}: {first['msg']}") from error
    except (TypeError, ValueError, ImportError, NotImplementedError) as error:
        raise RecipeError(f"{where}: {' '.join(str(error).split())}") from error
