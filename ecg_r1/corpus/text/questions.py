"""Questions about a record with answers that can be checked: measured, or of its label.

Families and forms are those of PULSE's ECGInstruct: feature, rhythm, morphology and report; open-ended, close-ended,
fill-in-blank and multiple-choice. The family `beats` is ours: when do premature beats come? The wording is
`data/prompts/questions.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from ecg_r1.corpus.profile import Profile
from ecg_r1.corpus.text import sections
from ecg_r1.corpus.text.beats import speaking_for
from ecg_r1.corpus.text.knowledge import known
from ecg_r1.corpus.text.label import rhythms
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.corpus.text.wording import Language, flat, language
from ecg_r1.corpus.text.writer import Writer, answered
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.beats import MS
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.populations import AROUND
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.recipe import Reports
from ecg_r1.shipped import shipped_table

FORMS = {"open": "open-ended", "closed": "close-ended", "fill": "fill-in-blank", "choice": "multiple-choice"}
FEATURES = ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms", "axis_deg")
LIMITS = {"heart_rate_bpm": 100.0, "pr_ms": 200.0, "qrs_ms": 120.0, "qtc_ms": 450.0}
OPTIONS, LETTERS = 4, "ABCD"
AROUND_R = AROUND * MS / 1000  # seconds to either side of an R peak, in which beats are told apart
MOST_BEATS = 4  # that an answer lists; of bigeminy it would be a table
PART, CLEAR = 2, 0.2  # seconds of the parts of an ECG, and from a part's ends to a beat
APART = 2.0  # tolerances that a wrong value of a multiple choice lies from the measured one, at least


@dataclass(frozen=True)
class Question:
    """One question and its answer.

    Attributes:
        family: feature, rhythm, morphology, report or beats. form: key of `FORMS`.
        said: what of the record answers it, as the reasoning. answer: of the multiple choice its letter.
        diagnoses: that the answer names. leads: that it names, where the question is in which leads a finding is.
        windows: seconds in which premature beats come, where the question is when they do.
        finding: that the question is about, `premature_beats` or a name in data/findings.yaml; "" in other families.
    """

    family: str
    form: str
    question: str
    said: str
    answer: str
    diagnoses: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    finding: str = ""

    @property
    def response(self) -> str:
        """As a target of SFT."""
        return f"<think>{self.said}</think><answer>{self.answer}</answer>"

    def example(self, record: str) -> Example:
        """An example about a record of this id; rewards ask for no other diagnosis than the answer names."""
        choice = {"answer": self.answer} if self.form == "choice" else {}
        return Example(
            id=f"{record}-{self.family}-{self.form}",
            records=(record,),
            question=self.question,
            response=self.response,
            expected={"answers": [self.answer], "diagnoses": list(self.diagnoses)}
            | ({"leads": list(self.leads)} if self.leads else {})
            | ({"windows": list(map(list, self.windows))} if self.windows else {}),
            extra={"task": {"subtask": self.family, "type": FORMS[self.form]}, **choice}
            | ({"finding": self.finding} if self.finding else {}),
        )


def questions(subject: Subject, reports: Reports, rng: np.random.Generator) -> Iterator[Question]:
    """`reports.questions` questions of a record, no family and form twice while others are left.

    Fewer come where a record gives no more: nothing is asked that its measurements or its label leave open.
    """
    if not reports.questions:
        return
    w = Writer(subject, language(reports.language), Profile(), rng)
    kinds = [(family, form) for family in reports.families for form in reports.forms if (family, form) not in _UNASKED]
    order = [kinds[i] for i in rng.permutation(len(kinds))]
    words = _words(reports.language)
    ask = _ASK | {"morphology": partial(_morphology, reports.findings)}
    found = (ask[family](w, words, form) for family, form in order)
    asked = [_explained(one, words) if reports.knowledge else one for one in found if one is not None]
    yield from asked[: reports.questions]


@cache
def _words(code: str) -> Language:
    data = shipped_table("prompts", "questions.yaml")
    return Language(code, {}, dict(flat("", data[code])))


def _explained(asked: Question, words: Language) -> Question:
    """The question after what the finding that it is about means: wave, direction, threshold and leads of its own."""
    if not asked.finding:
        return asked
    means = words.templates[f"means.{asked.finding}"][0]
    return replace(asked, question=f"{means}\n{asked.question}")


def _feature(w: Writer, words: Language, form: str) -> Question | None:
    names = [name for name in FEATURES if w.m.value(name) is not None and (form != "closed" or name in LIMITS)]
    if not names:
        return None
    name = names[int(w.rng.integers(len(names)))]
    value, table = w.m.value(name) or 0.0, TABLE[name]
    quantity, written = w.say(f"quantity.{name}").strip(), w.language.number(name, value)
    limit = LIMITS.get(name)
    if form == "closed" and limit is not None and table.distance(value, limit) < table.tolerance / 2:
        return None
    slots = {"quantity": quantity, "value": written, "limit": w.language.limit(name, limit) if limit else None}
    said, answer = words.say("feature.said", w.rng, **slots), written
    if form == "closed":
        answer = words.say("yes" if value > (limit or 0.0) else "no", w.rng)
    elif form == "choice":
        others = [value + step * APART * table.tolerance for step in (-3, -2, -1, 1, 2, 3)]
        others = [other for other in others if table.circular or value / 2 < other < 2 * value]
        if len(others) < OPTIONS - 1:
            return None
        wrong = [w.language.number(name, others[i]) for i in w.rng.permutation(len(others))[: OPTIONS - 1]]
        options, answer = _options(w, written, wrong)
        slots["options"] = options
    return Question("feature", form, words.say(f"feature.{form}", w.rng, **slots), said, answer)


def _rhythm(w: Writer, words: Language, form: str) -> Question | None:
    here = [one.name for one in w.subject.stated if one.rhythm and one.certainty == "certain"]
    if len(here) != 1 or w.subject.contradicts(here[0]):
        return None
    said = w.language.marks["gap"].join([*sections.rhythm(w), *sections.atria(w)])
    return _named(w, words, "rhythm", form, here[0], said, sorted(rhythms()))


def _report(w: Writer, words: Language, form: str) -> Question | None:
    here = [one.name for one in w.subject.stated if one.abnormal and not one.rhythm and one.certainty == "certain"]
    here = [name for name in here if known(name).signs and not w.subject.contradicts(name)]
    if not here:
        return None
    said = w.language.marks["gap"].join(line for section in sections.ALL for line in section(w))
    others = [statement.name for statement in vocabulary() if statement.kind == "diagnostic"]
    return _named(w, words, "report", form, here[int(w.rng.integers(len(here)))], said, others)


def _named(
    w: Writer, words: Language, family: str, form: str, right: str, said: str, others: Sequence[str]
) -> Question | None:
    """A question about a name of the label; what is wrong is neither labelled nor shown by the signal."""
    wrong = [name for name in others if name not in w.subject.names and w.subject.contradicts(name)]
    if form in ("closed", "choice") and len(wrong) < OPTIONS:
        return None
    drawn = [wrong[i] for i in w.rng.permutation(len(wrong))[: OPTIONS - 1]]
    code = w.language.code
    slots, answer = {"name": answered(right, code)}, answered(right, code)
    if form == "closed":
        denied = bool(w.rng.integers(2))
        slots["name"] = answered(drawn[0] if denied else right, code)
        answer = words.say("no" if denied else "yes", w.rng)
    elif form == "choice":
        slots["options"], answer = _options(w, answer, [answered(name, code) for name in drawn])
    names = () if form in ("closed", "choice") else (right,)
    return Question(family, form, words.say(f"{family}.{form}", w.rng, **slots), said, answer, names)


def _morphology(findings: Sequence[str], w: Writer, words: Language, form: str) -> Question | None:
    name = findings[int(w.rng.integers(len(findings)))]
    states = {lead: w.state(name, lead) for lead in LEADS if lead in w.subject.leads and lead != "aVR"}
    there = [lead for lead, state in states.items() if state is State.PRESENT]
    absent = [lead for lead, state in states.items() if state is State.ABSENT]
    unsure = len(states) - len(there) - len(absent)
    slots: dict[str, str | None] = {
        "finding": words.say(f"finding.{name}", w.rng),
        "bare": words.say(f"bare.{name}", w.rng),
    }
    if form == "closed":
        among = (there, absent)[int(w.rng.integers(2))] or there or absent
        if not among:
            return None
        lead = among[int(w.rng.integers(len(among)))]
        slots["leads"] = w.language.leads([lead])
        said = words.say("morphology.there" if lead in there else "morphology.missing", w.rng, **slots)
        answer = words.say("yes" if lead in there else "no", w.rng)
    elif form == "choice":
        if not there or len(absent) < OPTIONS - 1:
            return None
        lead = there[int(w.rng.integers(len(there)))]
        slots["leads"] = w.language.leads([lead])
        said = words.say("morphology.there", w.rng, **slots)
        slots["options"], answer = _options(w, lead, [absent[i] for i in w.rng.permutation(len(absent))[: OPTIONS - 1]])
    elif unsure or (form == "fill" and not there):  # which leads show it is open, or there is nothing to fill in
        return None
    elif there:
        slots["leads"] = w.language.leads(there)
        said, answer = words.say("morphology.there", w.rng, **slots), w.language.leads(there)
    else:
        said, answer = words.say("morphology.nowhere", w.rng, **slots), words.say("none", w.rng)
    where = tuple(there) if form in ("open", "fill") else ()
    return Question(
        "morphology", form, words.say(f"morphology.{form}", w.rng, **slots), said, answer, leads=where, finding=name
    )


def _beats(w: Writer, words: Language, form: str) -> Question | None:
    """When premature beats come. Of an ECG that may have such beats, though none was measured, nothing is asked."""
    at = w.m.premature_at
    other = w.m.rhythm.get("ectopic_beats") or any(speaking_for(name) for name in w.subject.names)
    if at is None or (not at and other):
        return None
    windows = tuple((round(max(0.0, one - AROUND_R), 2), round(one + AROUND_R, 2)) for one in at)
    parts = [(start, start + PART) for start in range(0, int(w.subject.seconds) - PART + 1, PART)]
    there = [part for part in parts if any(part[0] <= one < part[1] for one in at)]
    missing = [part for part in parts if not any(part[0] - CLEAR <= one < part[1] + CLEAR for one in at)]

    def written(spans: Sequence[tuple[float, float]]) -> str:
        return w.language.listed([words.say("beats.window", w.rng, **_ends(w, span)) for span in spans])

    slots: dict[str, str | None] = {}
    if form in ("closed", "choice"):
        if not missing or (form == "choice" and (not there or len(missing) < OPTIONS - 1)):
            return None
        right = bool(there) and (form == "choice" or bool(w.rng.integers(2)))
        among = there if right else missing
        part = among[int(w.rng.integers(len(among)))]
        slots["window"] = written([part])
        said = words.say("beats.there" if right else "beats.missing", w.rng, **slots)
        answer = words.say("yes" if right else "no", w.rng)
        if form == "choice":
            wrong = [written([missing[i]]) for i in w.rng.permutation(len(missing))[: OPTIONS - 1]]
            slots["options"], answer = _options(w, written([part]), wrong)
        windows = ()
    elif len(windows) > MOST_BEATS or (form == "fill" and not windows):
        return None
    elif windows:
        answer = written(windows)
        said = words.say("beats.several" if len(windows) > 1 else "beats.there", w.rng, window=answer)
    else:
        said, answer = words.say("beats.nowhere", w.rng), words.say("none", w.rng)
    question = words.say(f"beats.{form}", w.rng, **slots)
    return Question("beats", form, question, said, answer, windows=windows, finding="premature_beats")


def _ends(w: Writer, window: tuple[float, float]) -> dict[str, str]:
    """Slots of the two ends of a window, as the language writes decimals."""
    first, last = (f"{end:.2f}".rstrip("0").rstrip(".").replace(".", w.language.marks["decimal"]) for end in window)
    return {"start": first, "stop": last}


def _options(w: Writer, right: str, wrong: Sequence[str]) -> tuple[str, str]:
    """The lines of a multiple choice in a drawn order, and the letter of the right one."""
    options = [right, *wrong]
    order = w.rng.permutation(len(options))
    lines = [f"{letter}. {options[i]}" for letter, i in zip(LETTERS, order, strict=False)]
    return "\n".join(lines), LETTERS[int(np.flatnonzero(order == 0)[0])]


_ASK: dict[str, Callable[[Writer, Language, str], Question | None]] = {
    "feature": _feature,
    "rhythm": _rhythm,
    "report": _report,
    "beats": _beats,
}
_UNASKED = (("report", "open"), ("report", "fill"))  # the report itself is the open question of its family
