"""Does the text follow? Slope, offset, cross-talk and flips of one model's answers, with intervals over hearts.

Within a heart everything is the same but what was moved, so values are compared with the heart's own mean: the slope is
that of a regression with an intercept for each heart. 1: the text follows; 0: it recites. Cross-talk is the change of
another quantity's error while the whole move is made. Hearts are resampled whole, with the same draws for each model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.quantities import QUANTITIES, TABLE
from ecg_r1.evaluation.bootstrap import Tally, draw
from ecg_r1.evaluation.intervals import number, paired_interval, value_interval
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.evaluation.probe.hearts import GAINS, WHOLE, whole_step
from ecg_r1.evaluation.probe.moves import MOVES, Event, Move, said, true_value

FLIPPED = 0.5  # by which the share that asserts a diagnosis must rise over the move, for a place where it flips


@dataclass(frozen=True)
class Series:
    """The answers to the records of one move.

    Attributes:
        move: what was moved.
        rows: the place of each answer among all answers.
        hearts: int (rows,), the number of each one's heart.
        steps: int (rows,), the place among the values of the move.
        count: of all hearts of the probe.
    """

    move: Move
    rows: np.ndarray
    hearts: np.ndarray
    steps: np.ndarray
    count: int

    def of(self, answers: Sequence[Judged]) -> list[Judged]:
        """The answers of this series."""
        return [answers[row] for row in self.rows]

    def tally(self, values: np.ndarray) -> Tally:
        """A ratio of sums over hearts.

        Args:
            values: (rows, 2): what each answer adds to the numerator and to the denominator.
        """
        sums = np.zeros((self.count, 2))
        np.add.at(sums, self.hearts, values)
        return Tally(sums)


def series(store: RecordStore, answers: Sequence[Judged]) -> list[Series]:
    """The answers of a probe's split by what was moved. A record as it is belongs to every move of its heart."""
    said_of = [store.example(answer.example_id).extra for answer in answers]
    numbers: dict[str, int] = {}
    hearts = np.array([numbers.setdefault(extra["heart"], len(numbers)) for extra in said_of])
    moves = np.array([extra["move"] for extra in said_of])
    steps = np.array([extra["step"] for extra in said_of])
    found = []
    for name in store.facts["moves"]:
        edited = moves == name
        rows = np.flatnonzero(edited | ((moves == WHOLE) & np.isin(hearts, hearts[edited])))
        if edited.any():
            at = np.where(moves[rows] == WHOLE, whole_step(name) if WHOLE in moves else 0, steps[rows])
            found.append(Series(MOVES[name], rows, hearts[rows], at, len(numbers)))
    return found


def follow(one: Series, answers: Mapping[str, Sequence[Judged]], resamples: int, seed: int) -> dict[str, Any]:
    """How the answers of some models follow one move.

    Args:
        one: the move.
        answers: of each model, all of the probe, in one order.
        resamples: of the bootstrap over hearts.
        seed: of these draws.

    Returns:
        `title`, `unit`; `steps`: the mean true value of each; by model under `models`: `follows` (of each quantity that
        is to follow, `slope`, `offset`, `quoted` and the mean value at each step), `cross_talk` (of each other quantity
        the change over the whole move) and `flips` (of each event). `paired`: slopes, later minus earlier.
    """
    draws = draw(one.count, resamples, seed)
    of_models = {name: one.of(rows) for name, rows in answers.items()}
    first = next(iter(of_models.values()))
    true = _moved(one, [answer.case for answer in first])
    tallies = {name: _slopes(one, rows) for name, rows in of_models.items()}
    span = float(np.nanmax(_by_step(one, true)) - np.nanmin(_by_step(one, true)))

    def interval(tally: Tally, by: float = 1.0) -> dict[str, float | None]:
        found = value_interval(tally, draws)
        return {
            "value": number(by * found.difference),
            "low": number(by * found.low),
            "high": number(by * found.high),
        }

    def model(name: str, rows: Sequence[Judged]) -> dict[str, Any]:
        return {
            "follows": {
                quantity: {
                    "slope": interval(tallies[name][quantity]),
                    "offset": interval(one.tally(_errors(rows, quantity))),
                    "quoted": float(np.mean([said(row, quantity) is not None for row in rows])),
                    "steps": [number(v) for v in _by_step(one, _said(rows, quantity))],
                }
                for quantity in one.move.follows
                if quantity in tallies[name]
            },
            "cross_talk": {
                quantity: interval(tally, span) | {"tolerance": TABLE[quantity].tolerance, "unit": TABLE[quantity].unit}
                for quantity, tally in _cross_talk(one, rows, true).items()
            },
            "flips": {event.title: _flips(one, event, rows, true, interval) for event in one.move.events},
        }

    names = list(answers)
    return {
        "title": one.move.title,
        "unit": one.move.unit,
        "hearts": len(np.unique(one.hearts)),
        "records": len(one.rows),
        "steps": [number(value) for value in _by_step(one, true)],
        "models": {name: model(name, rows) for name, rows in of_models.items()},
        "paired": {
            f"{later} - {earlier}": {
                quantity: {
                    key: number(value)
                    for key, value in asdict(
                        paired_interval(tallies[later][quantity], tallies[earlier][quantity], draws)
                    ).items()
                }
                for quantity in tallies[later]
                if quantity in tallies[earlier]
            }
            for i, earlier in enumerate(names)
            for later in names[i + 1 :]
        },
    }


def _moved(one: Series, cases: Sequence[Any]) -> np.ndarray:
    """(rows,) what is true of what was moved; of what is there or not, 1 or 0; of amplitudes, the factor."""
    if one.move.switched:
        return np.minimum(one.steps, 1).astype(float)
    if one.move.name == "gain":
        return np.sort([*GAINS, 1.0])[one.steps]
    values = [true_value(case, one.move.follows[0]) for case in cases]
    return np.array([math.nan if value is None else value for value in values])


def _slopes(one: Series, rows: Sequence[Judged]) -> dict[str, Tally]:
    """The regression of what is said on what is true, within hearts, of each quantity that is quoted."""
    found = {}
    for quantity in one.move.follows:
        x, y = np.array([said(row, quantity) or (math.nan, math.nan) for row in rows]).T
        if np.isfinite(x).any():
            found[quantity] = one.tally(_regression(one, x, y))
    return found


def _cross_talk(one: Series, rows: Sequence[Judged], moved: np.ndarray) -> dict[str, Tally]:
    """The regression of the errors of each other quantity that is quoted on what was moved, within hearts."""
    found = {}
    for quantity in QUANTITIES:
        if quantity in one.move.follows:
            continue
        errors = np.array([math.nan if (pair := said(row, quantity)) is None else pair[1] - pair[0] for row in rows])
        tally = one.tally(_regression(one, moved, errors))
        if math.isfinite(tally.value()):  # it is quoted at two steps of a heart
            found[quantity] = tally
    return found


def _regression(one: Series, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(rows, 2): what each answer adds to the covariance with x and to the variance of x, within its heart."""
    known = np.isfinite(x) & np.isfinite(y)
    added = np.zeros((len(x), 2))
    for heart in np.unique(one.hearts[known]):
        own = known & (one.hearts == heart)
        away = x[own] - x[own].mean()
        added[own] = np.stack([away * (y[own] - y[own].mean()), away**2], axis=1)
    return added


def _errors(rows: Sequence[Judged], quantity: str) -> np.ndarray:
    pairs = [said(row, quantity) for row in rows]
    return np.array([(0.0, 0.0) if pair is None else (pair[1] - pair[0], 1.0) for pair in pairs])


def _said(rows: Sequence[Judged], quantity: str) -> np.ndarray:
    pairs = [said(row, quantity) for row in rows]
    return np.array([math.nan if pair is None else pair[1] for pair in pairs])


def _by_step(one: Series, values: np.ndarray) -> np.ndarray:
    """The mean at each step; NaN where nothing is known there."""
    known = np.isfinite(values)
    places = range(int(one.steps.max()) + 1)
    return np.array([
        values[known & (one.steps == step)].mean() if (known & (one.steps == step)).any() else math.nan
        for step in places
    ])  # fmt: skip


def _flips(
    one: Series, event: Event, rows: Sequence[Judged], moved: np.ndarray, interval: Callable[[Tally], dict[str, Any]]
) -> dict[str, Any]:
    """How often an event is asserted where it holds and where it does not, at each step, and where that changes."""
    asserted = np.array([event.asserted(row) for row in rows], dtype=float)
    holds = [event.holds(row.case) for row in rows]
    shares = _by_step(one, asserted)
    found: dict[str, Any] = {
        "holds": interval(one.tally(_share(asserted, [held is True for held in holds]))),
        "otherwise": interval(one.tally(_share(asserted, [held is False for held in holds]))),
        "steps": [number(share) for share in shares],
        "limit": event.limit,
        "at": None,
    }
    ends = [shares[np.nanargmin(_by_step(one, moved))], shares[np.nanargmax(_by_step(one, moved))]]
    rise = ends[1] - ends[0] if event.above else ends[0] - ends[1]
    if event.limit is not None and rise >= FLIPPED:
        found["at"] = interval(one.tally(_turns(one, moved, asserted, event.above)))
    return found


def _share(asserted: np.ndarray, counted: Sequence[bool]) -> np.ndarray:
    """(rows, 2): numerator and denominator of the share that is asserted among the rows that count."""
    return np.stack([asserted, np.ones(len(asserted))], axis=1) * np.array(counted, dtype=float)[:, None]


def _turns(one: Series, moved: np.ndarray, asserted: np.ndarray, above: bool) -> np.ndarray:
    """(rows, 2): where each heart's answers turn, as Spearman and Kärber estimate it: the far end of the move less the
    stretch over which it is asserted, which from one step to the next is half of the way where the two differ.

    Spearman, Br J Psychol 1908;2:227; Kärber, Arch Exp Pathol Pharmakol 1931;162:480.
    """
    added = np.zeros((len(moved), 2))
    for heart in np.unique(one.hearts):
        own = np.flatnonzero((one.hearts == heart) & np.isfinite(moved))
        own = own[np.argsort(moved[own])]
        if len(own) > 1:
            stretch = float(np.trapezoid(asserted[own], moved[own]))
            added[own[0]] = (moved[own[-1]] - stretch if above else moved[own[0]] + stretch), 1.0
    return added
