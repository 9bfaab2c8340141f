"""Measured claims: what a model says of an ECG in numbers, held against what is measured on that ECG.

A fixed, seeded set: simulated ECGs whose truth is known, and public records that are named by their ids. One question;
the answer is free text. One JSON holds the table and its provenance, and is a row of a leaderboard.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from ecg_r1 import __version__
from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.errors import did_you_mean
from ecg_r1.evaluation.benchmarks.claims_table import NAME, VERSION, table
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.evaluation.benchmarks.leaderboard import RESULT
from ecg_r1.evaluation.evaluate import evaluate
from ecg_r1.evaluation.metrics import Judged, judge
from ecg_r1.evaluation.preparation import Plan
from ecg_r1.files import write_atomically
from ecg_r1.recipe import CorpusRecipe, EvaluateRecipe, make_recipe, read_recipe
from ecg_r1.runs.fingerprint import fingerprint
from ecg_r1.runs.predictions import read_label, read_predictions

SHIPPED = f"benchmarks/{NAME}"  # the recipe of the set


def measured_claims(
    model: str, overrides: Sequence[str] = (), records: Mapping[str, Path] | None = None, *, dry_run: bool = False
) -> dict[str, Any] | None:
    """Build the set where it is missing, ask the model, and write the table into the comparison's folder.

    Args:
        model: as an evaluation's recipe names one.
        overrides: `key=value`, over the evaluation's recipe.
        records: name of a data set's card -> the folder of its records; those that the benchmark names are added.
        dry_run: build the set and check everything, and stop before anything is asked.

    Returns:
        What `measured-claims.json` holds; None after a dry run.

    Raises:
        UserError: the model or the records cannot be used; the message says why.
    """
    split = build_set(records or {})
    values = {"stage": "evaluate", "models": [model], "corpus": str(split), "style": "free", "out": f"runs/{NAME}"}
    recipe = make_recipe(values, overrides, NAME)
    assert isinstance(recipe, EvaluateRecipe)
    plan = evaluate(recipe, dry_run=dry_run)
    if dry_run:
        return None
    result = _result(plan)
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(Path(plan.recipe.out) / RESULT, text)
    return result


def build_set(records: Mapping[str, Path]) -> Path:
    """Build the benchmark's split, if it is not there yet.

    Args:
        records: as of `measured_claims`; with others, it is another split.

    Returns:
        Its folder.

    Raises:
        UserError: the benchmark names no records of a data set, or one of them is not in its folder.
    """
    recipe = read_recipe(SHIPPED)
    assert isinstance(recipe, CorpusRecipe)
    named = Path(str(files("ecg_r1"))) / "data" / "benchmarks"
    sources = [source.model_dump(exclude_none=True) for source in recipe.splits[NAME]]
    known = sorted(path.stem for path in named.glob("*.jsonl"))
    for name, folder in sorted(records.items()):
        if name not in known:
            raise BenchmarkError(
                f"{NAME} names records of {', '.join(known)}, not of {name!r}{did_you_mean(name, known)}"
            )
        sources.append({"records": str(folder), "dataset": name, "examples": str(named / f"{name}.jsonl")})
    split = "+".join([NAME, *sorted(records)])
    values = recipe.model_dump(mode="json") | {"splits": {split: sources}}
    made = make_recipe(values, (), SHIPPED)
    assert isinstance(made, CorpusRecipe)
    (folder,) = build(made)
    return folder


def _result(plan: Plan) -> dict[str, Any]:
    (run,), store = plan.runs, plan.store
    path = plan.path(run)
    answers = read_predictions(path)
    judged = judge([row for example in store.examples for row in answers[example.id]], store, plan.recipe.style)
    label = read_label(path) or {}
    return {
        "benchmark": NAME,
        "version": VERSION,
        "set": described(store),
        "model": {"name": run.name} | {key: label[key] for key in ("model", "file", "dtype", "usage") if key in label},
        "decoding": label.get("decoding", {}),
        "software": {"ecg_r1": __version__, "neurokit2": version("neurokit2")},
        "date": datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat(),
        "metrics": table(judged, [store.cluster(row.example_id) for row in judged]),
        "by_source": by_source(judged, store),
    }


def described(store: RecordStore) -> dict[str, Any]:
    """What tells one set from another: the hash of its rows, which hold the measurements, and what they are about."""
    sources: dict[str, int] = defaultdict(int)
    for example in store.examples:
        sources[source_of(store, example.records[0])] += 1
    return {"hash": fingerprint(store.folder, (".arrow",)), "examples": len(store.examples), "sources": dict(sources)}


def source_of(store: RecordStore, record: str) -> str:
    """Where a record is from."""
    return str(store.row(record)["source"])


def by_source(judged: Sequence[Judged], store: RecordStore) -> dict[str, Any]:
    """The table of each source by itself."""
    rows: dict[str, list[Judged]] = defaultdict(list)
    for row in judged:
        rows[source_of(store, store.example(row.example_id).records[0])].append(row)
    return {name: table(of, [store.cluster(row.example_id) for row in of]) for name, of in sorted(rows.items())}
