"""What is known of each example of the corpus, and which ones are asked in the place of others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ecg_r1.engine import wire
from ecg_r1.files import write_atomically
from ecg_r1.recipe import Curriculum


class PromptPool:
    """The examples of a corpus by their rows, and the share of each one's completions that passed when last asked.

    Every process has the same: what one learns, all of them do. Draws depend on (seed, step, round) alone, so that a
    resumed run draws what it would have drawn.

    Args:
        size: rows of the corpus.
        seed: of the draws.
        curriculum: how the pass rate weighs; without it all examples weigh the same.

    Attributes:
        rates: (N,) the share that passed; NaN where an example was not asked yet.
    """

    def __init__(self, size: int, seed: int, curriculum: Curriculum | None = None):
        self.rates = np.full(size, np.nan)
        self.seed, self.curriculum = seed, curriculum

    def saw(self, rates: Iterable[tuple[int, float]]) -> None:
        """Learn the pass rates of rows; NaN, where no completion was scored, changes nothing."""
        for row, rate in rates:
            if not np.isnan(rate):
                self.rates[row] = rate

    def weights(self) -> np.ndarray:
        """The weight of each row: 4 p (1 - p) of its pass rate p, which is the variance of a pass; 1 where unknown.

        Returns:
            (N,) from `curriculum.least` to 1.
        """
        if self.curriculum is None:
            return np.ones(len(self.rates))
        spread = 4 * self.rates * (1 - self.rates)
        return np.where(np.isnan(spread), 1.0, np.maximum(spread, self.curriculum.least))

    def exchange(self, rows: list[int], step: int) -> list[int]:
        """The rows of a batch, of which each keeps its place with a chance of its weight; others take the rest."""
        if self.curriculum is None:
            return rows
        random = self._random(step, 0)
        left = [place for place, kept in enumerate(random.random(len(rows)) < self.weights()[rows]) if not kept]
        drawn = self._draw(random, len(left), rows)
        new = dict(zip(left, drawn, strict=False))
        return [new.get(place, row) for place, row in enumerate(rows)]

    def draw(self, count: int, asked: Iterable[int], step: int, number: int) -> list[int]:
        """Draw rows by their weights.

        Args:
            count: how many, at most.
            asked: rows that are not drawn.
            step: updates made so far.
            number: of the round within the step, from 1.
        """
        return self._draw(self._random(step, number), count, asked)

    def save(self, file: Path) -> None:
        """Keep what is known with a checkpoint: a message of `ecg_r1.engine.wire`."""
        write_atomically(file, wire.pack({}, {"rates": self.rates}))

    def load(self, file: Path) -> None:
        """Take up what `save` kept."""
        _, tensors = wire.unpack(file.read_bytes())
        self.rates = tensors["rates"].copy()

    def _random(self, step: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step, number])

    def _draw(self, random: np.random.Generator, count: int, asked: Iterable[int]) -> list[int]:
        weights = self.weights()
        weights[list(asked)] = 0
        count = min(count, int((weights > 0).sum()))
        if not count:
            return []
        return random.choice(len(weights), count, replace=False, p=weights / weights.sum()).tolist()
