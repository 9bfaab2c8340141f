"""The examples of a split, asked of an endpoint: several at once, in the split's order, with what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from ecg_r1.console import track
from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.render import render
from ecg_r1.endpoints.client import Client
from ecg_r1.endpoints.reply import Choice
from ecg_r1.endpoints.usage import Usage, in_words
from ecg_r1.evaluation.conditions import Shown
from ecg_r1.model.message import ecg_part, page_part
from ecg_r1.recipe import Endpoint, EvaluateRecipe
from ecg_r1.runs.predictions import Prediction
from ecg_r1.terminal import say

READABLE = 1024  # pixels of a page for a model that sees the page alone: the grid of a smaller one cannot be read

T = TypeVar("T")
Asked = tuple[list[Choice], dict[str, int]]


def ask_all(
    client: Client[Endpoint],
    store: RecordStore,
    recipe: EvaluateRecipe,
    examples: Sequence[Example],
    given: Shown,
    title: str,
) -> tuple[list[Prediction], dict[str, Any]]:
    """Ask an endpoint.

    Args:
        client: of the endpoint.
        store: the split.
        recipe: how answers are decoded.
        examples: of the split.
        given: whose signal and page are shown for each record.
        title: of the progress bar.

    Returns:
        The answers in the split's order, and their usage: `requests` that were made, `from_cache`, `attempts` with the
        repeated ones, `prompt_tokens`, `completion_tokens`, and with prices the `cost` of all answers and what was
        `spent` now.

    Raises:
        EndpointError: the server refuses a question, or does not answer it; what came before is kept.
    """
    n = recipe.decoding.n
    counted = Usage(client)

    def ask(place: int) -> Asked:
        return client.ask(_body(client, store, examples[place], recipe, place, given), n)

    answers = at_once(ask, len(examples), client.settings.concurrent, title)
    predictions = [
        Prediction(example.id, example.question, choice.text, choice.tokens, choice.cut)
        for example, (choices, _) in zip(examples, answers, strict=True)
        for choice in choices
    ]
    for _, used in answers:
        counted.add(used)
    usage = counted.total()
    say(f"{client.name}: {in_words(usage)}", err=True)
    return predictions, usage


def at_once(ask: Callable[[int], T], count: int, concurrent: int, title: str) -> list[T]:
    """Ask some questions, several at once; after the first failure no further one is begun.

    Args:
        ask: asks the question of this place.
        count: of the questions.
        concurrent: questions at once.
        title: of the progress bar.

    Returns:
        The answers, in the questions' order.
    """
    failures: list[BaseException] = []

    def unless_failed(place: int) -> T:
        if failures:
            raise CancelledError
        try:
            return ask(place)
        except BaseException as failure:
            failures.append(failure)
            raise

    pool = ThreadPoolExecutor(concurrent)
    try:
        asked: list[Future[T]] = [pool.submit(unless_failed, place) for place in range(count)]
        return [future.result() for future in track(asked, title, len(asked))]
    except CancelledError:
        raise failures[0] from None
    finally:
        pool.shutdown(cancel_futures=True)  # what is under way is still kept


def _body(
    client: Client[Endpoint], store: RecordStore, example: Example, recipe: EvaluateRecipe, place: int, given: Shown
) -> dict[str, Any]:
    """The request of an example, as `model.processing.GEMProcessor.prompt` asks it of a model here."""
    system = [{"role": "system", "content": store.system}] if store.system else []
    asked = [*(question for question, _ in example.turns), example.question]
    parts = [part for record in example.records for part in media(client, store, *given[record])]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [*parts, {"type": "text", "text": asked[0]}]},
    ]
    for (_, response), question in zip(example.turns, asked[1:], strict=True):
        messages += [{"role": "assistant", "content": response}, {"role": "user", "content": question}]
    decoding = recipe.decoding
    body = {"messages": [*system, *messages], "temperature": decoding.temperature, "max_tokens": decoding.max_tokens}
    if decoding.temperature > 0:
        body |= {"top_p": decoding.top_p, "seed": recipe.seed + place * decoding.n}
    return body


def media(client: Client[Endpoint], store: RecordStore, signal: str | None, page: str | None) -> list[dict[str, Any]]:
    """The parts of one record: the signal and the page of these records, where the endpoint is sent such."""
    settings = client.settings
    parts = [ecg_part(store.record(signal))] if settings.signal and signal is not None else []
    return [*parts, page_part(_page(client, store, page))] if settings.page and page is not None else parts


def _page(client: Client[Endpoint], store: RecordStore, record: str) -> np.ndarray:
    size = client.settings.page_size or (None if client.settings.signal else READABLE)
    return store.page(record) if size is None else render(store.record(record), size=size)
