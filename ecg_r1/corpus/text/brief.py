"""`style: brief`: four quantities and one finding for each diagnosis, for a model of a few million parameters."""

from __future__ import annotations

from functools import cache

import numpy as np

from ecg_r1.corpus.profile import Profile
from ecg_r1.corpus.text.corruption import quoted_value
from ecg_r1.corpus.text.knowledge import known
from ecg_r1.corpus.text.label import DOUBTED
from ecg_r1.corpus.text.prompts import prompts
from ecg_r1.corpus.text.seen import shown
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.corpus.text.wording import capital, language
from ecg_r1.corpus.text.writer import Writer, answered
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import EXPECTED
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.verify_findings import verify_findings


def write_brief(subject: Subject, shares: Profile, rng: np.random.Generator, code: str) -> str:
    """The reasoning and the answer of one record.

    A finding of a diagnosis is written in a sentence that the measured findings do not contradict; the answer has the
    label in its own order.
    """
    m = subject.measurements
    sentences = [_quantity(name, m, shares, rng, code) for name in EXPECTED]
    told = [_finding(label.removeprefix(DOUBTED), subject, shares, rng, code) for label in subject.diagnoses]
    sentences += dict.fromkeys(filter(None, told))  # two statements can rest on one finding
    answer = "; ".join(_answer(label, code) for label in subject.diagnoses)
    marks = language(code).marks
    return f"<think>{marks['gap'].join(sentences)}</think><answer>{answer}</answer>"


def untold(diagnosis: str, subject: Subject) -> bool:
    """Whether no finding of a diagnosis is written, because the signal contradicts each that there is."""
    if known(diagnosis).brief:
        return not _sentence(diagnosis, subject.measurements)
    return subject.contradicts(diagnosis)


def _answer(label: str, code: str) -> str:
    name = label.removeprefix(DOUBTED)
    if code == "en":
        return label
    said = answered(name, code)
    return said if name == label else language(code).templates["certainty.possible"][0].replace("{name}", said)


def _finding(diagnosis: str, subject: Subject, shares: Profile, rng: np.random.Generator, code: str) -> str | None:
    if code == "en" and known(diagnosis).brief:
        return _sentence(diagnosis, subject.measurements)
    there = shown(subject.looked_at(diagnosis))
    if not there:
        return None
    w = Writer(subject, language(code), shares, rng)
    return capital(w.sign(there[0])) + w.language.marks["end"]


def _sentence(diagnosis: str, measurements: Measurements) -> str:
    """The listed sentence that the signal shows most of, and contradicts nothing of; "" where there is none.

    Of two that say as much, the one counts that says less which cannot be judged, then the first.
    """
    case, ranks = Case("", (diagnosis,), measurements), dict[str, tuple[int, int]]()
    for sentence in known(diagnosis).brief:
        verdicts = [row.verdict for row in verify_findings(_parsed(sentence), case)]
        if "contradicted" not in verdicts:
            ranks[sentence] = verdicts.count("supported"), -verdicts.count("unverifiable")
    return max(ranks, key=lambda sentence: ranks[sentence], default="")


@cache
def _parsed(sentence: str) -> Completion:
    return Completion.parse(sentence)


def _quantity(name: str, m: Measurements, shares: Profile, rng: np.random.Generator, code: str) -> str:
    value = quoted_value(name, m, shares, rng)
    options = prompts()["quantities" if value is not None else "unmeasurable"][code][name]
    said: str = options[int(rng.integers(len(options)))]
    return said if value is None else said.replace("{value}", str(round(value)))
