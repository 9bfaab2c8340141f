"""Dynamic sampling: a group whose completions all have the same rewards teaches nothing, and another takes its place.

DAPO (arXiv 2503.14476) generates until a batch is full, and throws away what is left over. Here only as many groups as
are missing are generated in each round, so that every group with a spread of rewards is learned from, with the weights
that it was written with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from ecg_r1.recipe import DynamicSampling
from ecg_r1.scoring.contract import Score
from ecg_r1.train.dropout import Shown
from ecg_r1.train.prompt_pool import PromptPool

EQUAL = 1e-8  # rewards that differ by no more are the same


@dataclass(frozen=True)
class Group:
    """The completions of one example.

    Attributes:
        row: of the example in the corpus.
        shown: of its records.
        token_ids: of each of the G completions.
        logprobs: with which each token was sampled; None where the engine does not say.
        scores: of each completion, by reward.
    """

    row: int
    shown: Shown
    token_ids: Sequence[list[int]]
    logprobs: Sequence[list[float]] | None
    scores: Sequence[Sequence[Score]]

    def has_spread(self, weights: Sequence[float]) -> bool:
        """Whether a reward of weight other than 0 differs between its completions."""
        for reward, weight in enumerate(weights):
            known = [one[reward].value for one in self.scores]
            values = [float(value) for value in known if value is not None]
            if weight and values and max(values) - min(values) > EQUAL:
                return True
        return False

    def pass_rate(self, weights: Sequence[float], passed: float) -> float:
        """The share of its completions whose total reward is at least `passed`; NaN where none is scored."""
        values = [
            [weight * float(score.value) for weight, score in zip(weights, one, strict=True) if score.value is not None]
            for one in self.scores
        ]
        passes = [sum(known) >= passed for known in values if known]
        return sum(passes) / len(passes) if passes else math.nan


class GroupSampler:
    """Chooses the examples of a batch, and has groups without a spread of rewards replaced.

    Args:
        pool: of the corpus's examples.
        dynamic: the budget; None replaces nothing.
        weights: of the rewards.
        write: generates and scores a group for each of some rows. All processes call it together, with rows or none.
        gather: the lists of all processes in their order, as one.
        process: number of this process.
    """

    def __init__(
        self,
        pool: PromptPool,
        dynamic: DynamicSampling | None,
        weights: Sequence[float],
        write: Callable[[list[int]], list[Group]],
        gather: Callable[[list[Any]], list[Any]],
        process: int,
    ):
        self.pool, self.dynamic, self.weights = pool, dynamic, weights
        self.write, self.gather, self.process = write, gather, process

    def sample(self, rows: list[int], step: int) -> tuple[list[Group], dict[str, float]]:
        """The groups of a batch.

        Args:
            rows: of the examples that TRL's order names, one a group.
            step: updates made so far.

        Returns:
            A group for each row of this process, and what is logged of all.
        """
        places = self.gather([(self.process, place) for place in range(len(rows))])
        given = self.gather(rows)
        wanted = self.pool.exchange(given, step)
        asked, total = set(wanted), len(wanted)
        groups: dict[int, Group] = {}
        written, rates = 0, []
        missing = list(zip(places, wanted, strict=True))
        for number in count(1):
            own = [(place, row) for (process, place), row in missing if process == self.process]
            made = self.write([row for _, row in own])
            groups |= {place: group for (place, _), group in zip(own, made, strict=True)}
            rates += self._learn(made)
            written += len(missing)
            flat = self.gather(
                [(self.process, place) for place, _ in own if not groups[place].has_spread(self.weights)]
            )
            if self.dynamic is None:
                break
            left = math.floor(self.dynamic.budget * total) - written
            drawn = self.pool.draw(min(len(flat), left), asked, step, number) if left > 0 else []
            if not drawn:
                break
            asked.update(drawn)
            missing = list(zip(flat, drawn, strict=False))
        chosen = [groups[place] for place in range(len(rows))]
        flat = self.gather([group.row for group in chosen if not group.has_spread(self.weights)])
        facts = {
            "dynamic/groups_written": written / total,
            "dynamic/without_spread": len(flat) / total,
            "dynamic/exchanged": sum(a != b for a, b in zip(given, wanted, strict=True)) / total,
        }
        known = [rate for rate in rates if not math.isnan(rate)]
        if self.pool.curriculum is not None:
            facts["dynamic/pass_rate"] = sum(known) / len(known) if known else math.nan
        return chosen, facts

    def _learn(self, made: list[Group]) -> list[float]:
        curriculum = self.pool.curriculum
        if curriculum is None:
            return []
        seen = self.gather([(group.row, group.pass_rate(self.weights, curriculum.passed)) for group in made])
        self.pool.saw(seen)
        return [rate for _, rate in seen]
