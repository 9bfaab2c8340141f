"""Calls a reward on completions as its scope wants, and makes one Score for each of them of whatever comes back."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import traceback
from collections.abc import Iterable, Mapping, Sequence, Sized
from itertools import groupby, islice
from numbers import Real
from typing import Any

from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import LARGEST_SCORE, Case, Score
from ecg_r1.scoring.judgement import LARGEST, Evidence, Judgement, claim_of, is_plain, judgement_of, to_json
from ecg_r1.scoring.registry import Reward

SAID = 10_000  # characters that are kept of an error or an explanation
_NOT_LEGAL = f"not a finite number between {-LARGEST_SCORE:,.0f} and {LARGEST_SCORE:,.0f}"


def failure(error: str) -> Score:
    """The Score of a sample on which a reward failed; of a long error the beginning and the end."""
    if len(error) > SAID:
        error = f"{error[: SAID // 2]} … {error[-SAID // 2 :]}"
    return Score(None, error=error)


def as_score(returned: Any) -> Score:
    """Make a Score of plain JSON types, the same in a worker and here, of what a reward returned.

    Whatever is a number (NumPy, torch, Fraction, Decimal, bool) becomes a float, in evidence too; what JSON has no word
    for becomes a text, and a number that is not finite null.

    Returns:
        The Score; with an `error` where the value is of a wrong type, not finite or past LARGEST_SCORE, or the evidence
        is no rows.
    """
    score = returned if isinstance(returned, Score) else Score(returned)
    if score.error is not None:
        return failure(str(score.error))
    rows = score.evidence
    if not isinstance(rows, Sequence) or not all(isinstance(row, Judgement | Mapping) for row in rows):
        kinds = type(rows).__name__ if not isinstance(rows, list | tuple) else "rows that are not objects"
        return failure(f"evidence is a sequence of objects by key, not {kinds}: {str(rows)[:60]}")
    value = score.value
    if value is not None and type(value) is not float:
        value = _plain(value)
        if not isinstance(value, Real):
            got = f"{type(score.value).__name__} {str(score.value)[:60]!r}"
            return failure(f"returned {got}, not a number, Score or None")
        value = float(value)
    if value is not None and not abs(value) <= LARGEST_SCORE:  # NaN too
        return failure(f"returned {value:g}, {_NOT_LEGAL}")
    extracted = score.extracted
    if not _is_plain(extracted):
        extracted = _READER.decode(_WRITER.encode(extracted))
    explanation = "" if score.explanation is None else str(score.explanation)[:SAID]
    evidence = tuple(map(_as_evidence, rows))
    for claim in filter(None, map(claim_of, evidence)):
        if claim.score is not None and not abs(claim.score) <= LARGEST_SCORE:
            return failure(f'scores the claim "{claim.claim}" {claim.score:g}, {_NOT_LEGAL}')
    return Score(value, extracted, explanation, evidence)


def _as_evidence(row: Evidence) -> Evidence:
    if isinstance(row, Judgement) and is_plain(row):
        return row
    plain = to_json(row)
    return judgement_of(plain if _is_plain(plain) else _READER.decode(_WRITER.encode(plain)))


def _is_plain(value: Any) -> bool:
    """Whether JSON would give back this very object, as it does most of what our own rewards return."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_plain, value.values()))
    if kind is list:
        return all(map(_is_plain, value))
    if kind is int:
        return bool(-LARGEST < value < LARGEST)
    return kind is str or value is None or kind is bool or (kind is float and math.isfinite(value))


def _plain(value: Any) -> Any:
    """A type that JSON knows, of one that it does not; a text is never taken for a number."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):  # of NumPy and torch, whatever it holds
        listed = value.tolist()
        return listed if type(listed) is not type(value) else float(listed)  # a long double stays what it is
    return float(value) if hasattr(value, "__float__") else str(value)


_WRITER = json.JSONEncoder(default=_plain)
_READER = json.JSONDecoder(parse_constant=lambda name: None)


def groups(cases: Sequence[Case]) -> list[list[int]]:
    """Indices of the consecutive completions of one prompt: of one example.

    Where nobody names the example, as in other frameworks' rows, it is the same record, question and truth.
    """

    def prompt(i: int) -> tuple[Any, ...]:
        case = cases[i]
        if case.example_id:
            return (case.example_id,)
        return case.record_id, case.question, case.diagnoses, case.measurements

    return [list(group) for _, group in groupby(range(len(cases)), key=prompt)]


def units(reward: Reward, cases: Sequence[Case]) -> list[list[int]]:
    """Indices of the samples that each call of the reward is given; a failing call costs its own samples only."""
    if reward.scope == "group":
        return groups(cases)
    if reward.scope == "sample" and not inspect.iscoroutinefunction(reward.function):
        return [[i] for i in range(len(cases))]
    return [list(range(len(cases)))] if cases else []


def call(reward: Reward, completions: Sequence[Completion], cases: Sequence[Case]) -> list[Score]:
    """One Score for each sample of one unit. What the reward raises is recorded on them, with its traceback.

    Raises:
        KeyboardInterrupt: someone has interrupted the process.
    """
    try:
        returned = _returned(reward, completions, cases)
        listed = returned.tolist() if hasattr(returned, "tolist") else returned  # an array or a tensor
        if not isinstance(listed, Iterable) or isinstance(listed, str | Mapping):
            error = f"returned {type(returned).__name__} for {len(completions)} completions"
            return [failure(error)] * len(completions)
        values = list(islice(listed, len(completions) + 1))  # a generator may never end
        if len(values) != len(completions):
            got = len(listed) if isinstance(listed, Sized) else len(values)
            return [failure(f"returned {got} values for {len(completions)} completions")] * len(completions)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a user's code may raise anything; it is recorded and counted, never swallowed
        return [failure(traceback.format_exc(limit=-8))] * len(completions)
    return [_score(value) for value in values]


def _score(returned: Any) -> Score:
    """The Score of one sample, whatever the methods of the object that was returned do."""
    try:
        if isinstance(returned, BaseException):
            return failure("".join(traceback.format_exception(returned, limit=-8)))
        return as_score(returned)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return failure(traceback.format_exc(limit=-8))


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


class NoTrainer:
    """Stands for TRL's trainer_state, which a reward that may run in another process cannot have. It is falsy."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"trainer_state.{name} is not known to a reward here; make it an option of the recipe")

    def __bool__(self) -> bool:
        return False


def trl_columns(reward: Reward, completions: Sequence[Completion], cases: Sequence[Case]) -> dict[str, Any]:
    """The keyword arguments TRL's GRPOTrainer calls a reward function with: prompts, completions and dataset columns.

    Texts, or lists of messages where the reward was loaded with `conversational`. completion_ids are left out where
    nobody knows them, as outside training. There is no trainer here: trainer_state says so when it is asked for
    something, and what is logged through log_extra and log_metric is dropped.
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
            "trainer_state": NoTrainer(),
            "log_extra": lambda name, values: None,
            "log_metric": lambda name, value: None,
        }
    )
