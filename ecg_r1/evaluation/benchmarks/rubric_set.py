"""The questions of the rubric benchmark about the records of a split, in English and Chinese, as a split of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.text.writer import answered
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.evaluation.benchmarks.derived import write_derived
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.labels import truth_of
from ecg_r1.shipped import shipped_table

LANGUAGES = ("en", "zh")
CATEGORIES = ("objective", "calculation", "estimate", "subjective", "unanswerable")
QT, RR = (340.0, 460.0), (600.0, 1100.0)  # ms, of the values that a calculation is given


@cache
def wording(language: str) -> Mapping[str, Any]:
    """The questions of one of `LANGUAGES`, and the words in which answers are looked for."""
    words = shipped_table("benchmarks", "rubric.yaml")[language]
    return words | {"refused": re.compile(words["refused"], re.IGNORECASE)}


def write_set(source: Path, out: Path, languages: Sequence[str] = LANGUAGES, records: int = 100, seed: int = 0) -> Path:
    """Write the benchmark's split: one question of each category about each record, in each language.

    Args:
        source: the split whose records are asked about.
        out: folder of the new split, which `ecg-r1 evaluate` takes as `corpus:`.
        languages: of `LANGUAGES`.
        records: that are drawn with the seed; all where the split has no more.
        seed: of the drawn records and questions.

    Returns:
        `out`.

    Raises:
        UserError: an unknown language, a split that cannot be read, or a folder that cannot be written to.
    """
    for language in languages:
        if language not in LANGUAGES:
            raise BenchmarkError(f"no questions in {language!r}; there are {', '.join(LANGUAGES)}")
    store = RecordStore(source)
    about = {example.records[0]: example.id for example in reversed(store.examples) if len(example.records) == 1}
    rng = np.random.default_rng(seed)
    drawn = sorted(rng.choice(len(store.ids), min(records, len(store.ids)), replace=False).tolist())
    chosen = [store.ids[place] for place in drawn if store.ids[place] in about]
    asked = [
        example
        for record in chosen
        for language in languages
        for example in questions(record, store.case(about[record]), language, seed)
    ]
    return write_derived(store, out, chosen, asked, seed=seed, prompts={"system": None}, languages=list(languages))


def questions(record: str, case: Case, language: str, seed: int = 0) -> Iterator[Example]:
    """The questions about one record: of each category one, where the record has what it asks about.

    `extra` of an example holds `category`, `language`, and what is right: `asserted` (a yes or no), `quantity` (held
    against the measurement), `given` (QT and RR of a calculation), or `units` (of a value that would be invented).
    """
    rng = np.random.default_rng([seed, *f"{record} {language}".encode()])
    words = wording(language)
    for category, (question, truth) in {
        "objective": _objective(case, language, rng),
        "calculation": _calculation(language, rng),
        "estimate": (words["estimate"] if case.measurements.value("qtc_ms") is not None else None, {}),
        "subjective": (words["subjective"] if truth_of(case).asserted else None, {}),
        "unanswerable": _unanswerable(case, language, rng),
    }.items():
        if question is not None:
            extra = {"category": category, "language": language} | truth
            yield Example(f"{record}#{category}-{language}", (record,), question, None, extra=extra)


def _objective(case: Case, language: str, rng: np.random.Generator) -> tuple[str | None, dict[str, Any]]:
    """Of a measured quantity or of a diagnosis, each as often; the diagnosis is there as often as it is not."""
    words, names = wording(language), [name for name in truth_of(case).asserted if vocabulary().find(name)]
    quantities = [name for name in words["quantity"] if case.measurements.value(name) is not None]
    if quantities and (not names or rng.integers(2)):
        name = quantities[int(rng.integers(len(quantities)))]
        slots = {"quantity": words["quantity"][name], "unit": words["unit"][TABLE[name].unit]}
        return words["objective.quantity"].format(**slots), {"quantity": name}
    if not names:
        return None, {}
    there = bool(rng.integers(2))
    others = [
        one.name for one in vocabulary() if one.kind == "rhythm" and one.name not in truth_of(case).given
    ]  # a record has one rhythm, and labels that leave rhythms out hold no name of one
    if not there and set(names) & {one.name for one in vocabulary() if one.kind == "rhythm"}:
        name = others[int(rng.integers(len(others)))]
    else:
        there, name = True, names[int(rng.integers(len(names)))]
    return words["objective.diagnosis"].format(name=answered(name, language)), {"asserted": there, "name": name}


def _calculation(language: str, rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    qt, rr = (int(rng.uniform(*ends) / 10) * 10 for ends in (QT, RR))
    return wording(language)["calculation"].format(qt=qt, rr=rr), {"given": [qt, rr]}


def _unanswerable(case: Case, language: str, rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    pr, *others = wording(language)["unanswerable"]
    if case.measurements["pr_ms"].absent:
        return pr["ask"], {"quantity": pr["quantity"]}
    one = others[int(rng.integers(len(others)))]
    return one["ask"], {"units": one["units"]}
