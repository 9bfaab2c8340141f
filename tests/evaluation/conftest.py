"""A corpus split and run directories on disk, small and wholly known, as training and prediction leave them."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import splits
import yaml

TRUTHS = [
    {
        "record": "r0",
        "diagnoses": ["normal ECG"],
        "measurements": {"heart_rate_bpm": 75.0, "pr_ms": 164.0, "qrs_ms": 92.0},
    },
    {
        "record": "r1",
        "diagnoses": ["sinus bradycardia"],
        "measurements": {"heart_rate_bpm": 48.0, "pr_ms": 170.0, "qrs_ms": 96.0},
    },
    {
        "record": "r2",
        "diagnoses": ["atrial fibrillation"],
        "measurements": {
            "heart_rate_bpm": 90.0,
            "pr_ms": None,
            "qrs_ms": 100.0,
            "unmeasurable": {"pr_ms": "no P waves"},
        },
    },
]


def says(think: str, answer: str) -> str:
    return f"<think>{think}</think><answer>{answer}</answer>"


RIGHT = {
    "r0": says("Rate 75 bpm. PR interval 160 ms. QRS duration 92 ms.", "normal ECG"),
    "r1": says("Rate 48 bpm. PR interval 170 ms. QRS duration 96 ms.", "sinus bradycardia"),
    "r2": says("Rate 90 bpm. PR interval not measurable. QRS duration 100 ms.", "atrial fibrillation"),
}
STOCK = {record: says("Rate 75 bpm. PR interval 160 ms. QRS duration 150 ms.", "normal ECG") for record in RIGHT}


def lines(path: Path, rows: Sequence[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    """`<tmp>/corpus/held-out`, as RecordStore reads it."""
    return write_split(tmp_path / "corpus" / "held-out", TRUTHS)


def write_split(folder: Path, truths: list[dict]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    beat = np.exp(-(((np.arange(5000) % 400) - 200.0) ** 2) / 50)
    facts = {"seed": 7, "sources": [{"simulate": len(truths)}], "reports": {"boilerplate": 0.3, "rounded": 0.2}}
    return splits.write_split(folder, truths, page_size=56, signal=lambda k: np.tile(beat, (12, 1)), **facts)


@pytest.fixture
def write_run(tmp_path: Path, split_folder: Path) -> Callable[..., Path]:
    """Write a run directory that predicted on the split."""

    def write(
        name: str, predictions: Mapping[str, str], *, log: Sequence[dict] = (), decoding: dict | None = None
    ) -> Path:
        folder = tmp_path / "runs" / name
        rows = [{"example": example, "completion": text, "tokens": 9} for example, text in predictions.items()]
        lines(folder / "predictions" / "held-out.jsonl", rows)
        if decoding is not None:
            (folder / "predictions" / "held-out.json").write_text(json.dumps(decoding))
        (folder / "recipe.yaml").write_text(
            yaml.safe_dump({"stage": "sft", "corpus": {"train": str(split_folder), "evaluate": str(split_folder)}})
        )
        (folder / "environment.json").write_text(json.dumps({"python": "3.12", "commit": "abc"}))
        lines(folder / "metrics.jsonl", log)
        return folder

    return write
