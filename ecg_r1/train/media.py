"""Views of records -> the arrays and tensors a model needs, each view read and processed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.render import render
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.recipe import Dropout
from ecg_r1.scoring.contract import Case
from ecg_r1.train.dropout import NOTHING, View, draw

WHOLE = -1  # the moment at which nothing is left out: evaluation


class Media:
    """Signals and pages of a split, as a run shows them.

    Args:
        dropout: what is left out in training; nothing unless given.
        seed: of the draws.
        cached_pages: processed pages kept in memory; one is S x S x 3 float32.
    """

    def __init__(
        self,
        store: RecordStore,
        processor: GEMProcessor,
        dropout: Dropout = NOTHING,
        seed: int = 0,
        cached_pages: int = 512,
    ):
        self.store, self.processor, self.dropout, self.seed = store, processor, dropout, seed
        self._pixels = lru_cache(maxsize=cached_pages)(self._read_pixels)
        self._position = {record: i for i, record in enumerate(store.ids)}

    def index(self, record: str) -> int:
        """Its position in `store.ids`."""
        return self._position[record]

    def view(self, index: int, moment: int) -> View:
        """What is shown of a record at a step or epoch; all of it at `WHOLE`."""
        record = self.store.ids[index]
        if moment == WHOLE or self.dropout == NOTHING:
            return View(record)
        return draw(self.dropout, self.seed, moment, record, self.store.row(record)["leads"])

    def signal(self, view: View) -> np.ndarray:
        """float32 (12, 5000) in mV, zeros in the leads that are not shown."""
        signal = self.store.signal(view.record)
        return signal if view.leads is None else signal * _mask(view)[:, None]

    def page(self, view: View) -> np.ndarray:
        """uint8 (S, S, 3), no trace in the leads that are not shown."""
        if view.leads is None:
            return self.store.page(view.record)
        record = self.store.record(view.record)
        shown = dataclasses.replace(record, signal=self.signal(view), lead_mask=_mask(view))
        return render(shown, size=self.store.facts["page_size"])

    def case(self, view: View, question: str | None = None) -> Case:
        """What a reward may know: of the leads, those that are shown."""
        case = self.store.case(view.record)
        return dataclasses.replace(case, leads=view.leads or case.leads, question=question)

    def tensors(self, views: Sequence[View], device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """`ecg_values` and `pixel_values` of the distinct views, and `media_index` (len(views),) into them.

        A view without the signal or the page has zeros for it; its prompt has no placeholders that take them.
        """
        distinct = list(dict.fromkeys(views))
        rows = {view: row for row, view in enumerate(distinct)}
        tensors = {
            "ecg_values": self.processor.feature_extractor([self.signal(view) * view.ecg for view in distinct])[
                "ecg_values"
            ],
            "pixel_values": torch.stack([self._pixels(view.record, view.leads) * view.page for view in distinct]),
            "media_index": torch.tensor([rows[view] for view in views]),
        }
        return {name: tensor.to(device) for name, tensor in tensors.items()}

    def _read_pixels(self, record: str, leads: tuple[str, ...] | None) -> torch.Tensor:
        page = self.page(View(record, leads))
        return self.processor.image_processor([page], return_tensors="pt")["pixel_values"][0]


class DrawEachEpoch(TrainerCallback):
    """Tells a collator (or whatever has an `epoch`) which epoch it draws for."""

    def __init__(self, collator: Any):
        self.collator = collator

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.collator.epoch = int(state.epoch or 0)


def _mask(view: View) -> np.ndarray:
    return np.array([lead in (view.leads or LEADS) for lead in LEADS])
