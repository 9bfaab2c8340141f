"""What only the training libraries can say of a recipe: arguments, adapters, the model, room for prompts, groups."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.model.checkpoint import (
    CheckpointError,
    check_checkpoint,
    check_parts,
    load_processor,
    read_config,
    shape_of,
)
from ecg_r1.model.lora import lora_config
from ecg_r1.model.presets import PRESETS
from ecg_r1.recipe import GRPORecipe, RecipeError, RunRecipe
from ecg_r1.scoring.registry import Reward
from ecg_r1.train.arguments import check_deepspeed, check_engine, training_arguments
from ecg_r1.train.options import DEEPSPEED, deepspeed_file
from ecg_r1.train.qlora import check_four_bits

if TYPE_CHECKING:
    from peft import LoraConfig


def check_opened(
    recipe: RunRecipe, path: str, stores: list[RecordStore], rewards: list[Reward], *, dry_run: bool
) -> tuple[Any, LoraConfig | None]:
    """The arguments of the stage's trainer, and PEFT's configuration where the recipe has `lora:`.

    Args:
        path: the recipe's file, for messages.
        stores: the splits that are asked: the training split, and what is held out.
        rewards: of the recipe, loaded.
        dry_run: leave out DeepSpeed.

    Raises:
        UserError: an option, a part, the checkpoint, the room for prompts or the size of batches is wrong.
    """
    arguments: Any = training_arguments(recipe, path, deepspeed=not dry_run)
    if recipe.deepspeed and recipe.deepspeed not in DEEPSPEED:
        check_deepspeed(recipe.deepspeed, path)
    _check_model(recipe, path)
    check_four_bits(recipe, path)
    try:
        check_parts(recipe.freeze, shape_of(recipe.model).config)
    except CheckpointError as error:
        raise RecipeError(f"{path}: {error}") from error
    adapters = lora_config(recipe.lora, recipe.model, path) if recipe.lora else None
    if isinstance(recipe, GRPORecipe):
        _check_groups(recipe, arguments, rewards, path)
        if recipe.rollout.engine == "vllm":
            made_at_start = recipe.model in PRESETS  # its tokenizer too
            if made_at_start and recipe.rollout.mode == "server":
                raise RecipeError(
                    f'{path}: "rollout.mode": servers start from a checkpoint, and "{recipe.model}" is made when the '
                    "run starts; name a folder as `model:`"
                )
            check_engine(recipe, path, None if made_at_start else check_checkpoint(recipe.model))
        if recipe.model not in PRESETS:
            for store in stores:
                _check_room(recipe, arguments, store, path)
    return arguments, adapters


def _check_model(recipe: RunRecipe, path: str) -> None:
    if recipe.model not in PRESETS:
        check_checkpoint(recipe.model)
        return
    file = deepspeed_file(recipe.deepspeed, path)
    zero = json.loads(file.read_text(encoding="utf-8")).get("zero_optimization", {}) if file else {}
    if zero.get("stage") == 3:
        raise RecipeError(
            f'{path}: ZeRO-3 shards weights while they load; begin from a checkpoint, not from "{recipe.model}"'
        )


def _check_groups(recipe: GRPORecipe, arguments: Any, rewards: list[Reward], path: str) -> None:
    group = arguments.num_generations
    local = arguments.per_device_train_batch_size * arguments.steps_per_generation
    in_groups = [f"credit: {recipe.credit}"] * (recipe.credit != "sequence")
    in_groups += [f'reward "{reward.name}"' for reward in rewards if reward.scope == "group"]
    for option in in_groups:
        check_whole_groups(option, "each process", local, group, path)
    if recipe.shared_prefix:
        check_whole_groups("shared_prefix", "each micro-batch", arguments.per_device_train_batch_size, group, path)
        if getattr(shape_of(recipe.model).config.text_config, "attention_dropout", 0):
            raise RecipeError(
                f'{path}: "shared_prefix" has no dropout in its attention; set text_config.attention_dropout to 0 in '
                "the model's config.json, or remove `shared_prefix`"
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
    folder = check_checkpoint(recipe.model)
    processor = load_processor(folder)
    processor.system = store.system or processor.system
    processor.states_leads |= recipe.dropout.state_leads
    prompts = [
        processor.expand(processor.prompt(asked, ecgs=n, turns=turns, leads=[LEADS[:-1]] * n))
        for asked, n, turns in store.questions()
    ]
    longest = max(len(ids) for ids in processor.tokenizer(prompts, add_special_tokens=False)["input_ids"])
    limits = (
        read_config(folder).text_config.max_position_embeddings,
        recipe.rollout.options.get("max_model_len"),
    )
    room = min(limit for limit in limits if limit)
    completion = arguments.max_completion_length
    if longest + completion > room:
        raise RecipeError(
            f"{path}: a prompt of {longest} tokens and a completion of {completion} are more than the {room} that are "
            "read; change rollout.options.max_model_len or trainer.max_completion_length"
        )
