"""Runs rewards over a batch so that none of them can kill, stall or silently bias a run."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from copy import deepcopy
from itertools import repeat
from typing import Any

from ecg_r1.errors import UserError
from ecg_r1.scoring.calls import call, units
from ecg_r1.scoring.collector import paused
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case, RewardError, Score
from ecg_r1.scoring.registry import Reward
from ecg_r1.scoring.surroundings import restored
from ecg_r1.scoring.workers import Workers


class RewardFailure(UserError):
    """A reward failed on too large a share of the samples; the message ends with the last failure."""


class RewardPool:
    """Scores batches of completions with a fixed set of rewards.

    Args:
        rewards: loaded; no two of one name.
        workers: how many calls are made at a time. Each worker has one process for the rewards of the library and one
            for each other reward. 0 runs every reward in this process, for debugging, without a deadline.
        deadline: seconds that a reward may take for one batch in one worker; one call may take half of it. A call that
            takes longer is killed and recorded on its samples. The others go on at once in a spare process.
        error_limit: the share of failed samples, among the last `window` of one reward, past which the run is stopped.
        window: number of samples.
        memory: GiB that a worker process, or one that it starts, may allocate; past it a reward gets MemoryError.

    Raises:
        RewardError: two rewards have one name.
    """

    def __init__(
        self, rewards: Sequence[Reward], *, workers: int = 0, deadline: float = 30.0, error_limit: float = 0.25,
        window: int = 256, memory: float = 4.0,
    ) -> None:  # fmt: skip
        names = [reward.name for reward in rewards]
        if twice := [reward.spec for reward in rewards if names.count(reward.name) > 1]:
            raise RewardError(f"two rewards of one name: {' and '.join(twice)}; rename one, or leave one out")
        self.rewards, self.deadline, self.error_limit = tuple(rewards), deadline, error_limit
        self._workers = Workers(self.rewards, workers, deadline, memory) if workers else None
        self._counts: Counter[str] = Counter()
        self._failed: dict[str, deque[bool]] = {name: deque(maxlen=window) for name in names}

    def score(
        self, completions: Sequence[str], cases: Sequence[Case], ids: Sequence[Sequence[int]] | None = None
    ) -> list[list[Score]]:
        """Score a batch.

        Args:
            completions: the texts.
            cases: one for each text; the completions of one prompt are consecutive.
            ids: the token ids of each completion, for rewards that count them.

        Returns:
            For each reward, one Score a completion.

        Raises:
            RewardFailure: a reward failed on more samples than the error limit allows.
            ValueError: the lengths differ.
        """
        if len(completions) != len(cases):
            raise ValueError(f"{len(completions)} completions for {len(cases)} cases")
        if ids is not None and len(ids) != len(completions):
            raise ValueError(f"token ids of {len(ids)} for {len(completions)} completions")
        parsed = [Completion.parse(text, own) for text, own in zip(completions, ids or repeat(None), strict=False)]
        score = self._workers.score if self._workers else self._here
        results, counts = score(parsed, cases)
        for reward, scores, count in zip(self.rewards, results, counts, strict=True):
            self._record(reward.name, scores, count)
        return results

    def _here(
        self, completions: Sequence[Completion], cases: Sequence[Case]
    ) -> tuple[list[list[Score]], list[dict[str, Any]]]:
        results, counts = [], []
        for reward in self.rewards:
            own = cases if reward.ours else deepcopy(list(cases))  # other rewards must not see what it does to them
            began = time.perf_counter()
            scores = []
            with paused(), restored():
                for unit in units(reward, cases):
                    scores += call(reward, [completions[i] for i in unit], [own[i] for i in unit])
            results.append(scores)
            counts.append({"seconds": time.perf_counter() - began, "timeouts": 0})
        return results, counts

    def _record(self, name: str, scores: Sequence[Score], count: dict[str, Any]) -> None:
        errors = [score.error for score in scores if score.error is not None]
        for key, number in (count | {"errors": len(errors)}).items():
            self._counts[f"rewards/{name}/{key}"] += number
        failed = self._failed[name]
        failed.extend(score.error is not None for score in scores)
        if errors and sum(failed) > self.error_limit * len(failed):
            raise RewardFailure(
                f'reward "{name}" failed on {sum(failed)} of the last {len(failed)} samples '
                f"(limit {self.error_limit:.0%}); the last failure:",
                *errors[-1].strip().split("\n"),
            )

    def counters(self) -> dict[str, float]:
        """Counts for the logs since the last call: rewards/<name>/errors, /timeouts and /seconds."""
        counts: dict[str, float] = dict(self._counts)
        self._counts = Counter()
        return counts

    def close(self) -> None:
        """End the worker processes."""
        if self._workers:
            self._workers.close()
        self._workers = None

    def __enter__(self) -> RewardPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
