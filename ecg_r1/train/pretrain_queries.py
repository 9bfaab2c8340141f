"""Tower pre-training by text queries: the tower answers whether each statement is true of an ECG (SuPreME)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import Trainer, TrainingArguments

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.errors import did_you_mean
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.queries import QueryHead, embed, query_text
from ecg_r1.recipe import Queries, RecipeError
from ecg_r1.scoring.labels import read_labels
from ecg_r1.train.guarded import GuardedTrainer, Numbered
from ecg_r1.train.media import DrawEachEpoch, Media

FEWEST = 5  # records that a statement needs to be asked for in training


class TowerQueries(nn.Module):
    """The ECG tower with a `QueryHead`; the loss is the mean binary cross-entropy over ECGs and queries.

    Args:
        names: of the queries, statements of the vocabulary.
        encoder: what embeds them; see `queries.embed`.
    """

    queries: torch.Tensor

    def __init__(self, gem: GEMForConditionalGeneration, names: list[str], encoder: str):
        super().__init__()
        self.gem, self.names, self.encoder = gem, names, encoder
        self.register_buffer("queries", embed(list(map(query_text, names)), encoder), persistent=False)
        tower = gem.config.ecg_config
        self.head = QueryHead(self.queries.shape[1], tower.hidden_size, tower.num_attention_heads)

    def forward(self, ecg_values: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The loss for signals (B, leads, samples) and the truth of each query (B, Q)."""
        tower: Any = self.gem.model.ecg_tower
        logits = self.head(tower(ecg_values), self.queries)
        return {"loss": binary_cross_entropy_with_logits(logits, labels)}

    def save_head(self, folder: Path) -> None:
        """Write the head beside the model, for zero-shot classification."""
        self.head.save(folder, self.encoder, self.names)


@dataclass
class _Collator:
    media: Media
    labels: torch.Tensor
    epoch: int = 0

    def __call__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        ids, shown = self.media.store.ids, self.media.processor.feature_extractor
        signals = [self.media.signal(self.media.view(ids[index], self.epoch)) for index in indices]
        return {"ecg_values": shown(signals)["ecg_values"], "labels": self.labels[indices]}


def query_targets(store: RecordStore, hold_out: list[str]) -> tuple[list[str], torch.Tensor]:
    """The statements that training asks for, and which records have each.

    Args:
        hold_out: statements that training never names.

    Returns:
        Names (Q), and float32 (records, Q); a statement that a label doubts counts as true.

    Raises:
        RecipeError: a statement to hold out is unknown, or none is left.
    """
    held = set()
    for name in hold_out:
        statement = vocabulary().find(name)
        if statement is None:
            known = [statement.name for statement in vocabulary()]
            raise RecipeError(f"queries.hold_out: no statement {name!r}{did_you_mean(name, known)}")
        held.add(statement.name)
    rows = [frozenset(read_labels(tuple(row["diagnoses"])).given) - held for row in store.rows("diagnoses")]
    counts = Counter(name for row in rows for name in row if vocabulary().find(name))
    names = sorted(name for name, count in counts.items() if count >= FEWEST)
    if not names:
        raise RecipeError(f"corpus.train: no statement has {FEWEST} records to be asked for")
    return names, torch.tensor([[float(name in row) for name in names] for row in rows])


def query_trainer(
    model: GEMForConditionalGeneration,
    media: Media,
    queries: Queries,
    config: TrainingArguments,
    callbacks: list[Any],
) -> Trainer:
    """A trainer that teaches the ECG tower to answer text queries; the other parts of the model stay as they are.

    Raises:
        RecipeError: see `query_targets`.
        CheckpointError: the encoder cannot be read.
    """
    names, labels = query_targets(media.store, queries.hold_out)
    collator = _Collator(media, labels)
    config.remove_unused_columns = False
    return GuardedTrainer(
        names=media.store.ids,
        model=TowerQueries(model, names, queries.encoder),
        args=config,
        train_dataset=range(len(media.store)),  # type: ignore[arg-type]
        data_collator=Numbered(collator, int),
        callbacks=[*callbacks, DrawEachEpoch(collator)],
    )
