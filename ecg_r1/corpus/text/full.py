"""`style: full`: a reading as a cardiologist dictates it, from quality to conclusion."""

from __future__ import annotations

import numpy as np

from ecg_r1.corpus.profile import Profile
from ecg_r1.corpus.text import sections
from ecg_r1.corpus.text.comparison import comparison
from ecg_r1.corpus.text.conclusion import conclusion
from ecg_r1.corpus.text.label import DOUBTED
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.corpus.text.wording import language
from ecg_r1.corpus.text.writer import Writer, answered


def write_full(subject: Subject, shares: Profile, rng: np.random.Generator, code: str) -> str:
    """The reasoning and the answer of one record.

    The answer holds the label as the split has it, in clinical order; the reasoning words it as surely as the
    cardiologists did, and says what was measured where that is something else.

    Args:
        code: of the language, one of `knowledge.LANGUAGES`.
    """
    w = Writer(subject, language(code), shares, rng)
    gap = w.language.marks["gap"]
    described = gap.join(sentence for section in sections.ALL for sentence in section(w))
    concluded = gap.join([*comparison(w), *conclusion(w)])
    doubted = {label.removeprefix(DOUBTED) for label in subject.diagnoses if label.startswith(DOUBTED)}
    answer = [
        w.say("certainty.possible", name=answered(one.name, code)) if one.name in doubted else answered(one.name, code)
        for one in subject.stated
    ]
    reasoning = "\n".join(part for part in (described, concluded) if part)
    return f"<think>{reasoning}</think><answer>{'; '.join(answer)}</answer>"
