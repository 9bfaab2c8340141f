"""A language model that judges answers, behind an OpenAI-compatible chat route.

It is given the question, the answer, the page where the endpoint is sent one, and what was measured on the signal: a
judge that sees no measurement pays for numbers that sound right. Its replies lie in the endpoint's cache.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.endpoints.client import Client
from ecg_r1.endpoints.usage import Usage, in_words
from ecg_r1.errors import UserError
from ecg_r1.evaluation.asking import at_once, media
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.evaluation.models import open_endpoint
from ecg_r1.recipe import Endpoint
from ecg_r1.scoring.contract import Case
from ecg_r1.shipped import shipped_table
from ecg_r1.terminal import say

TRIES, WARMER = 5, 0.5  # of a reply that cannot be read; each further one is sampled at a higher temperature
TOKENS = 2048
_SLOT = re.compile(r"\{(\w+)\}")

T = TypeVar("T")


class Unreadable(UserError):
    """A judge's reply of which no judgement can be read."""


@cache
def prompts() -> Mapping[str, Any]:
    """What judges are asked, `data/prompts/judges.yaml`."""
    return shipped_table("prompts", "judges.yaml")


def asked(template: str, judged: Judged, **slots: str) -> str:
    """A template filled with the answer, its question, what is known of the ECG, and further slots.

    Slots are filled in one pass: what an answer writes in braces stays as it is.
    """
    filled = {"known": known(judged.case), "question": judged.case.question, "answer": judged.completion.text, **slots}
    return _SLOT.sub(lambda slot: str(filled.get(slot[1], slot[0])), template)


def known(case: Case) -> str:
    """What is held to be true of an ECG, a line each: the labels, and each quantity that was measured or cannot be."""
    lines = [f"Labelled diagnoses: {'; '.join(case.diagnoses) or 'none'}", "Measured on the signal:"]
    for name, quantity in QUANTITIES.items():
        measured = case.measurements[name]
        if measured.value is not None:
            lines.append(f"- {quantity.title}: {quantity.written(measured.value)}")
        elif not measured.unknown:
            lines.append(f"- {quantity.title}: cannot be measured ({measured.reason})")
    return "\n".join(lines)


class Judge:
    """A judge.

    Args:
        named: its URL, or the YAML file of an endpoint.
        out: folder whose `cache` keeps the replies, unless the endpoint names another.

    Raises:
        UserError: it is no endpoint, or cannot be reached.
    """

    def __init__(self, named: str, out: Path):
        self.client: Client[Endpoint] = open_endpoint(named, out)

    def judge(
        self, store: RecordStore, answers: Sequence[Judged], ask: Callable[[Judged], str], read: Callable[[str], T]
    ) -> tuple[list[T | None], dict[str, Any]]:
        """Judge some answers.

        Args:
            store: the split that they are about.
            answers: to be judged.
            ask: the prompt about an answer.
            read: the judgement in a reply; it raises UserError where there is none. After `TRIES` replies of that kind
                the answer has no judgement.

        Returns:
            The judgements in the answers' order, and their usage, as `asking.ask_all` counts it.

        Raises:
            EndpointError: the server refuses a question, or does not answer.
        """
        counted = Usage(self.client)

        def one(place: int) -> tuple[T | None, list[dict[str, int]]]:
            answer, used = answers[place], []
            parts = [part for record in store.example(answer.example_id).records
                     for part in media(self.client, store, record, record)]  # fmt: skip
            messages = [
                {"role": "system", "content": prompts()["system"]},
                {"role": "user", "content": [*parts, {"type": "text", "text": ask(answer)}]},
            ]
            for number in range(TRIES):
                body = {"messages": messages, "temperature": WARMER * number, "max_tokens": TOKENS}
                (choice,), took = self.client.ask(body, 1)
                used.append(took)
                try:
                    return read(choice.text), used
                except UserError:
                    continue
            return None, used

        found = at_once(one, len(answers), self.client.settings.concurrent, f"{self.client.name} judges")
        for _, used in found:
            for took in used:
                counted.add(took)
        usage = counted.total()
        say(f"{self.client.name}: {in_words(usage)}", err=True)
        return [judgement for judgement, _ in found], usage
