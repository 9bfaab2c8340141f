"""Record ids -> the tensors a model needs, each record read and processed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from ..corpus.store import RecordStore
from ..model.processing import GEMProcessor


class Media:
    """Signals and pages of a split, by record index (its position in `store.ids`).

    Args:
        cached_pages: processed pages kept in memory; one is S x S x 3 float32.
    """

    def __init__(self, store: RecordStore, processor: GEMProcessor, cached_pages: int = 512):
        self.store, self.processor = store, processor
        self._pixels = lru_cache(maxsize=cached_pages)(self._read_pixels)
        self._position = {record: i for i, record in enumerate(store.ids)}

    def index(self, record: str) -> int:
        return self._position[record]

    def tensors(self, indices: Sequence[int], device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
        """`ecg_values` and `pixel_values` of the distinct records, and `media_index` (len(indices),) into them."""
        distinct = list(dict.fromkeys(indices))
        rows = {index: row for row, index in enumerate(distinct)}
        signals = [self.store.signal(self.store.ids[index]) for index in distinct]
        tensors = {
            "ecg_values": self.processor.feature_extractor(signals)["ecg_values"],
            "pixel_values": torch.stack([self._pixels(index) for index in distinct]),
            "media_index": torch.tensor([rows[index] for index in indices]),
        }
        return {name: tensor.to(device) for name, tensor in tensors.items()}

    def _read_pixels(self, index: int) -> torch.Tensor:
        page = self.store.page(self.store.ids[index])
        return self.processor.image_processor([page], return_tensors="pt")["pixel_values"][0]
