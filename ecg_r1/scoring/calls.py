"""Calls a reward on completions as its scope wants, and makes one Score for each of them of whatever comes back."""

from __future__ import annotations

import asyncio
import inspect
import math
import traceback
from collections.abc import Sequence
from itertools import groupby
from numbers import Real
from typing import Any

from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case, Score
from ecg_r1.scoring.registry import Reward


def as_score(returned: Any) -> Score:
    """What a reward returned, as a Score. A wrong type or a number that is not finite is an error of that sample."""
    score = returned if isinstance(returned, Score) else Score(returned)
    value = score.value
    if value is None:
        return score
    if isinstance(value, bool) or not isinstance(value, Real):
        return Score(None, error=f"returned {type(value).__name__} {str(value)[:60]!r}, not a number, Score or None")
    if not math.isfinite(value):
        return Score(None, error=f"returned {value}, not a finite number")
    return score


def groups(cases: Sequence[Case]) -> list[list[int]]:
    """Indices of the consecutive completions of one prompt: the same record and question."""
    pairs = groupby(range(len(cases)), key=lambda i: (cases[i].record_id, cases[i].question))
    return [list(group) for _, group in pairs]


def units(reward: Reward, cases: Sequence[Case]) -> list[list[int]]:
    """Indices of the samples that each call of the reward is given; a failing call costs its own samples only."""
    if reward.scope == "group":
        return groups(cases)
    if reward.scope == "sample" and not inspect.iscoroutinefunction(reward.function):
        return [[i] for i in range(len(cases))]
    return [list(range(len(cases)))] if cases else []


def call(reward: Reward, completions: Sequence[Completion], cases: Sequence[Case]) -> list[Score]:
    """One Score for each sample of one unit. What the reward raises is recorded on them, with its traceback."""
    try:
        returned = _returned(reward, completions, cases)
    except Exception:  # a user's code may raise anything; it is recorded and counted, never swallowed
        return [Score(None, error=traceback.format_exc(limit=-8))] * len(completions)
    if not isinstance(returned, Sequence) or isinstance(returned, str) or len(returned) != len(completions):
        got = f"{len(returned)} values" if isinstance(returned, Sequence) else type(returned).__name__
        return [Score(None, error=f"returned {got} for {len(completions)} completions")] * len(completions)
    return [
        Score(None, error="".join(traceback.format_exception(one, limit=-8)))
        if isinstance(one, BaseException)
        else as_score(one)
        for one in returned
    ]


def _returned(reward: Reward, completions: Sequence[Completion], cases: Sequence[Case]) -> Any:
    if reward.scope == "sample":
        results = [reward(completion, case) for completion, case in zip(completions, cases, strict=True)]
        return asyncio.run(_together(results)) if inspect.iscoroutinefunction(reward.function) else results
    if reward.scope == "group":
        returned = reward(list(completions), cases[0])
    elif reward.scope == "batch":
        returned = reward(list(completions), list(cases))
    else:
        returned = reward.function(**trl_columns(reward, completions, cases), **reward.options)
    return asyncio.run(returned) if inspect.iscoroutine(returned) else returned


async def _together(coroutines: Sequence[Any]) -> list[Any]:
    return await asyncio.gather(*coroutines, return_exceptions=True)


def trl_columns(reward: Reward, completions: Sequence[Completion], cases: Sequence[Case]) -> dict[str, Any]:
    """The keyword arguments TRL's GRPOTrainer calls a reward function with: prompts, completions and dataset columns.

    Texts, or lists of messages where the reward was loaded with `conversational`. completion_ids are left out where
    nobody knows them, as outside training. A worker has no trainer: trainer_state is None and what is logged through
    log_extra and log_metric is dropped.
    """
    prompts: list[Any] = [case.question or "" for case in cases]
    texts: list[Any] = [completion.text for completion in completions]
    if reward.scope == "trl-chat":
        prompts = [[{"role": "user", "content": prompt}] for prompt in prompts]
        texts = [[{"role": "assistant", "content": text}] for text in texts]
    extra: dict[str, Any] = {key: [case.extra.get(key) for case in cases] for key in cases[0].extra}
    known = [list(completion.ids) for completion in completions if completion.ids is not None]
    ids = {"completion_ids": known} if len(known) == len(completions) else {}
    return (
        extra
        | ids
        | {
            "prompts": prompts,
            "completions": texts,
            "record_id": [case.record_id for case in cases],
            "diagnoses": [list(case.diagnoses) for case in cases],
            "measurements": [case.measurements.to_json() for case in cases],
            "trainer_state": None,
            "log_extra": lambda name, values: None,
            "log_metric": lambda name, value: None,
        }
    )
