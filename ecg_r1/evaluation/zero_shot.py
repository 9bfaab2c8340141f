"""Zero-shot classification by text queries: how well a pre-trained tower orders ECGs by each statement of a split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.errors import UserError
from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw
from ecg_r1.evaluation.classes import areas, auroc
from ecg_r1.evaluation.intervals import paired_interval
from ecg_r1.files import write_atomically
from ecg_r1.model.checkpoint import load_model
from ecg_r1.model.queries import embed, load_head, query_text
from ecg_r1.runs import layout
from ecg_r1.runs.read import read_run
from ecg_r1.scoring.labels import read_labels

LEVELS = 100  # probabilities are compared by their rank, in so many steps
BATCH = 32
FEWEST = 5  # records with a statement, and without it


class ZeroShotError(UserError):
    """A split without a statement to ask for."""


def zero_shot(runs: Sequence[Path], corpus: Path, out: Path, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The area under the ROC curve of each statement of a split, for pre-trained runs; the last less each earlier.

    A statement is `trained` where the run's training asked for it, else `unseen`: it is asked for by its words alone.

    Args:
        runs: of stage pretrain with `queries:`; statements that the last one was trained on count as trained.
        corpus: the split; statements that at least `FEWEST` records have, and as many have not, are asked for.
        out: where `zero-shot.json` is written.

    Returns:
        What is written: of each run the mean area over the statements of each group, `statements` with the area of
        each, and `differences` with cluster intervals.

    Raises:
        ZeroShotError: the split has no statement to ask for.
    """
    store = RecordStore(corpus)
    names, truth = _truth(store)
    trained = set(load_head(runs[-1] / layout.QUERIES)[2])
    groups = {
        "all": names,
        "trained": [name for name in names if name in trained],
        "unseen": [name for name in names if name not in trained],
    }
    codes = cluster_codes([row["patient"] or row["record"] for row in store.rows("record", "patient")])
    draws = draw(int(codes.max()) + 1, resamples, seed)
    tallies: dict[str, dict[str, Tally]] = {}
    found: dict[str, Any] = {"corpus": str(corpus), "records": len(store), "runs": {}, "differences": {}}
    for run in runs:
        ranks = _ranks(_logits(run, store, names))
        counts = {name: _counts(ranks[:, i], truth[:, i]) for i, name in enumerate(names)}
        tallies[str(run)] = {
            group: Tally(_side_by_side([counts[n] for n in named]), partial(auroc, levels=LEVELS)).per_cluster(codes)
            for group, named in groups.items()
            if named
        }
        each = {n: float(areas(counts[n].sum(0).reshape(-1), LEVELS)[0]) for n in names}
        means = {group: tally.value() for group, tally in tallies[str(run)].items()}
        found["runs"][str(run)] = means | {"statements": each}
    for run in runs[:-1]:
        found["differences"][f"{runs[-1]} - {run}"] = {
            group: vars(paired_interval(tally, tallies[str(run)][group], draws))
            for group, tally in tallies[str(runs[-1])].items()
        }
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / layout.ZERO_SHOT, json.dumps(found, indent=1, ensure_ascii=False))
    return found


def _truth(store: RecordStore) -> tuple[list[str], np.ndarray]:
    """The statements to ask for (Q), and bool (records, Q)."""
    rows = [frozenset(read_labels(tuple(row["diagnoses"])).given) for row in store.rows("diagnoses")]
    counts = {name: sum(name in row for row in rows) for name in frozenset().union(*rows)}
    names = sorted(
        name for name, count in counts.items() if vocabulary().find(name) and FEWEST <= count <= len(rows) - FEWEST
    )
    if not names:
        raise ZeroShotError(f"{store.folder}: no statement that {FEWEST} records have and {FEWEST} have not")
    return names, np.array([[name in row for name in names] for row in rows])


@torch.no_grad()
def _logits(run: Path, store: RecordStore, names: list[str]) -> np.ndarray:
    head, encoder, _ = load_head(run / layout.QUERIES)
    model, processor = load_model(str(read_run(run).checkpoint))
    queries, found = embed(list(map(query_text, names)), encoder), []
    for start in range(0, len(store), BATCH):
        signals = [store.signal(record) for record in store.ids[start : start + BATCH]]
        tower: Any = model.model.ecg_tower
        found.append(head(tower(processor.feature_extractor(signals)["ecg_values"]), queries))
    return torch.cat(found).numpy()


def _ranks(logits: np.ndarray) -> np.ndarray:
    """Of each statement, the rank of each record, from 0 to LEVELS - 1."""
    return np.floor((rankdata(logits, axis=0) - 1) * LEVELS / len(logits)).astype(int)


def _counts(ranks: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(records, 2, 1, LEVELS), as `classes.areas` takes them: where the positive, then the negative records stand."""
    at = ranks[:, None] == np.arange(LEVELS)
    return np.stack([at & truth[:, None], at & ~truth[:, None]], axis=1)[:, :, None].astype(float)


def _side_by_side(counts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(counts, axis=2).reshape(len(counts[0]), -1)
