"""A corpus split and run directories on disk, small and wholly known, as training and prediction leave them."""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import splits
import yaml

from ecg_r1.datasets.example import Example
from ecg_r1.evaluation.evaluate import evaluate
from ecg_r1.recipe import Decoding, EvaluateRecipe
from ecg_r1.runs.fingerprint import fingerprint
from ecg_r1.runs.predictions import Prediction, write_predictions

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


def answers(texts: Mapping[str, str | Sequence[str]], *, cut: Iterable[str] = ()) -> list[Prediction]:
    """Predictions of these texts, by example; those to the examples in `cut` were cut off."""
    return [
        Prediction(example, "Interpret this ECG.", text, tokens=9, cut=example in set(cut))
        for example, several in texts.items()
        for text in ([several] if isinstance(several, str) else several)
    ]


def compared(models: Sequence[Path], out: Path, **keys: Any) -> dict[str, Any]:
    """What `compare.json` holds after an evaluation of these models."""
    recipe = {"stage": "evaluate", "models": [str(model) for model in models], "out": str(out), **keys}
    evaluate(EvaluateRecipe.model_validate(recipe))
    return json.loads((out / "compare.json").read_text())


def lines(path: Path, rows: Sequence[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    """`<tmp>/corpus/held-out`, as RecordStore reads it."""
    return write_split(tmp_path / "corpus" / "held-out", TRUTHS)


def write_split(folder: Path, truths: list[dict], examples: Sequence[dict] | None = None) -> Path:
    """Examples: {"id", "records", "question"} each; one for each record unless given."""
    shutil.rmtree(folder, ignore_errors=True)
    beat = np.exp(-(((np.arange(5000) % 400) - 200.0) ** 2) / 50)
    facts = {"seed": 7, "sources": [{"simulate": len(truths)}], "corruption": {"boilerplate": 0.3, "rounded": 0.2}}
    made = None if examples is None else [Example(**{"response": "", **row}) for row in examples]
    return splits.write_split(folder, truths, made, page_size=56, signal=lambda k: np.tile(beat, (12, 1)), **facts)


@pytest.fixture
def write_run(tmp_path: Path, split_folder: Path) -> Callable[..., Path]:
    """Write a finished run directory that answered the split, stored without its weights."""

    def write(
        name: str,
        texts: Mapping[str, str | Sequence[str]],
        *,
        log: Sequence[dict] = (),
        cut: Iterable[str] = (),
        shuffled: Mapping[str, str] | None = None,
        **decoding: Any,
    ) -> Path:
        folder = tmp_path / "runs" / name
        made = Decoding(**{"max_tokens": 128, **decoding}).model_dump()
        label = {
            "corpus": fingerprint(split_folder),
            "decoding": made | ({"seed": 0} if made["temperature"] else {}),
        }
        write_predictions(folder / "predictions" / "held-out.jsonl", answers(texts, cut=cut), label)
        if shuffled is not None:
            write_predictions(folder / "predictions" / "held-out-shuffled.jsonl", answers(shuffled), label)
        corpus = {"train": str(split_folder), "evaluate": str(split_folder)}
        recipe = {"stage": "sft", "run": str(folder), "model": "tiny", "corpus": corpus}
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        (folder / "environment.json").write_text(json.dumps({"python": "3.12", "commit": "abc", "folder": "/"}))
        (folder / "finished.json").write_text("{}")
        lines(folder / "metrics.jsonl", log)
        return folder

    return write
