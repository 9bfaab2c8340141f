"""Runs rewards over a batch so that none of them can kill, stall or silently bias a run."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from numbers import Real
from typing import Any

from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case, Score
from ecg_r1.scoring.registry import Reward


class RewardFailure(RuntimeError):
    """A reward failed on too large a share of the samples; the message ends with the last traceback."""


def as_score(returned: Any) -> Score:
    """What a reward returned, as a Score. A wrong type or a number that is not finite becomes an error of that sample."""
    score = returned if isinstance(returned, Score) else Score(returned)
    value = score.value
    if value is None:
        return score
    if isinstance(value, bool) or not isinstance(value, Real):
        return Score(None, error=f"returned {type(value).__name__} {str(value)[:60]!r}, not a number, Score or None")
    if not math.isfinite(value):
        return Score(None, error=f"returned {value}, not a finite number")
    return score


def _call(reward: Reward, *arguments: Any) -> Any:
    returned = reward(*arguments)
    return asyncio.run(returned) if inspect.iscoroutine(returned) else returned


def _many(returned: Any, wanted: int) -> list[Score]:
    if not isinstance(returned, Sequence) or isinstance(returned, str) or len(returned) != wanted:
        got = f"{len(returned)} values" if isinstance(returned, Sequence) else type(returned).__name__
        return [Score(None, error=f"returned {got} for {wanted} completions")] * wanted
    return [as_score(one) for one in returned]


def score_batch(reward: Reward, completions: Sequence[Completion], cases: Sequence[Case]) -> list[Score]:
    """The reward's scores, one a completion. An exception is recorded on the samples of the call it ended."""
    if reward.scope == "sample":
        scores = []
        for completion, case in zip(completions, cases, strict=True):
            try:
                scores.append(as_score(_call(reward, completion, case)))
            except Exception:  # a user's code may raise anything; it is recorded on the sample, never swallowed
                scores.append(Score(None, error=traceback.format_exc(limit=-8)))
        return scores
    scores = []
    for group in _calls(reward, completions, cases):
        try:
            scores += _many(_call_many(reward, *group), len(group[0]))
        except Exception:  # as above
            scores += [Score(None, error=traceback.format_exc(limit=-8))] * len(group[0])
    return scores


def _calls(
    reward: Reward, completions: Sequence[Completion], cases: Sequence[Case]
) -> list[tuple[list[Completion], list[Case]]]:
    """The batch as the reward wants it: whole, or the consecutive completions of one record and question."""
    pairs = list(zip(completions, cases, strict=True))
    if reward.scope != "group":
        return [(list(completions), list(cases))] if pairs else []
    groups = [list(g) for _, g in groupby(pairs, key=lambda pair: (pair[1].record_id, pair[1].question))]
    return [([c for c, _ in g], [case for _, case in g]) for g in groups]


def _call_many(reward: Reward, completions: list[Completion], cases: list[Case]) -> Any:
    if reward.scope == "group":
        return _call(reward, completions, cases[0])
    if reward.scope == "batch":
        return _call(reward, completions, cases)
    columns: dict[str, list[Any]] = {key: [case.extra.get(key) for case in cases] for key in cases[0].extra}
    columns |= {
        "prompts": [case.question for case in cases],
        "record_id": [case.record_id for case in cases],
        "diagnoses": [list(case.diagnoses) for case in cases],
        "measurements": [case.measurements.to_json() for case in cases],
    }
    returned = reward.function(completions=[c.text for c in completions], **columns, **reward.options)
    return asyncio.run(returned) if inspect.iscoroutine(returned) else returned


class RewardPool:
    """Scores batches with a fixed set of rewards.

    workers: 0 runs every reward in this process. error_limit: the largest share of samples that one reward may fail on,
    over the last `window` samples, before the run is stopped with RewardFailure.
    """

    def __init__(
        self, rewards: Sequence[Reward], *, workers: int = 0, deadline: float = 10.0, error_limit: float = 0.25,
        window: int = 256,
    ) -> None:  # fmt: skip
        names = [reward.name for reward in rewards]
        if len(set(names)) < len(names):
            raise ValueError(f"two rewards of one name: {names}")
        self.rewards, self.workers, self.deadline = tuple(rewards), workers, deadline
        self.error_limit, self.window = error_limit, window
        self._counts: Counter[str] = Counter()
        self._recent: dict[str, list[bool]] = {name: [] for name in names}

    def score(self, completions: Sequence[str], cases: Sequence[Case]) -> list[list[Score]]:
        """For each reward, one Score a completion. Raises RewardFailure past the error limit."""
        if len(completions) != len(cases):
            raise ValueError(f"{len(completions)} completions for {len(cases)} cases")
        parsed = [Completion.parse(text) for text in completions]
        results = []
        for reward in self.rewards:
            began = time.perf_counter()
            scores = score_batch(reward, parsed, cases)
            self._record(reward, scores, time.perf_counter() - began)
            results.append(scores)
        return results

    def _record(self, reward: Reward, scores: Sequence[Score], seconds: float) -> None:
        self._counts[f"rewards/{reward.name}/errors"] += sum(s.error is not None for s in scores)
        self._counts[f"rewards/{reward.name}/timeouts"] += 0
        self._counts[f"rewards/{reward.name}/seconds"] += seconds  # type: ignore[assignment]
        recent = (self._recent[reward.name] + [s.error is not None for s in scores])[-self.window :]
        self._recent[reward.name] = recent
        if sum(recent) > self.error_limit * len(recent):
            last = next(s.error for s in reversed(scores) if s.error)
            raise RewardFailure(
                f'reward "{reward.name}" failed on {sum(recent)} of the last {len(recent)} samples '
                f"(limit {self.error_limit:.0%}); the last failure:\n{last}"
            )

    def counters(self) -> dict[str, float]:
        """rewards/<name>/errors, /timeouts and /seconds since the last call, for the logs."""
        counts, self._counts = dict(self._counts), Counter()
        return counts

    def close(self) -> None:
        """End the worker processes."""

    def __enter__(self) -> RewardPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
