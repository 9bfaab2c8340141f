"""What can be wrong with a run, found before anything of it starts: no engine, no file written.

What needs no training library comes first, so that a misspelt reward or a missing corpus is reported within a second or
two; torch, TRL, vLLM and DeepSpeed are imported after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.engine.base import require_vllm
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.recipe import GRPORecipe, PretrainRecipe, RecipeError, RunRecipe, SFTRecipe
from ecg_r1.recipe import Reward as Named
from ecg_r1.runs.directory import RunDirectory
from ecg_r1.runs.held_out import Measure
from ecg_r1.scoring.cases import Sample
from ecg_r1.scoring.check import try_rewards
from ecg_r1.scoring.contract import RewardError
from ecg_r1.scoring.needs import require_fed
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import Reward, load_reward
from ecg_r1.train.options import check_options

if TYPE_CHECKING:
    from peft import LoraConfig

CASES = 4  # of the corpus, on which each reward is tried beside the shipped samples


@dataclass(frozen=True)
class Checked:
    """A recipe whose names have all been found, and what was opened to find them."""

    run: RunDirectory
    arguments: Any  # of the stage's trainer: TrainingArguments, SFTConfig or GRPOConfig
    adapters: LoraConfig | None
    store: RecordStore
    rewards: list[Reward]
    held_out: RecordStore | None = None  # the split that is answered amid the training
    measure: Measure | None = None  # what those answers are worth


def check(
    recipe: RunRecipe, path: str, *, dry_run: bool = False, calling: bool = True, measure: Measure | None = None
) -> Checked:
    """Look up everything the recipe names.

    Args:
        path: the recipe's file, for messages.
        dry_run: leave out DeepSpeed, which would be set up; the arguments cannot be trained with then.
        calling: call each reward once. A process of several need not: one has done it for all.
        measure: what held-out answers are worth; needed where the recipe has `held_out`.

    Raises:
        UserError: an option, part, reward, checkpoint, corpus, engine or folder is wrong; the message says which.
    """
    check_options(recipe, path)
    if recipe.deepspeed and find_spec("deepspeed") is None:
        raise RecipeError(f'{path}: "deepspeed": it is not installed: pip install deepspeed, or set `deepspeed: null`')
    if isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm":
        require_vllm()
    with _named(f'{path}: "corpus.train"'):
        store = RecordStore(recipe.corpus.train)
    held_out = check_held_out(recipe, path, measure)
    rewards: list[Reward] = []
    if isinstance(recipe, GRPORecipe):
        with _named(f'{path}: "rewards"'):
            rewards = load_rewards(recipe.rewards)
            whole = [reward.name for reward in rewards if reward.scope == "batch"]
            if recipe.dynamic_sampling is not None and whole:
                raise RecipeError(
                    f"{whole[0]} judges a whole batch at once, and `dynamic_sampling` replaces a part of it; remove one"
                )
            if calling:
                check_rewards(recipe, rewards, store)

    from ecg_r1.train.opened import check_opened  # imports the training libraries

    arguments, adapters = check_opened(
        recipe, path, [store, *([held_out] if held_out else [])], rewards, dry_run=dry_run
    )
    run = RunDirectory(recipe, recipe.run)  # last: a recipe with a mistake differs from the run's for that alone
    return Checked(run, arguments, adapters, store, rewards, held_out, measure)


def check_held_out(recipe: RunRecipe, path: str, measure: Measure | None) -> RecordStore | None:
    """Check what is answered amid the training; None where nothing is.

    Raises:
        RecipeError: the split is missing, no metric has that name, or nothing says how long an answer is.
    """
    settings = None if isinstance(recipe, PretrainRecipe) else recipe.held_out
    if settings is None or recipe.corpus.evaluate is None:
        return None
    if measure is None:
        raise RecipeError(f'{path}: "held_out": give `train` the argument `measure`; `ecg-r1 train` does')
    if settings.metric not in measure.higher_is_better:
        near = did_you_mean(settings.metric, measure.higher_is_better)
        raise RecipeError(
            f'{path}: "held_out.metric": no metric {settings.metric!r} by which models are compared{near}'
        )
    with _named(f'{path}: "corpus.evaluate"'):
        store = RecordStore(recipe.corpus.evaluate)
    if isinstance(recipe, SFTRecipe) and settings.max_tokens is None and not any(e.response for e in store.examples):
        raise RecipeError(
            f'{path}: "held_out": no target text of {store.folder} says how long an answer is; set held_out.max_tokens'
        )
    return store


def check_rewards(recipe: GRPORecipe, rewards: list[Reward], store: RecordStore) -> None:
    """Check that each reward applies to an example of the corpus, and call each once with the recipe's deadline.

    It is called on the shipped samples, and on the first examples of the corpus with their own responses, which have
    the fields that the run will give it.

    Raises:
        RewardError: a reward applies to no example, or fails on every sample.
    """
    require_fed(rewards, (store.case(example.id) for example in store.examples))
    first = [Sample(example.id, store.case(example.id), example.response or "") for example in store.examples[:CASES]]
    workers = min(1, recipe.reward_workers.workers)  # 0 asks for this process
    try_rewards(rewards, recipe.reward_workers.timeout, also=first, workers=workers)


def load_rewards(named: list[Named]) -> list[Reward]:
    """Loads the rewards that a recipe names.

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
