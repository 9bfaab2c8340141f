"""Predictions on disk: one row for each answer, and a label that says which model gave it to what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ecg_r1.datasets.example import Example
from ecg_r1.files import read_json, read_json_lines, write_labelled
from ecg_r1.runs.read import RunError


@dataclass(frozen=True)
class Prediction:
    """One answer.

    Attributes:
        example: its id.
        prompt: the question.
        completion: the answer's text.
        tokens: of the answer, the end of text included.
        cut: whether it was still going on at `max_tokens`.
        probabilities: of the diagnoses, by name, where the model gives them (a baseline does); None for text alone.
    """

    example: str
    prompt: str
    completion: str
    tokens: int
    cut: bool
    probabilities: Mapping[str, float] | None = None

    @classmethod
    def of(cls, example: Example, token_ids: Sequence[int], tokenizer: Any, max_tokens: int) -> Prediction:
        """The answer that a model gave in these tokens, of which it could give at most so many."""
        return cls(
            example=example.id,
            prompt=example.question,
            completion=tokenizer.decode(token_ids, skip_special_tokens=True),
            tokens=len(token_ids),
            cut=len(token_ids) >= max_tokens and token_ids[-1:] != [tokenizer.eos_token_id],
        )


def label_of(path: Path) -> Path:
    """Where the label of a predictions file lies."""
    return path.with_suffix(".json")


def read_label(path: Path) -> dict[str, Any] | None:
    """The label of a predictions file; None where the predictions are missing, were not finished, or it is damaged."""
    label = read_json(label_of(path)) if path.is_file() else None
    whole = isinstance(label, dict) and isinstance(label.get("decoding", {}), dict)
    return label if whole else None


def write_predictions(path: Path, predictions: Iterable[Prediction], label: Mapping[str, Any]) -> None:
    """Write the rows, then the label: what has a label is whole and fits it.

    Args:
        path: `<split>.jsonl`.
        label: the hashes of the model and of the corpus, and the decoding.
    """
    rows = "".join(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in predictions)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labelled(label_of(path), json.dumps(label, indent=1), {path: rows})


def _plain(row: Prediction) -> dict[str, Any]:
    return {key: value for key, value in asdict(row).items() if value is not None}


def read_predictions(path: Path) -> dict[str, list[Prediction]]:
    """The answers to each example, in the file's order.

    Raises:
        RunError: the file is missing or empty, or a line is not a prediction; the message names the line.
    """
    predictions: dict[str, list[Prediction]] = {}
    for where, row in read_json_lines(path, RunError):
        try:
            prediction = Prediction(**row)
        except TypeError:
            keys = ", ".join(field.name for field in fields(Prediction) if field.default is MISSING)
            raise RunError(f"{where}: a prediction has {keys}; this row has {', '.join(sorted(row))}") from None
        predictions.setdefault(prediction.example, []).append(prediction)
    if not predictions:
        raise RunError(f"{path}: holds no predictions; remove it and predict again")
    return predictions
