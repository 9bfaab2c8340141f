"""Lead dropout, modality dropout and pages in the wild: what the model is shown of a record at one moment of training.

Drawn from (seed, moment, record), never from a global generator: the G completions of a prompt, their rollouts in vLLM
and every log-probability of them see one view of each record, and a resumed run draws what the run that was cut short
would have.

Leads: of the leads a record has, a random number from 1 to all but one is shown; the others are zero in the signal and
blank on the page (dynamic lead masking of K-MERL, Liu et al. 2025, arXiv 2502.17900, over all numbers of leads).
Modalities: the signal, the page or both are left out together with their placeholders, or their order is turned around
(interleaved modality dropout of ECG-R1, arXiv 2602.04279; there one is always shown, and rollouts and update draw
apart).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.render import PLAIN
from ecg_r1.ecg.wild import STORED, Look, draw_paper
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.recipe import Dropout, Pages

NOTHING = Dropout()
AS_STORED = Pages()


@dataclass(frozen=True)
class View:
    """What is shown of a record. `leads` None: all it has. `look`: of its page."""

    record: str
    leads: tuple[str, ...] | None = None
    ecg: bool = True
    page: bool = True
    page_first: bool = False
    look: Look = STORED

    def __str__(self) -> str:
        page = "page" if self.look == STORED else f"page ({self.look})"
        shown = [name for name, is_shown in (("ecg", self.ecg), (page, self.page)) if is_shown]
        if not shown:
            return "nothing"
        leads = "all leads" if self.leads is None else " ".join(self.leads)
        return f"{' '.join(reversed(shown) if self.page_first else shown)}: {leads}"


@dataclass(frozen=True)
class Shown:
    """What is shown of an example: a view of each of its records, in their order."""

    example: str
    views: tuple[View, ...]

    @property
    def nothing(self) -> bool:
        """Whether no ECG is shown at all."""
        return not any(view.ecg or view.page for view in self.views)

    def __str__(self) -> str:
        return "; ".join(map(str, self.views))


def draw(dropout: Dropout, seed: int, moment: int, record: str, leads: Sequence[str], pages: Pages = AS_STORED) -> View:
    """Draws what of a record is shown: signal, page or both, which leads, and how the page looks.

    Args:
        moment: the step or epoch.
        leads: the leads that the record has.
    """
    random = np.random.default_rng([seed, moment, *record.encode()])
    modality, order, masked = random.random(3).tolist()
    nothing = 0 <= modality - dropout.ecg - dropout.page < dropout.nothing
    shown = None
    if masked < dropout.leads and len(leads) > 1:
        kept = set(random.choice(leads, random.integers(1, len(leads)), replace=False))
        shown = tuple(lead for lead in LEADS if lead in kept)
    return View(
        record,
        leads=shown,
        ecg=modality >= dropout.ecg and not nothing,
        page=not dropout.ecg <= modality < dropout.ecg + dropout.page and not nothing,
        page_first=order < dropout.interleave,
        look=_look(pages, seed, moment, record),
    )


def _look(pages: Pages, seed: int, moment: int, record: str) -> Look:
    random = np.random.default_rng([seed, moment, *record.encode(), 1])  # its own: dropout is the same with and without
    printed, spoiled = random.random(2) < (pages.paper, pages.artefacts)
    artefacts = int(random.integers(1 << 31)) if spoiled else None
    return Look(draw_paper(random) if printed else PLAIN, artefacts)


def arrange(prompt: list[int], views: Sequence[View], processor: GEMProcessor) -> list[int]:
    """The token ids of a prompt with the placeholders of what is shown of each record, in their order."""
    ecg, image = processor.ecg_token_id, processor.image_token_id
    start = next(i for i, token in enumerate(prompt) if token in (ecg, image))
    rest = [token for token in prompt if token not in (ecg, image)]
    placeholders: list[Any] = []
    for view in views:
        parts = [(ecg, processor.num_ecg_tokens * view.ecg), (image, processor.num_image_tokens * view.page)]
        for token, count in reversed(parts) if view.page_first else parts:
            placeholders += [token] * count
    return [*rest[:start], *placeholders, *rest[start:]]
