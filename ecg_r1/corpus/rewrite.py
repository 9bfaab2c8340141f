"""Target texts, worded anew by a language model behind a chat route; ours is kept where its content changes.

The process that writes the split asks, several texts at once, so that the key and the pace are of one place whatever
the executor is. Answers are kept by the hash of the whole request. A repeated build therefore asks only what is missing
and ends with the same bytes, as long as the answers are there; without them it depends on the server.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ecg_r1.corpus.make import Made, Unusable
from ecg_r1.corpus.text.rewritten import Refusal, answered_text, instruction, refusal, replaced
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.endpoints.client import Client, EndpointError, require_client
from ecg_r1.endpoints.usage import Usage, in_words
from ecg_r1.executors import mapped
from ecg_r1.recipe import CorpusRecipe, Rewrite
from ecg_r1.scoring.completion import Completion
from ecg_r1.terminal import say

NO_ANSWER = "no answer"
MOST_FAILED = 10  # texts in a row; then the server is down, and the build stops
LONGEST_KEPT = 4000  # characters of a refused text


class Rewriter:
    """A language model, and what it took so far.

    Args:
        recipe: with a `rewrite`.

    Raises:
        EndpointError: the client is not installed, the key is missing, or the server lists several models.
    """

    def __init__(self, recipe: CorpusRecipe):
        assert recipe.rewrite is not None
        require_client()
        self.route: Rewrite = recipe.rewrite
        self.recipe = recipe
        own = Path(recipe.cache or recipe.out) / "rewrites"
        self.client = Client(self.route, Path(self.route.cache) if self.route.cache else own)
        self.usage = Usage(self.client)

    def __call__(self, made: Iterable[Made | Unusable]) -> Iterator[Made | Unusable]:
        """The same records in the same order, each report as the model words it where that can be taken.

        Raises:
            EndpointError: `MOST_FAILED` texts in a row got no answer.
        """
        failed = 0
        threads = partial(mapped, workers=self.route.concurrent, executor="threads", chunk=1)
        for one, used in threads(self._asked, made):
            if isinstance(used, EndpointError):
                failed += 1
                if failed == MOST_FAILED:
                    raise used
            elif used is not None:
                failed = 0
                self.usage.add(used)
            yield one

    def said(self) -> None:
        """Say on stderr what the answers took."""
        say(f"{self.client.name}: {in_words(self.usage.total())}", err=True)

    def _asked(self, one: Made | Unusable) -> tuple[Made | Unusable, Mapping[str, int] | EndpointError | None]:
        """What is made of a record, and what the answer took: the error where none came, None where none is asked."""
        if isinstance(one, Unusable) or not one.examples:
            return one, None
        report, *rest = one.examples
        ours = report.response or ""
        try:
            (answer,), used = self.client.ask(self._body(ours, report.id), 1)
        except EndpointError as error:
            return replace(one, rewrite=_refused(Refusal(NO_ANSWER, (str(error),)))), error
        said = answered_text(answer.text)
        refused = Refusal("cut at max_tokens") if answer.cut else self._refusal(said, ours, one)
        if refused:
            return replace(one, rewrite=_refused(refused, said)), used
        worded = replace(report, response=replaced(ours, said))
        return replace(one, examples=(worded, *rest), rewrite={"model": self.client.model}), used

    def _refusal(self, said: str, ours: str, one: Made) -> Refusal | None:
        record = one.record
        measurements = Measurements.from_json(json.loads(one.measurements))
        subject = Subject(measurements, record.diagnoses, {}, record.quality, record.leads)
        return refusal(said, ours, subject, self.recipe.reports.language)

    def _body(self, ours: str, example: str) -> dict[str, Any]:
        told = self.route.instruction or instruction(self.recipe.reports.language)
        messages = [
            {"role": "system", "content": told},
            {"role": "user", "content": Completion.parse(ours).think},
        ]
        body = {"messages": messages, "temperature": self.route.temperature, "max_tokens": self.route.max_tokens}
        if self.route.temperature > 0:
            body["seed"] = zlib.crc32(f"{self.recipe.seed}/{example}".encode())
        return body


def _refused(why: Refusal, said: str = "") -> dict[str, Any]:
    return {"refused": why.reason, "faults": list(why.faults), "text": said[:LONGEST_KEPT]}
