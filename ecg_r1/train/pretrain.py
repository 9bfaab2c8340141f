"""Tower pre-training: what ECG-CoCa is to GEM, at the scale of a laptop.

GEM starts from an ECG tower that was trained contrastively on reports with the measured intervals appended (ECG-CoCa,
"WFEP"). Here both towers learn, from pooled features, the record's diagnoses and its measured quantities. The heads are
thrown away; the towers go into a GEM whose language model is still untrained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss
from transformers import Trainer, TrainingArguments

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import EXPECTED
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.train.guarded import GuardedTrainer, Numbered
from ecg_r1.train.media import DrawEachEpoch, Media


class TowerProbe(nn.Module):
    """Linear heads over the mean token of each tower.

    Targets are standardised over the split; a quantity that is unmeasurable in a record (NaN) does not count.
    """

    def __init__(self, gem: GEMForConditionalGeneration, diagnoses: int):
        super().__init__()
        self.gem = gem
        outputs = diagnoses + len(EXPECTED)
        self.ecg_head = nn.Linear(gem.config.ecg_config.hidden_size, outputs)
        vision = gem.config.vision_config
        self.page_head = None if vision is None else nn.Linear(vision.hidden_size, outputs)

    def forward(
        self,
        ecg_values: torch.Tensor,
        diagnoses: torch.Tensor,
        quantities: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """The loss of both towers; of the ECG tower alone where the model reads no pages."""
        model: Any = self.gem.model
        loss = self._loss(self.ecg_head(model.ecg_tower(ecg_values).mean(dim=1)), diagnoses, quantities)
        if self.page_head is not None:
            hidden = model.vision_tower(pixel_values, output_hidden_states=True).hidden_states
            page = self.page_head(hidden[model.vision_feature_layer][:, 1:].mean(dim=1))
            loss = loss + self._loss(page, diagnoses, quantities)
        return {"loss": loss}

    @staticmethod
    def _loss(output: torch.Tensor, diagnoses: torch.Tensor, quantities: torch.Tensor) -> torch.Tensor:
        logits, values = output.split([diagnoses.shape[1], quantities.shape[1]], dim=1)
        known = ~quantities.isnan()
        regression = smooth_l1_loss(values[known], quantities[known], beta=0.1)
        return binary_cross_entropy_with_logits(logits, diagnoses) + regression


@dataclass
class _PretrainCollator:
    media: Media
    diagnoses: torch.Tensor
    quantities: torch.Tensor
    epoch: int = 0

    def __call__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        ids = self.media.store.ids
        media = self.media.tensors([[self.media.view(ids[index], self.epoch)] for index in indices])
        ecg, page = media["media_index"][:, 0].T
        batch = {
            "ecg_values": media["ecg_values"][ecg],
            "diagnoses": self.diagnoses[indices].float(),
            "quantities": self.quantities[indices],
        }
        return batch | {"pixel_values": media["pixel_values"][page]} if self.media.has_pages else batch


def targets(store: RecordStore) -> tuple[torch.Tensor, torch.Tensor]:
    """Multi-hot diagnoses, bool (N, D), and standardised `EXPECTED` quantities, float32 (N, Q), NaN: unmeasurable."""
    places: dict[str, list[int]] = {}
    quantities = torch.full((len(store), len(EXPECTED)), float("nan"))
    for position, row in enumerate(store.rows("diagnoses", "measurements")):
        for name in row["diagnoses"]:
            places.setdefault(name, []).append(position)
        measurements = Measurements.from_json(row["measurements"])
        for column, name in enumerate(EXPECTED):
            if (value := measurements.value(name)) is not None:
                quantities[position, column] = value
    diagnoses = torch.zeros((len(store), len(places)), dtype=torch.bool)
    for column, name in enumerate(sorted(places)):
        diagnoses[places[name], column] = True
    mean = quantities.nanmean(dim=0)
    deviation = (quantities - mean).square().nanmean(dim=0).sqrt().clamp(min=1e-6)
    return diagnoses, (quantities - mean) / deviation


def pretrain_trainer(
    model: GEMForConditionalGeneration, media: Media, config: TrainingArguments, callbacks: list[Any]
) -> Trainer:
    """A trainer that teaches the towers diagnoses and measured quantities, without the language model."""
    diagnoses, quantities = targets(media.store)
    collator = _PretrainCollator(media, diagnoses, quantities)
    config.remove_unused_columns = False
    return GuardedTrainer(
        names=media.store.ids,
        model=TowerProbe(model, diagnoses.shape[1]),
        args=config,
        train_dataset=range(len(media.store)),  # type: ignore[arg-type]
        data_collator=Numbered(collator, int),
        callbacks=[*callbacks, DrawEachEpoch(collator)],
    )
