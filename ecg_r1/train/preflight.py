"""What can be wrong with a run, found before anything of it starts: no worker, no engine, no file written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from peft import LoraConfig
from transformers import AutoConfig, AutoProcessor
from transformers.integrations import is_deepspeed_zero3_enabled

from ecg_r1.corpus.store import RecordStore
from ecg_r1.engine import require_vllm
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.model import register
from ecg_r1.model.checkpoint import check_checkpoint, check_parts
from ecg_r1.model.presets import PRESETS
from ecg_r1.recipe import GRPORecipe, RecipeError, RunRecipe
from ecg_r1.recipe import Reward as Named
from ecg_r1.runs.directory import RunDirectory
from ecg_r1.scoring.contract import RewardError
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import Reward, load_reward
from ecg_r1.train.lora import lora_config
from ecg_r1.train.options import check_engine_options, training_arguments


@dataclass(frozen=True)
class Checked:
    """A recipe whose names have all been found, and what was opened to find them."""

    run: RunDirectory
    arguments: Any  # of the stage's trainer: TrainingArguments, SFTConfig or GRPOConfig
    adapters: LoraConfig | None
    store: RecordStore
    rewards: list[Reward]


def check(recipe: RunRecipe, path: str) -> Checked:
    """Look up everything the recipe names.

    Args:
        path: the recipe's file, for messages.

    Raises:
        UserError: an option, part, reward, checkpoint, corpus, engine or folder is wrong; the message says which.
    """
    if recipe.deepspeed and find_spec("deepspeed") is None:
        raise RecipeError(f'{path}: "deepspeed": it is not installed: pip install deepspeed, or set `deepspeed: null`')
    arguments = training_arguments(recipe, path)
    with _named(path):
        check_parts(recipe.freeze)
    with _named(f'{path}: "corpus.train"'):
        store = RecordStore(recipe.corpus.train)
    _check_model(recipe, path)
    adapters = lora_config(recipe.lora, recipe.model, path) if recipe.lora else None
    rewards: list[Reward] = []
    if isinstance(recipe, GRPORecipe):
        with _named(f'{path}: "rewards"'):
            rewards = load_rewards(recipe.rewards)
        if recipe.rollout.engine == "vllm":
            require_vllm()
            check_engine_options(recipe.rollout.options, path)
        if recipe.model not in PRESETS:  # a preset's tokenizer is made when the run starts
            _check_room(recipe, arguments, store, path)
        local = arguments.per_device_train_batch_size * arguments.steps_per_generation
        in_groups = ["credit: claim"] * (recipe.credit == "claim")
        in_groups += [f'reward "{reward.name}"' for reward in rewards if reward.scope == "group"]
        for option in in_groups:
            check_whole_groups(option, "each process", local, arguments.num_generations, path)
        if recipe.shared_prefix:
            local = arguments.per_device_train_batch_size
            check_whole_groups("shared_prefix", "each micro-batch", local, arguments.num_generations, path)
    run = RunDirectory(recipe, recipe.run)  # last: a recipe with a mistake differs from the run's for that alone
    return Checked(run, arguments, adapters, store, rewards)


def load_rewards(named: list[Named]) -> list[Reward]:
    """
    Raises:
        RewardError: a reward cannot be loaded, or two have one name.
    """
    rewards = [_load(reward) for reward in named]
    RewardPool(rewards)  # without workers it starts nothing, and refuses what it could not run
    return rewards


def _load(reward: Named) -> Reward:
    try:
        return load_reward(reward.name, reward.options)
    except RewardError as error:
        near = "".join(did_you_mean(option, ["weight"]) for option in reward.options)  # a key of ours, misspelt
        raise RewardError(f"{error}{near}") from error


@contextmanager
def _named(where: str) -> Iterator[None]:
    """
    Raises:
        RecipeError: in place of another room's error, with the recipe and its key.
    """
    try:
        yield
    except UserError as error:
        raise RecipeError(f"{where}: {error}") from error


def _check_model(recipe: RunRecipe, path: str) -> None:
    if recipe.model not in PRESETS:
        check_checkpoint(recipe.model)
    elif is_deepspeed_zero3_enabled():
        raise RecipeError(
            f'{path}: ZeRO-3 shards weights while they load; begin from a checkpoint, not from "{recipe.model}"'
        )


def check_whole_groups(option: str, where: str, completions: int, group: int, path: str) -> None:
    """TRL asks for whole groups of completions over all processes and micro-batches, some options for more.

    Raises:
        RecipeError: a group would be split.
    """
    if completions % group:
        raise RecipeError(
            f"{path}: {option} needs whole groups in {where}, but its {completions} completions are no multiple of "
            f"num_generations={group}; change per_device_train_batch_size"
        )


def _check_room(recipe: GRPORecipe, arguments: Any, store: RecordStore, path: str) -> None:
    """vLLM would cut completions short without an error, and refuse a longer prompt amid a run."""
    register()
    folder = check_checkpoint(recipe.model)
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    processor.system = store.system or processor.system
    prompts = [processor.expand(processor.prompt(asked, ecgs=n)) for asked, n in store.questions()]
    longest = max(len(ids) for ids in processor.tokenizer(prompts, add_special_tokens=False)["input_ids"])
    limits = (
        AutoConfig.from_pretrained(folder).text_config.max_position_embeddings,
        arguments.vllm_max_model_length,
        recipe.rollout.options.get("max_model_len"),
    )
    room = min(limit for limit in limits if limit)
    completion = arguments.max_completion_length
    if longest + completion > room:
        raise RecipeError(
            f"{path}: a prompt of {longest} tokens and a completion of {completion} are more than the {room} that are "
            "read; change rollout.options.max_model_len or trainer.max_completion_length"
        )
