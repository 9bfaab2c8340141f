"""What is shown of an ECG when a model is asked: its own, another patient's, a part of it, or nothing.

A signal or page that is not shown is left out with its placeholders, as `dropout` leaves it out in training. A model
whose training showed it always both has never met such a prompt; what it writes then says that it goes on without
looking, and not how well it reads the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.recipe import EvaluateRecipe

SHUFFLE, DRAWN = 0, 1  # seeds: of the permutation that deals the ECGs among the records; of the examples that are asked
Whose = Literal["own", "another's", "none"]
Shown = Mapping[str, tuple[str | None, str | None]]  # record -> those whose signal and page are shown for it


@dataclass(frozen=True)
class Condition:
    """What is shown.

    Attributes:
        name: in the names of files and in compare.json.
        title: in tables.
        signal, page: whose.
        drawn: whether only the examples that are drawn for it are asked.
    """

    name: str
    title: str
    signal: Whose
    page: Whose
    drawn: bool = True


OWN = Condition("own", "own ECG", "own", "own", drawn=False)
SHUFFLED = Condition("shuffled", "another's ECG", "another's", "another's", drawn=False)
NO_SIGNAL = Condition("no-signal", "page alone", "none", "own")
NO_PAGE = Condition("no-page", "signal alone", "own", "none")
NOTHING = Condition("nothing", "no ECG", "none", "none")
OTHER_PAGE = Condition("other-page", "page of another", "own", "another's")
CONDITIONS = (OWN, NO_SIGNAL, NO_PAGE, NOTHING, SHUFFLED, OTHER_PAGE)
LESS = (NO_SIGNAL, NO_PAGE, NOTHING, OTHER_PAGE)


def conditions(recipe: EvaluateRecipe, has_pages: bool) -> tuple[Condition, ...]:
    """Under which a model is asked.

    Args:
        recipe: `mirage` examples are drawn for those in which something is left out; with 0 there are none.
        has_pages: whether the model reads pages; without, only the whole ECG can be left out.
    """
    if not recipe.mirage:
        return OWN, SHUFFLED
    return (OWN, SHUFFLED, *(LESS if has_pages else (NOTHING,)))


def asked(store: RecordStore, condition: Condition, count: int) -> Sequence[Example]:
    """Those that are asked, in the split's order: all, or `count` that are drawn; the same for each condition."""
    if not condition.drawn or count >= len(store.examples):
        return store.examples
    places = np.random.default_rng(DRAWN).choice(len(store.examples), count, replace=False)
    return [store.examples[place] for place in sorted(places.tolist())]


def dealt(store: RecordStore, shuffled: bool) -> dict[str, str]:
    """Record id -> the record whose ECG and page are shown for it: its own, or where `shuffled`, another's."""
    shown = list(np.random.default_rng(SHUFFLE).permutation(store.ids)) if shuffled else store.ids
    return dict(zip(store.ids, map(str, shown), strict=True))


def shown(store: RecordStore, condition: Condition) -> Shown:
    """Whose signal and page are shown for each record; None where none is."""
    others = dealt(store, shuffled=True)

    def pick(record: str, whose: Whose) -> str | None:
        return {"own": record, "another's": others[record], "none": None}[whose]

    return {record: (pick(record, condition.signal), pick(record, condition.page)) for record in store.ids}
