"""Models compared on the same held-out records: `compare.json`, `report.html` and a table in the terminal."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.evaluation.bootstrap import Tally, draw, mcnemar, paired_interval
from ecg_r1.evaluation.comparable import CompareError, check_comparable
from ecg_r1.evaluation.metrics import Judged, chance_accuracy, judge, per_diagnosis, tallies
from ecg_r1.evaluation.report.html import Comparison, write_report
from ecg_r1.evaluation.report.terminal import print_comparison
from ecg_r1.runs.read import Run, read_run


def compare(
    runs: Sequence[Path],
    *,
    split: str = "held-out",
    out: Path,
    resamples: int = 2000,
    seed: int = 0,
    seeds: Sequence[Path] = (),
) -> dict[str, Any]:
    """Compare the runs' predictions and write `compare.json` and `report.html` into `out`.

    Args:
        runs: run directories, earlier first: each pair is compared as later minus earlier.
        split: which `predictions/<split>.jsonl` is read.
        resamples: paired bootstrap resamples of the records.
        seed: of the bootstrap and of the choice of cases in the report.
        seeds: `compare.json` of the same comparison trained from other seeds (or the folders they lie in).

    Raises:
        CompareError: the runs do not share records, prompts and decoding, a file is missing, or two runs share a name.
    """
    if not runs:
        raise CompareError("nothing to compare: name at least one run directory")
    others = read_seeds(seeds)
    loaded = tuple(read_run(Path(folder), split) for folder in runs)
    check_comparable(loaded)
    records = tuple(loaded[0].predictions)  # every run in the first one's order, so that rows pair up
    store = loaded[0].store
    judged = {run.name: judge({record: run.predictions[record] for record in records}, store) for run in loaded}
    tables = {name: tallies(rows) for name, rows in judged.items()}
    draws = draw(len(records), resamples, seed)
    result = {
        "records": len(records),
        "split": split,
        "models": {run.name: _model(run, judged[run.name], tables[run.name], store) for run in loaded},
        "paired": {
            f"{later.name} - {earlier.name}": _pair(judged, tables, later.name, earlier.name, draws)
            for earlier, later in itertools.combinations(loaded, 2)
        },
        "bootstrap": {"resamples": resamples, "seed": seed, "level": 0.95},
        "reports": dict(loaded[0].trained_on.get("reports") or {}),
        "seeds": others,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "compare.json").write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    write_report(Comparison(split, loaded, judged, store, result, seed), out / "report.html")
    print_comparison(result)
    return result


def _model(run: Run, judged: Sequence[Judged], table: Mapping[str, Tally], store: RecordStore) -> dict[str, Any]:
    values = nested({name: _number(tally.value()) for name, tally in table.items()})
    values["chance_accuracy"] = chance_accuracy(judged)
    if run.shuffled is not None:
        values["shuffled"] = _number(tallies(judge(run.shuffled, store))["diagnosis_accuracy"].value())
    values["diagnoses"] = per_diagnosis(judged)
    return values


def _pair(
    judged: Mapping[str, Sequence[Judged]], tables: Mapping[str, Mapping[str, Tally]], later: str, earlier: str, draws
) -> dict[str, Any]:
    intervals = {
        name: {
            key: _number(value) for key, value in asdict(paired_interval(tally, tables[earlier][name], draws)).items()
        }
        for name, tally in tables[later].items()
    }
    both = list(zip(judged[later], judged[earlier], strict=True))
    gained = sum(a.correct and not b.correct for a, b in both)
    lost = sum(b.correct and not a.correct for a, b in both)
    intervals["diagnosis_accuracy"] |= {"gained": gained, "lost": lost, "mcnemar_p": mcnemar(gained, lost)}
    return nested(intervals)


def read_seeds(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """
    Args:
        paths: as `seeds` of `compare`.

    Raises:
        CompareError: a file is missing, or no compare.json.
    """
    return [_seed(path / "compare.json" if path.is_dir() else path) for path in paths]


def _seed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CompareError(f"{path}: missing; a seed is the compare.json of the same comparison, or its folder")
    try:
        other = json.loads(path.read_text(encoding="utf-8"))
        return {"name": path.parent.name, "records": other["records"], "paired": dict(other["paired"])}
    except (ValueError, KeyError, TypeError):
        raise CompareError(f"{path}: no compare.json; `ecg-r1 compare … --out DIR` writes one") from None


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"pr_ms.mae": 1, "format": 2} -> {"pr_ms": {"mae": 1}, "format": 2}`."""
    result: dict[str, Any] = {}
    for name, value in flat.items():
        group, dot, metric = name.partition(".")
        if dot:
            result.setdefault(group, {})[metric] = value
        else:
            result[name] = value
    return result


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
