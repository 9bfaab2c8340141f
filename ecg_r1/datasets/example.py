"""An example: a question about one record or several, with the response that is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """One question and its target.

    Attributes:
        id: unique in its split; datasets, rollouts and predictions are keyed by it.
        records: ids of the records that are shown, at least one, in their order.
        question: what the model is asked.
        response: the target text of SFT; None where only rewards teach.
        expected: what a right response says, for the rewards that ask for it: `evidence`, `localisation`; `diagnoses`
            stand in place of the records' own labels.
        extra: other fields, such as `answer`, the right letter of `choice`, or `key_steps` of `steps`; `row` holds
            what the file that the example was read from says besides, by its own names.
        turns: (question, response) pairs of the same conversation that come before the question.
    """

    id: str
    records: tuple[str, ...]
    question: str
    response: str | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    turns: tuple[tuple[str, str], ...] = ()
