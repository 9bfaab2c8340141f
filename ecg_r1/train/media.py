"""Views of records -> the arrays and tensors a model needs, each view read and processed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.wild import STORED, Look, draw_page
from ecg_r1.engine.wire import content_hash
from ecg_r1.model.features import NEVER
from ecg_r1.model.processing import GEMProcessor, check_untagged
from ecg_r1.recipe import Dropout, Pages, RecipeError
from ecg_r1.scoring.contract import Case
from ecg_r1.train.dropout import AS_STORED, NOTHING, Shown, View, draw

KEYS = 2**20  # of records, kept in memory
WHOLE = -1  # the moment at which nothing is left out: evaluation


class Media:
    """Signals and pages of a split, as a run shows them.

    Args:
        dropout: what is left out in training; nothing unless given.
        seed: of the draws.
        cached_pages: processed pages kept in memory; one is S x S x 3 float32.
        pages: how pages look in training; as the corpus has them unless given.

    Attributes:
        keyed: `tensors` also gives the keys under which the features of frozen towers are kept.

    Raises:
        RecipeError: the signal or the page is to be left out, or the page to look otherwise, and the model reads
            signals alone.
    """

    def __init__(
        self,
        store: RecordStore,
        processor: GEMProcessor,
        dropout: Dropout = NOTHING,
        seed: int = 0,
        cached_pages: int = 512,
        pages: Pages = AS_STORED,
    ):
        self.store, self.processor, self.dropout, self.seed, self.pages = store, processor, dropout, seed, pages
        if (dropout.ecg or dropout.page or dropout.interleave) and not self.has_pages:
            raise RecipeError("dropout: the model reads no pages; only `leads`, or all with `nothing`, can be hidden")
        if pages != AS_STORED and not self.has_pages:
            raise RecipeError("pages: the model reads no pages; leave `pages:` out")
        self._pixels = lru_cache(maxsize=cached_pages)(self._read_pixels)
        self.keyed = False
        self._keys = lru_cache(maxsize=KEYS)(self._hash)

    @property
    def has_pages(self) -> bool:
        """Whether the model reads pages beside signals."""
        return self.processor.page_size is not None

    @property
    def varies(self) -> bool:
        """Whether a record is not always shown as the corpus has it."""
        return self.dropout != NOTHING or self.pages != AS_STORED

    def prompt(self, example: Example, shown: Shown) -> str:
        """The prompt of an example with tags for each of its records; with `states_leads`, also the leads shown."""
        leads = [self._leads(view) for view in shown.views] if self.processor.states_leads else []
        return self.processor.prompt(example.question, ecgs=len(example.records), turns=example.turns, leads=leads)

    def _leads(self, view: View) -> Sequence[str]:
        if not (view.ecg or view.page):
            return ()
        return self.store.row(view.record)["leads"] if view.leads is None else view.leads

    def shown(self, example: Example, moment: int) -> Shown:
        """What is shown of an example's records at a step or epoch; all of them at `WHOLE`."""
        return Shown(example.id, tuple(self.view(record, moment) for record in example.records))

    def view(self, record: str, moment: int) -> View:
        """What is shown of a record at a step or epoch; all of it at `WHOLE`."""
        if moment == WHOLE or not self.varies:
            return View(record, page=self.has_pages)
        view = draw(self.dropout, self.seed, moment, record, self.store.row(record)["leads"], self.pages)
        return dataclasses.replace(view, page=view.page and self.has_pages)

    def signal(self, view: View) -> np.ndarray:
        """The signal as it is shown.

        Returns:
            float32 (12, 5000) in mV, zeros in the leads that are not shown.
        """
        signal = self.store.signal(view.record)
        return signal if view.leads is None else signal * _mask(view)[:, None]

    def page(self, view: View) -> np.ndarray:
        """The page as it is shown: leads that are not shown have no trace.

        Returns:
            uint8 (S, S, 3).
        """
        if view.leads is None and view.look == STORED:
            return self.store.page(view.record)
        record = self.store.record(view.record)
        if view.leads is not None:
            record = record.showing(view.leads)
        return draw_page(record, self.store.facts["page_size"], view.look)

    def case(self, shown: Shown) -> Case:
        """What a reward may know of an example: of each record's leads, those that are shown; nothing of a record that
        is not shown."""
        whole = self.store.case(shown.example)
        first, *others = (
            dataclasses.replace(case, leads=view.leads or case.leads) if view.ecg or view.page else _unseen(case)
            for case, view in zip((whole, *whole.others), shown.views, strict=True)
        )
        return dataclasses.replace(first, others=tuple(others))

    def tensors(self, rows: Sequence[Sequence[View]], device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """The media of a batch: `ecg_values` and `pixel_values` of its distinct views, and which belong to each row.

        Args:
            rows: of each row the views of its records, in their order.

        Returns:
            `media_index` (rows, R, 2), R the most records of a row, holds the places of a record's ECG and of its page;
            -1 where that is not shown, or the row has fewer records. A view without the signal or the page has zeros
            for it, which no row takes. A model that reads no pages gets no `pixel_values`. Where they are `keyed`,
            `media_keys` (N, 2) holds a hash of each view's signal and page; `NEVER` where leads are hidden or the
            page is drawn in another way, since such a view hardly comes again.
        """
        distinct = list(dict.fromkeys(view for views in rows for view in views))
        place = {view: i for i, view in enumerate(distinct)}
        index = torch.full((len(rows), max(map(len, rows)), 2), -1)
        for row, views in zip(index, rows, strict=True):
            for record, view in zip(row, views, strict=False):
                record[0] = place[view] if view.ecg else -1
                record[1] = place[view] if view.page else -1
        tensors = {
            "ecg_values": self.processor.feature_extractor([self.signal(view) * view.ecg for view in distinct])[
                "ecg_values"
            ],
            "media_index": index,
        }
        if self.has_pages:
            pages = [self._pixels(view.record, view.leads, view.look) * view.page for view in distinct]
            tensors["pixel_values"] = torch.stack(pages)
        if self.keyed:
            tensors["media_keys"] = torch.tensor([self._keys_of(view) for view in distinct])
        return {name: tensor.to(device) for name, tensor in tensors.items()}

    def _keys_of(self, view: View) -> tuple[int, int]:
        ecg, page = (NEVER, NEVER) if view.leads is not None else self._keys(view.record)
        return ecg if view.ecg else NEVER, page if view.page and view.look == STORED else NEVER

    def _hash(self, record: str) -> tuple[int, int]:
        """Of the contents: a record of the same name in another corpus has other features."""
        return _key(self.store.signal(record)), _key(self.store.page(record)) if self.has_pages else NEVER

    def _read_pixels(self, record: str, leads: tuple[str, ...] | None, look: Look) -> torch.Tensor:
        page = self.page(View(record, leads, look=look))
        return self.processor.image_processor([page], return_tensors="pt")["pixel_values"][0]


def example_dataset(store: RecordStore) -> Dataset:
    """One row an example: its id alone. What it asks and shows is looked up where it is used.

    Raises:
        MediaError: a question holds a tag.
    """
    for question, _, _ in store.questions():
        check_untagged(question)
    return Dataset.from_dict({"example": store.example_ids.array})


class DrawEachEpoch(TrainerCallback):
    """Tells a collator (or whatever has an `epoch`) which epoch it draws for."""

    def __init__(self, collator: Any):
        self.collator = collator

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.collator.epoch = int(state.epoch or 0)


def _unseen(case: Case) -> Case:
    """What is known of a record that is not shown: that it has no leads. So no reward pays for a lucky guess."""
    return Case(case.record_id, (), Measurements.from_json({}), (), question=case.question, example_id=case.example_id)


def _key(content: np.ndarray) -> int:
    """A hash of 63 bits, never `NEVER`."""
    return int(content_hash(content)[:16], 16) >> 1 or 1


def _mask(view: View) -> np.ndarray:
    return np.array([lead in (view.leads or LEADS) for lead in LEADS])
