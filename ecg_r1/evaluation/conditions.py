"""What is shown of an ECG when a model is asked: its own, another patient's, a part of it, nothing, or a worse page.

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
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.render import PLAIN
from ecg_r1.ecg.wild import ARTEFACTS, Look, draw_page, draw_paper
from ecg_r1.recipe import EvaluateRecipe

# Seeds: of the permutation that deals the ECGs among the records; of the examples that are asked; of the pages.
SHUFFLE, DRAWN, LOOK = 0, 1, 2
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
        leads: those that are shown; all of them unless given.
        paper: whether the page is printed by any recorder. artefacts: what happens to the page, each with this chance.
    """

    name: str
    title: str
    signal: Whose
    page: Whose
    drawn: bool = True
    leads: tuple[str, ...] | None = None
    paper: bool = False
    artefacts: tuple[str, ...] = ()
    chance: float = 1.0

    @property
    def alters(self) -> bool:
        """Whether what is shown is not as the corpus has it."""
        return self.leads is not None or self.paper or bool(self.artefacts)


OWN = Condition("own", "own ECG", "own", "own", drawn=False)
SHUFFLED = Condition("shuffled", "another's ECG", "another's", "another's", drawn=False)
NO_SIGNAL = Condition("no-signal", "page alone", "none", "own")
NO_PAGE = Condition("no-page", "signal alone", "own", "none")
NOTHING = Condition("nothing", "no ECG", "none", "none")
OTHER_PAGE = Condition("other-page", "page of another", "own", "another's")
CONDITIONS = (OWN, NO_SIGNAL, NO_PAGE, NOTHING, SHUFFLED, OTHER_PAGE)
LESS = (NO_SIGNAL, NO_PAGE, NOTHING, OTHER_PAGE)

# The sets of leads of the PhysioNet/CinC Challenge 2021 (Reyna et al.), and lead I alone, as watches record it.
REDUCED = {"6": LEADS[:6], "3": ("I", "II", "V2"), "2": ("I", "II"), "1": ("I",)}
GRID: Mapping[str, tuple[Condition, ...]] = {
    "leads": tuple(
        Condition(f"leads-{count}", f"{count} lead{'s' * (count != '1')}", "own", "own", leads=leads)
        for count, leads in REDUCED.items()
    ),
    "pages": (
        Condition("paper", "any paper", "own", "own", paper=True),
        Condition("photographed", "photographed", "own", "own", artefacts=ARTEFACTS, chance=0.5),
        Condition("wild", "any paper, photographed", "own", "own", paper=True, artefacts=ARTEFACTS, chance=0.5),
    ),
    "artefacts": tuple(Condition(kind, kind, "own", "own", artefacts=(kind,)) for kind in ARTEFACTS),
}
GRIDS = tuple(condition for conditions in GRID.values() for condition in conditions)


def conditions(recipe: EvaluateRecipe, has_pages: bool) -> tuple[Condition, ...]:
    """Under which a model is asked.

    Args:
        recipe: `mirage` examples are drawn for those in which something is left out or altered; with 0 there are none.
        has_pages: whether the model reads pages; without, only leads or the whole ECG can be left out.
    """
    if not recipe.mirage:
        return OWN, SHUFFLED
    grid = [one for name in recipe.grid for one in GRID[name] if has_pages or one.leads is not None]
    return (OWN, SHUFFLED, *(LESS if has_pages else (NOTHING,)), *grid)


def asked(store: RecordStore, condition: Condition, count: int) -> Sequence[Example]:
    """Those that are asked, in the split's order: all, or `count` that are drawn; the same for each condition."""
    return store.drawn(count, DRAWN) if condition.drawn else store.examples


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


def record_shown(store: RecordStore, condition: Condition, name: str) -> ECGRecord:
    """A record with the leads that are shown; the others are zero, as `dropout` shows them in training."""
    whole = store.record(name)
    return whole if condition.leads is None else whole.showing(condition.leads)


def page_shown(store: RecordStore, condition: Condition, name: str) -> np.ndarray:
    """A record's page; how it looks depends on its name and the condition alone.

    Returns:
        uint8 (S, S, 3).
    """
    if not condition.alters:
        return store.page(name)
    random = np.random.default_rng([LOOK, *name.encode()])
    paper, seed = draw_paper(random) if condition.paper else PLAIN, int(random.integers(1 << 31))
    look = Look(paper, seed if condition.artefacts else None, condition.artefacts, condition.chance)
    return draw_page(record_shown(store, condition, name), store.facts["page_size"], look)
