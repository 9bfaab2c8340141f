"""The target text of a record, in the style and language that the recipe asks for."""

from __future__ import annotations

import numpy as np

from ecg_r1.corpus.text.brief import untold, write_brief
from ecg_r1.corpus.text.corruption import profile
from ecg_r1.corpus.text.full import write_full
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.recipe import Corruption, Reports

STYLES = {"brief": write_brief, "full": write_full}


def write_report(subject: Subject, reports: Reports, corruption: Corruption, rng: np.random.Generator) -> str:
    """<think>…</think><answer>…</answer>. The draw depends on `rng` alone, so a corpus seed fixes a record's text.

    Raises:
        ProfileError: the profile that `corruption` names is missing or no profile.
    """
    return STYLES[reports.style](subject, profile(corruption), rng, reports.language)


def without_findings(subject: Subject, reports: Reports) -> tuple[str, ...]:
    """The diagnoses of which the text states no finding, because the signal contradicts every one."""
    names = (one.name for one in subject.stated)
    if reports.style == "brief":
        return tuple(name for name in names if untold(name, subject))
    return tuple(name for name in names if subject.contradicts(name))
