"""A target text that a language model worded anew, held against the record and against our own text of it.

Whatever the model answers is untrusted. It is taken only where nothing that can be read of it is wrong, missing or
added: each number is supported by the measurement, no finding is contradicted, the label is read back as from our own
text, as sure as there, and every quantity and every piece of evidence of our text is still stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from ecg_r1.corpus.text.check import Checked, check
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.scoring.completion import Completion
from ecg_r1.shipped import shipped_table
from ecg_r1.terminal import visible

LONGEST, SHORTEST = 2.0, 0.4  # times the length of our own text
FAULTS = 5  # that are kept of a refused text
_THOUGHT = re.compile(r".*</think>", re.DOTALL | re.IGNORECASE)  # what the model thought before it answered
# Tags and tokens of prompts, Markdown, and a line that announces the text: "Here is the report:".
_MARKUP = re.compile(r"</?[A-Za-z!|]|\|>|\*\*|`|^\s*(?:#|[-*•] |\d+[.)] )|[:：]\s*$", re.MULTILINE)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LETTER = re.compile(r"[^\W\d_]")
_SURE = {"asserted": 2, "negated": 0}  # a mention of any other polarity lies between


@dataclass(frozen=True)
class Refusal:
    """Why a text is not taken. reason: a kind, to be counted; faults: what it is, in words."""

    reason: str
    faults: tuple[str, ...] = ()


def instruction(code: str) -> str:
    """What the model is told, in the language of the text."""
    return str(_instructions()[code])


@cache
def _instructions() -> Any:
    return shipped_table("prompts", "rewrite.yaml")


def answered_text(answer: str) -> str:
    """What a model answers, without what it thought before."""
    return _THOUGHT.sub("", answer).strip()


def refusal(said: str, ours: str, subject: Subject, code: str) -> Refusal | None:
    """Why a reworded reasoning is not taken; None where it is.

    Args:
        said: the reasoning as it was worded anew.
        ours: our own response, with its tags.
        subject: what the text is about.
        code: of its language.
    """
    if form := _form(said, Completion.parse(ours).think, code):
        return Refusal(form)
    text = replaced(ours, said)
    held, known = check(text, subject, code), check(ours, subject, code)
    for reason, faults in _content(held, known, Completion.parse(text), Completion.parse(ours), subject):
        if faults:
            return Refusal(reason, tuple(faults)[:FAULTS])
    return None


def replaced(ours: str, said: str) -> str:
    """Our response with another reasoning; the answer stays."""
    return f"<think>{said}</think>{ours.rpartition('</think>')[2]}"


def _form(said: str, think: str, code: str) -> str | None:
    """What is wrong with a text before it is read."""
    if not said:
        return "empty"
    if len(said) > LONGEST * len(think):
        return "too long"
    if len(said) < SHORTEST * len(think):
        return "too short"
    if visible(said, lines=True) != said:
        return "hidden characters"
    if _MARKUP.search(said):
        return "markup"
    han, letters = len(_HAN.findall(said)), len(_LETTER.findall(said))
    if (han < letters / 3) if code == "zh" else han:
        return "another language"
    return None


def _content(
    held: Checked, known: Checked, text: Completion, ours: Completion, subject: Subject
) -> Iterator[tuple[str, list[str]]]:
    yield "a number is not supported", [*held.wrong_numbers]
    yield "a finding is contradicted", [*held.wrong_claims]
    yield "a diagnosis is added", [*held.added]
    before, now = _sureness(ours, subject), _sureness(text, subject)
    yield "a diagnosis is missing", [name for name in before if name not in now]
    yield "a diagnosis is more or less sure", [name for name, sure in before.items() if now[name] != sure]
    yield "a quantity is missing", sorted(_quoted(ours) - _quoted(text))
    yield "evidence is missing", [name for name, told in known.evidence.items() if told and not held.evidence[name]]


def _quoted(completion: Completion) -> set[str]:
    return {quote.name for quote in completion.quantities if quote.kind != "reference"}


def _sureness(completion: Completion, subject: Subject) -> dict[str, int]:
    """How sure the reasoning is of each diagnosis of the label that it names, by its surest mention."""
    found = dict[str, int]()
    for mention in completion.statements:
        if mention.where == "think" and mention.name in subject.names:
            found[mention.name] = max(found.get(mention.name, 0), _SURE.get(mention.polarity, 1))
    return found
