"""Knowledge-guided target text: measurements and diagnoses -> <think>…</think><answer>…</answer>.

Report corpora are not clean, and a comparison of SFT and RL on clean ones would say little. The recipe's `reports`
states which share of the quoted values is corrupted in which way; each share is known from real corpora:

- *boilerplate*: a template's value, whatever the signal (LLM-written and templated reports);
- *rounded*: read from the signal, rounded as clinicians do;
- *qt_from_qrs_end*: QT counted from the end of the QRS, as the public feature code behind GEM's
  ECG-Grounding does (PKUDigitalHealth/FeatureDB, `extract_features`): a bias of one QRS duration.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import EXPECTED, QUANTITIES
from ecg_r1.recipe import Reports
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.verify_findings import verify_findings


@cache
def _data(name: str) -> dict:
    return yaml.safe_load(files("ecg_r1").joinpath("data", name).read_text(encoding="utf-8"))


def write_question(rng: np.random.Generator, wordings: Sequence[str] = ()) -> str:
    """One question that a report answers, of the recipe's wordings or the shipped ones."""
    return _choose(wordings or _data("prompts/reports.yaml")["questions"], rng)


def expected_steps(measurements: Measurements) -> dict[str, list[str]]:
    """What each step of a reading says of the measurements, as the reward `evidence` asks for it.

    The steps are those of ECG-R1's protocol (PKU, arXiv 2602.04279); one in which nothing is measured is left out.
    """
    phrases = {
        step: [
            f"{QUANTITIES[name].title} {value:.0f} {QUANTITIES[name].unit}"
            for name in names
            if (value := measurements.value(name)) is not None
        ]
        for step, names in _data("prompts/reports.yaml")["steps"].items()
    }
    return {step: said for step, said in phrases.items() if said}


def write_report(
    measurements: Measurements, diagnoses: tuple[str, ...], shares: Reports, rng: np.random.Generator
) -> str:
    """One target text. The draw depends on `rng` alone, so a record's report is fixed by the corpus seed.

    A finding of a diagnosis is written in a sentence that the measured findings do not contradict; see `untold`.
    """
    sentences = [_quantity(name, measurements, shares, rng) for name in EXPECTED]
    told = (_findings_of(diagnosis, measurements) for diagnosis in diagnoses)
    sentences += dict.fromkeys(filter(None, told))  # two statements can rest on one finding
    return f"<think>{' '.join(sentences)}</think><answer>{'; '.join(diagnoses)}</answer>"


def untold(measurements: Measurements, diagnoses: tuple[str, ...]) -> tuple[str, ...]:
    """The diagnoses of which no finding is written, because the signal contradicts every sentence that there is."""
    return tuple(d for d in diagnoses if d in _data("knowledge.yaml") and not _findings_of(d, measurements))


def _findings_of(diagnosis: str, measurements: Measurements) -> str:
    """The sentence for the findings of a diagnosis that its signal shows most of, and contradicts nothing of.

    Of two that say as much, the one counts that says less which cannot be judged, then the first. "" where there is
    none.
    """
    case, ranks = Case("", (diagnosis,), measurements), dict[str, tuple[int, int]]()
    for sentence in _data("knowledge.yaml").get(diagnosis, ()):
        verdicts = [row.verdict for row in verify_findings(_parsed(sentence), case)]
        if "contradicted" not in verdicts:
            ranks[sentence] = verdicts.count("supported"), -verdicts.count("unverifiable")
    return max(ranks, key=lambda sentence: ranks[sentence], default="")


@cache
def _parsed(sentence: str) -> Completion:
    return Completion.parse(sentence)


def _quantity(name: str, measurements: Measurements, shares: Reports, rng: np.random.Generator) -> str:
    wording = _data("prompts/reports.yaml")
    source, bias = rng.random(), rng.random()
    value = measurements.value(name)
    if source < shares.boilerplate:
        value = wording["boilerplate"][name]
    elif value is None:
        return _choose(wording["unmeasurable"][name], rng)
    else:
        qrs = measurements.value("qrs_ms")
        if name == "qt_ms" and qrs is not None and bias < shares.qt_from_qrs_end:
            value -= qrs
        if source < shares.boilerplate + shares.rounded:
            step = wording["rounding"][name]
            value = step * round(value / step)
    return _choose(wording["quantities"][name], rng).replace("{value}", str(round(value)))


def _choose(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
