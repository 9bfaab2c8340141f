"""Texts that a language model words anew: what it changes of their content is refused, counted, and ours is kept."""

import json
import re
import threading

import pytest
from fake_server import chat

pytest.importorskip("openai")

from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.summary import summary
from ecg_r1.corpus.text.rewritten import answered_text, instruction
from ecg_r1.endpoints.client import EndpointError
from ecg_r1.recipe import CorpusRecipe, RecipeError, make_recipe
from ecg_r1.scoring import Completion

N = 6


@pytest.fixture
def server():
    with chat() as running:
        yield running


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The client's pauses before it repeats a request, without waiting for them."""
    import openai._base_client as client

    monkeypatch.setattr(client.time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Of measurements; answers are kept in a folder of each test's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def built(server, cache, tmp_path):
    """Builds a split whose texts the server words anew, and gives it back with its counts."""

    def run(name="out", count=N, **changes):
        route = {"endpoint": server.url, "retries": 1, "cache": str(tmp_path / "answers")} | changes.pop("route", {})
        values = {
            "stage": "corpus", "out": str(tmp_path / name), "cache": str(cache), "pages": "drawn", "workers": 1,
            "splits": {"train": [{"simulate": count}]}, "rewrite": route,
        }  # fmt: skip
        (folder,) = build(CorpusRecipe.model_validate(values | changes))
        return RecordStore(folder), json.loads((folder / "complete.json").read_text())

    return run


def question(request) -> str:
    return request["messages"][-1]["content"]


def reworded(request) -> str:
    """The same content in other words, as a good model would write it."""
    return "This tracing was read in full. " + question(request).replace("\n", " ")


def thoughts(store: RecordStore) -> list[str]:
    return [Completion.parse(example.response).think for example in store.examples]


def refusals(store: RecordStore) -> list[dict]:
    return [json.loads(line) for line in (store.folder / "rewrites.jsonl").read_text().splitlines()]


def test_a_text_that_keeps_its_content_is_taken(server, built, capsys):
    plain, counts = built("plain", rewrite=None)
    assert (counts["rewritten"], counts["rewrites_refused"]) == (0, {})
    server.reply = reworded
    store, counts = built()
    assert (counts["rewritten"], counts["rewrites_refused"]) == (N, {})
    assert f"{N} texts worded anew by a language model, 0 refused" in summary(store.folder)
    assert not (store.folder / "rewrites.jsonl").exists()
    assert all(text.startswith("This tracing was read in full.") for text in thoughts(store))
    for ours, theirs in zip(plain.examples, store.examples, strict=True):
        assert ours.response.rpartition("</think>")[2] == theirs.response.rpartition("</think>")[2]
        assert (ours.question, ours.expected) == (theirs.question, theirs.expected)
    asked = server.asked[0]
    assert asked["messages"][0] == {"role": "system", "content": instruction("en")}
    assert asked["temperature"] == 0
    assert "seed" not in asked
    assert f"{N} questions asked, 0 answers from the cache" in capsys.readouterr().err


def changed_numbers(request) -> str:
    return re.sub(r"(\d+) ms", lambda number: f"{int(number[1]) + 70} ms", question(request))


def without_the_diagnosis(request) -> str:
    sentences = re.split(r"(?<=\.)\s", question(request))
    return " ".join(sentence for sentence in sentences if "brillation" not in sentence)


HOSTILE = {
    "a number is not supported": changed_numbers,
    "a finding is contradicted": lambda request: question(request) + " There is ST elevation in II, III and aVF.",
    "a diagnosis is added": lambda request: question(request) + " Acute anterior myocardial infarction.",
    "a diagnosis is missing": without_the_diagnosis,
    "a quantity is missing": lambda request: re.sub(r"[^.\n]*\bQT[^.\n]*\.", "", question(request)),
    "empty": lambda request: "  \n ",
    "too long": lambda request: question(request) * 60,
    "too short": lambda request: question(request)[:40],
    "markup": lambda request: "Here is the report:\n" + question(request),
    "hidden characters": lambda request: question(request).replace(" ", "\u200b ", 1),
    "another language": lambda request: question(request) + " 心律规整。",
}
TAGS = ("</think><answer>normal ECG</answer><think>", "<ecg>", "**PR**", "<|im_end|>", "- PR")


@pytest.mark.parametrize("reason", HOSTILE)
def test_a_text_whose_content_changed_is_refused(server, built, reason):
    server.reply = HOSTILE[reason]
    plain, _ = built("plain", rewrite=None)
    store, counts = built()
    assert reason in counts["rewrites_refused"], counts
    assert counts["rewritten"] + sum(counts["rewrites_refused"].values()) == N
    refused = {row["record"]: row for row in refusals(store)}
    assert len(refused) == sum(counts["rewrites_refused"].values())
    for ours, theirs in zip(plain.examples, store.examples, strict=True):
        if ours.id in refused:
            assert ours.response == theirs.response
            assert len(refused[ours.id]["text"]) <= 4000
    assert f"{counts['rewrites_refused'][reason]} x {reason}" in summary(store.folder)


@pytest.mark.parametrize("tag", TAGS)
def test_markup_is_refused(server, built, tag):
    server.reply = lambda request: question(request) + "\n" + tag
    store, counts = built(count=2)
    assert counts["rewritten"] == 0
    assert tag not in "".join(thoughts(store))


def test_what_a_model_thinks_before_it_answers_is_left_out():
    assert answered_text("<think>PR 400 ms?</think>\n\nPR 160 ms.") == "PR 160 ms."
    assert answered_text("PR 160 ms.") == "PR 160 ms."


def test_a_text_is_no_surer_than_the_label():
    from test_text import subject

    from ecg_r1.corpus.text.rewritten import refusal

    one = subject(("first-degree AV block",), {"first-degree AV block": 50.0}, pr_ms=236.0)
    ours = "<think>Possible first-degree AV block: PR interval of 236 ms.</think><answer>first-degree AV block</answer>"
    assert refusal("Possible first-degree AV block, for a PR interval of 236 ms.", ours, one, "en") is None
    found = refusal("First-degree AV block is present, the PR interval being 236 ms.", ours, one, "en")
    assert found.reason == "a diagnosis is more or less sure"


def test_an_answer_that_is_cut_is_refused(server, built):
    server.reply, server.finish = reworded, "length"
    _, counts = built(count=2)
    assert counts["rewrites_refused"] == {"cut at max_tokens": 2}


def test_what_was_answered_is_asked_once(server, built):
    server.reply = reworded
    first, _ = built("first")
    asked = len(server.asked)
    again, _ = built("again", workers=2)
    assert len(server.asked) == asked == N
    names = sorted(path.name for path in first.folder.iterdir())
    assert [(first.folder / name).read_bytes() for name in names] == [
        (again.folder / name).read_bytes() for name in names
    ]
    built("other", count=N, prompts={"question": ["?"]})
    assert len(server.asked) == N
    built("warm", count=2, route={"temperature": 0.7})
    assert len(server.asked) == N + 2
    assert len({request["seed"] for request in server.asked[N:]}) == 2


def test_a_failure_for_the_moment_is_repeated(server, built):
    server.reply = reworded
    server.failures = [(500, {}), (429, {"retry-after": "0"})]
    _, counts = built(route={"concurrent": 1, "retries": 2})
    assert counts["rewritten"] == N


def test_a_text_without_an_answer_stays_ours(server, built):
    server.reply = reworded
    server.failures = [(500, {})] * 2
    store, counts = built(route={"concurrent": 1})
    assert (counts["rewritten"], counts["rewrites_refused"]) == (N - 1, {"no answer": 1})
    assert "status 500" in refusals(store)[0]["faults"][0]


def test_a_server_that_is_silent_gives_no_answer(server, built):
    answered = threading.Event()

    def reply(request):
        if len(server.asked) == 1:
            answered.wait()
        return reworded(request)

    server.reply = reply
    store, counts = built(count=2, route={"concurrent": 1, "timeout": 5, "retries": 0})
    answered.set()
    assert counts["rewrites_refused"] == {"no answer": 1}
    assert "Timeout" in refusals(store)[0]["faults"][0]


def test_a_server_that_is_down_ends_the_build(server, built):
    server.failures = [(500, {})] * 1000
    with pytest.raises(EndpointError, match=r"status 500.*repeat the command to go on"):
        built(count=12, route={"concurrent": 2})


def test_an_interrupted_build_asks_only_what_is_missing(server, built, cache, tmp_path, monkeypatch):
    import ecg_r1.corpus.build as building

    monkeypatch.setattr(building, "SHARD", 2)
    server.reply = reworded
    whole, _ = built("whole", count=12, route={"cache": str(tmp_path / "one")})
    server.asked.clear()
    server.reply = lambda request: reworded(request) if len(server.asked) < 7 else 1 / 0  # the connection breaks
    other = {"cache": str(tmp_path / "two"), "concurrent": 1, "retries": 0}
    monkeypatch.setattr("ecg_r1.corpus.rewrite.MOST_FAILED", 1)
    with pytest.raises(EndpointError):
        built("again", count=12, route=other)
    server.reply = reworded
    answered = len(list((tmp_path / "two").glob("*/*.json")))
    server.asked.clear()
    store, counts = built("again", count=12, route=other)
    assert counts["rewritten"] == 12
    assert 0 < len(server.asked) == 12 - answered
    for name in ("examples-00000.arrow", "records-00005.arrow", "signals.i16"):
        assert (store.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_corrupted_values_are_not_verified():
    values = {"stage": "corpus", "out": "x", "splits": {"a": [{"simulate": 1}]}, "corruption": {"rounded": 0.5},
              "rewrite": {"endpoint": "http://127.0.0.1:1/v1"}}  # fmt: skip
    with pytest.raises(RecipeError, match="verifies each number"):
        make_recipe(values, [], "recipe")
