"""The recipe's rewards as TRL calls them: one function each, all scored once a batch, evidence kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from ecg_r1.recipe import RewardWorkers
from ecg_r1.scoring.contract import Case, Score
from ecg_r1.scoring.judgement import Evidence, Judgement, claim_of, to_json
from ecg_r1.scoring.pool import RewardPool
from ecg_r1.scoring.registry import Reward
from ecg_r1.train.domains import domain_of
from ecg_r1.train.dropout import Shown
from ecg_r1.train.media import Media


class RewardSet:
    """The rewards of a run, as TRL calls them; keeps the last batch's scores and judgements.

    Args:
        rewards: the recipe's rewards, loaded.
        workers: processes, deadline and the share of errors that stops the run. They start here, and end with the
            `with` that this stands in.
        media: gives the case of what is shown.
        weights: of the rewards, 1 unless given. A reward of weight 0 is only a metric: its claims get no credit.
    """

    def __init__(
        self,
        rewards: Sequence[Reward],
        workers: RewardWorkers,
        media: Media,
        weights: Sequence[float] | None = None,
    ):
        self.rewards = rewards
        self.media = media
        self.weights = weights or [1.0] * len(rewards)
        self.pool = RewardPool(
            self.rewards, workers=workers.workers, deadline=workers.timeout, error_limit=workers.max_error_share,
            memory=workers.memory,
        )  # fmt: skip
        self._batch: list[list[Score]] = []
        self._known: list[list[Score]] | None = None
        self._cases: list[Case] = []

    def functions(self) -> list[Callable[..., list[float | None]]]:
        """One callable for each reward; TRL calls them in this order, and logs each under its `__name__`."""
        return [self._function(position, reward.name) for position, reward in enumerate(self.rewards)]

    def score(
        self, completions: list[str], shown: Sequence[Shown], completion_ids: list[list[int]]
    ) -> list[list[Score]]:
        """The scores of completions before TRL asks for them.

        Returns:
            For each reward its score of each completion.
        """
        return self.pool.score(completions, [self.media.case(one) for one in shown], completion_ids)

    def know(self, batch: list[list[Score]]) -> None:
        """What `score` gave for the batch that TRL will ask for next, so that nothing is scored twice."""
        self._known = batch

    def claims(self) -> list[list[Judgement]]:
        """Of the evidence of each completion, the judgements of one quoted value each."""
        paying = [scores for scores, weight in zip(self._batch, self.weights, strict=True) if weight]
        return [[claim for row in rows if (claim := claim_of(row))] for rows in _evidence(paying)]

    def domains(self) -> list[str]:
        """The domain of each completion's case; see `domains.domain_of`."""
        return list(map(domain_of, self._cases))

    def totals(self) -> list[float]:
        """The weighted sum of the rewards that apply to each completion, as TRL sums them; NaN where none does."""
        return [self._total(scores) for scores in zip(*self._batch, strict=True)]

    def _total(self, scores: Sequence[Score]) -> float:
        known = [
            weight * score.value for weight, score in zip(self.weights, scores, strict=True) if score.value is not None
        ]
        return sum(known) if known else math.nan

    def __enter__(self) -> RewardSet:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()

    def _function(self, position: int, name: str) -> Callable[..., list[float | None]]:
        def function(
            completions: list[str],
            completion_ids: list[list[int]],
            shown: list[Shown],
            log_extra: Any,
            log_metric: Any,
            **_: Any,
        ) -> list[float | None]:
            if position == 0:
                self._cases = [self.media.case(one) for one in shown]
                known, self._known = self._known, None
                self._batch = known or self.pool.score(completions, self._cases, completion_ids)
                self._log(shown, log_extra, log_metric)
            scores = self._batch[position]
            log_extra(f"{name}/explanation", [score.error or score.explanation for score in scores])
            return [None if score.value is None else float(score.value) for score in scores]

        function.__name__ = name
        return function

    def _log(self, shown: list[Shown], log_extra: Any, log_metric: Any) -> None:
        log_extra("example", [one.example for one in shown])
        if self.media.varies:
            log_extra("shown", [str(one) for one in shown])
        log_extra("evidence", [json.dumps([to_json(row) for row in rows]) for rows in _evidence(self._batch)])
        for counter, value in self.pool.counters().items():
            log_metric(counter, value)


def _evidence(batch: Sequence[Sequence[Score]]) -> list[list[Evidence]]:
    """The evidence of each completion, over all rewards."""
    return [[row for score in scores for row in score.evidence] for scores in zip(*batch, strict=True)]
