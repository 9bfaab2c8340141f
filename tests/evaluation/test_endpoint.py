"""Models behind an OpenAI-compatible route in the same table: what is sent, kept, repeated and paid."""

import base64
import io
import json

import numpy as np
import pytest
import splits
from fake_server import chat

pytest.importorskip("openai")

from PIL import Image

from ecg_r1.corpus.store import RecordStore
from ecg_r1.endpoints import pace
from ecg_r1.errors import UserError
from ecg_r1.evaluation.evaluate import evaluate
from ecg_r1.evaluation.preparation import make_plan
from ecg_r1.model.message import read_ecg
from ecg_r1.recipe import EvaluateRecipe, RecipeError, read_recipe

from .conftest import RIGHT, STOCK, TRUTHS, compared, write_split

KEY = "sk-the-secret-key-of-nobody"


@pytest.fixture
def server():
    with chat() as running:
        yield running


@pytest.fixture
def quick(monkeypatch):
    """The client's pauses before it repeats a request, without waiting for them."""
    import openai._base_client as client

    waited = []
    monkeypatch.setattr(client.time, "sleep", waited.append)
    return waited


@pytest.fixture
def split_folder(tmp_path):
    """Three records whose ECGs differ: equal requests are asked once."""
    signals = [np.tile(height * np.sin(np.arange(5000) / 20, dtype=np.float32), (12, 1)) for height in (1, 2, 3)]
    pages = [np.full((56, 56, 3), shade, np.uint8) for shade in (10, 20, 30)]
    return splits.write_split(
        tmp_path / "corpus" / "held-out", TRUTHS, page_size=56, signal=signals.__getitem__, page=pages.__getitem__
    )


def asked_of(server, split_folder, tmp_path, n=1, mirage=0, **keys):
    """The plan of a comparison with one endpoint."""
    decoding = {"temperature": 1.0, "n": n} if n > 1 else {}
    values = {"stage": "evaluate", "models": [{"endpoint": server.url, **keys}], "out": str(tmp_path / "out")}
    return EvaluateRecipe.model_validate(values | {"corpus": str(split_folder), "decoding": decoding, "mirage": mirage})


def parts(request):
    return request["messages"][-1]["content"]


def test_an_endpoint_stands_in_one_table_with_a_run(server, write_run, split_folder, tmp_path):
    server.reply = lambda request: RIGHT["r0"]
    run = write_run("sft", STOCK, shuffled=STOCK)
    found = compared([run], tmp_path / "alone")["models"]["sft"]
    recipe = {"stage": "evaluate", "models": [str(run), {"endpoint": server.url, "name": "gpt"}],
              "out": str(tmp_path / "out"), "corpus": str(split_folder), "decoding": {"max_tokens": 128},
              "mirage": 0}  # fmt: skip
    evaluate(EvaluateRecipe.model_validate(recipe))
    result = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert list(result["models"]) == ["sft", "gpt"]
    assert result["models"]["sft"]["supported"] == found["supported"]
    assert result["models"]["gpt"]["diagnosis_accuracy"] == pytest.approx(1 / 3)
    assert result["models"]["gpt"]["mirage"]["conditions"].keys() == {"own", "shuffled"}
    assert {"gpt - sft"} == set(result["paired"])
    assert len(server.asked) == 3  # with another's ECG the question is one that was asked
    assert "cost of the answers" in (tmp_path / "out" / "card.md").read_text()


def test_page_and_signal_are_sent_as_they_are(server, split_folder, tmp_path):
    store = RecordStore(split_folder)
    evaluate(asked_of(server, split_folder, tmp_path, signal=True, concurrent=1))
    ecg, page, question = parts(server.asked[1])
    assert [part["type"] for part in (ecg, page, question)] == ["ecg", "image_url", "text"]
    assert np.array_equal(read_ecg(ecg["ecg"]), store.signal("r1"))
    png = base64.b64decode(page["image_url"]["url"].partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), store.page("r1"))
    assert question["text"] == store.example("r1").question


@pytest.mark.parametrize(
    ("signal", "kinds"),
    [
        (False, {(("image_url", "text")), ("text",)}),  # the page, or nothing
        (True, {("ecg", "image_url", "text"), ("image_url", "text"), ("ecg", "text")}),  # ours refuses nothing
    ],
)
def test_less_than_the_ecg_is_asked_of_it_as_far_as_it_can_be(server, split_folder, tmp_path, signal, kinds):
    evaluate(asked_of(server, split_folder, tmp_path, signal=signal, mirage=3))
    assert {tuple(part["type"] for part in parts(request)) for request in server.asked} == kinds
    found = json.loads((tmp_path / "out" / "compare.json").read_text())["models"]["fake"]["mirage"]["conditions"]
    less = {"no-signal", "no-page", "other-page"} if signal else {"nothing"}
    assert set(found) == {"own", "shuffled"} | less


def test_a_page_alone_is_large_enough_to_be_read(server, split_folder, tmp_path):
    evaluate(asked_of(server, split_folder, tmp_path))
    page, question = parts(server.asked[0])
    png = base64.b64decode(page["image_url"]["url"].partition(",")[2])
    assert Image.open(io.BytesIO(png)).size == (1024, 1024)
    assert question["type"] == "text"


def test_turns_and_the_splits_system_prompt_are_asked(server, tmp_path):
    from dataclasses import replace

    from ecg_r1.endpoints.client import Client
    from ecg_r1.evaluation.asking import _body
    from ecg_r1.recipe import Endpoint

    split = write_split(tmp_path / "turns", [{"record": "r0", "diagnoses": ["normal ECG"], "measurements": {}}])
    store = RecordStore(split)
    store.facts["prompts"] = {"system": "You read ECGs."}
    client = Client(Endpoint(endpoint=server.url), tmp_path / "cache")
    example = replace(store.examples[0], turns=(("What is the rate?", "75 bpm."),), question="And the PR interval?")
    recipe = EvaluateRecipe(stage="evaluate", models=["x"])
    messages = _body(client, store, example, recipe, 0, {"r0": ("r0", "r0")})["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[1]["content"][-1]["text"] == "What is the rate?"
    assert messages[3]["content"] == "And the PR interval?"


def test_answers_are_kept_and_only_what_is_missing_is_asked(server, split_folder, tmp_path, capsys):
    recipe = asked_of(server, split_folder, tmp_path, prices={"prompt": 10, "completion": 100})
    evaluate(recipe)
    assert len(server.asked) == 3
    result = json.loads((tmp_path / "out" / "compare.json").read_text())["models"]["fake"]["usage"]
    assert result == {"prompt_tokens": 300, "completion_tokens": 60, "requests": 3, "from_cache": 0, "attempts": 3,
                      "cost": 0.009, "spent": 0.009}  # fmt: skip
    for file in (tmp_path / "out" / "predictions" / "fake").iterdir():
        file.unlink()
    kept = sorted((tmp_path / "out" / "cache").rglob("*.json"))
    kept[0].unlink()
    kept[1].write_text('{"choices": [{"text": 5}]}')  # damaged: it is asked again
    capsys.readouterr()
    evaluate(recipe)
    assert len(server.asked) == 5
    assert "2 questions asked, 1 answers from the cache" in capsys.readouterr().err
    evaluate(recipe)
    assert len(server.asked) == 5


def test_what_fails_for_the_moment_is_repeated(server, split_folder, tmp_path, quick):
    server.failures = [(429, {"Retry-After": "7"}), (500, {}), (0, {}), (503, {})]
    evaluate(asked_of(server, split_folder, tmp_path, concurrent=1))
    assert len(server.asked) == 3 + 4
    assert 7.0 in quick  # the server said how long
    usage = json.loads((tmp_path / "out" / "predictions" / "fake" / "held-out.json").read_text())["usage"]
    assert (usage["requests"], usage["attempts"]) == (3, 7)


def test_what_is_refused_is_one_line_and_what_came_is_kept(server, split_folder, tmp_path, quick, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    recipe = asked_of(server, split_folder, tmp_path, concurrent=1, retries=1, key_variable="SOME_KEY")
    server.reply = lambda request: server.failures.extend([(401, {})]) or "normal ECG"
    with pytest.raises(UserError, match="status 401: ") as refused:
        evaluate(recipe)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(refused.value)  # the server had repeated it
    assert len(str(refused.value).splitlines()) == 1
    assert len(list((tmp_path / "out" / "cache").rglob("*.json"))) == 1
    server.reply, server.failures = (lambda request: "normal ECG"), []
    evaluate(recipe)
    assert len(server.asked) == 2 + 2
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in written)


def test_an_ecg_is_not_sent_to_where_an_endpoint_points(server, split_folder, tmp_path):
    with chat() as other:
        server.failures = [(307, {"Location": f"{other.url}/chat/completions"})]
        with pytest.raises(UserError, match="status 307"):
            evaluate(asked_of(server, split_folder, tmp_path, concurrent=1))
        assert other.asked == []


@pytest.mark.parametrize("given", [KEY, "NOT_SET_ANYWHERE"])
def test_a_key_that_is_missing_or_stands_in_the_recipe_is_refused_unsaid(server, split_folder, tmp_path, given):
    with pytest.raises(UserError, match="environment variable") as refused:
        make_plan(asked_of(server, split_folder, tmp_path, key_variable=given))
    assert KEY not in str(refused.value)
    assert server.asked == []


def test_no_key_of_the_environment_goes_to_an_endpoint_that_names_none(server, split_folder, tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    evaluate(asked_of(server, split_folder, tmp_path))
    assert KEY not in json.dumps(server.headers)


def test_several_answers_are_asked_until_they_are_there(server, split_folder, tmp_path):
    from ecg_r1.evaluation.headroom import headroom

    numbers = iter(range(1000))
    server.reply = lambda request: request.pop("n", 1) and f"normal ECG {next(numbers)}"  # one, whatever is asked
    plan = headroom(asked_of(server, split_folder, tmp_path, n=3, concurrent=1))
    rows = [json.loads(line) for line in plan.path(plan.runs[0]).read_text().splitlines()]
    assert [row["example"] for row in rows] == ["r0"] * 3 + ["r1"] * 3 + ["r2"] * 3
    assert len({row["completion"] for row in rows}) == 9
    assert [request["seed"] for request in server.asked[:4]] == [0, 1, 2, 3]


def test_options_go_over_the_request_and_reasoning_is_put_back(server, split_folder, tmp_path):
    server.reply = lambda request: {"role": "assistant", "content": "<answer>normal ECG</answer>",
                                    "reasoning_content": "PR interval 160 ms."}  # fmt: skip
    options = {"max_completion_tokens": 500, "temperature": None, "reasoning_effort": "low"}
    plan = evaluate(asked_of(server, split_folder, tmp_path, options=options))
    assert server.asked[0].keys() == {"model", "messages", "max_completion_tokens", "reasoning_effort"}
    row = json.loads(plan.path(plan.runs[0]).read_text().splitlines()[0])
    assert row["completion"] == "<think>PR interval 160 ms.</think><answer>normal ECG</answer>"


def test_answers_that_were_cut_off_stop_the_comparison(server, split_folder, tmp_path):
    server.finish = "length"
    with pytest.raises(UserError, match="were cut off"):
        evaluate(asked_of(server, split_folder, tmp_path))


@pytest.mark.parametrize("reply", [None, "", {"role": "assistant", "content": None}, {"role": "assistant"}])
def test_an_answer_without_text_is_an_empty_answer(server, split_folder, tmp_path, reply):
    server.reply = lambda request: reply
    plan = evaluate(asked_of(server, split_folder, tmp_path))
    assert json.loads(plan.path(plan.runs[0]).read_text().splitlines()[0])["completion"] == ""


def test_requests_are_begun_no_faster_than_the_recipe_says(monkeypatch):
    now, slept = [0.0], []
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(pace.time, "sleep", lambda seconds: slept.append(seconds))
    paced = pace.Pace(30)
    for _ in range(4):
        paced.wait()
    assert slept == [0, 2, 4, 6]


def test_a_url_and_a_file_name_an_endpoint_on_the_command_line(server, split_folder, tmp_path, ecg_r1):
    (tmp_path / "gpt.yaml").write_text(f"endpoint: {server.url}\nname: gpt\n")
    said = ecg_r1("compare", server.url, tmp_path / "gpt.yaml", "--corpus", split_folder, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert list(json.loads((tmp_path / "out" / "compare.json").read_text())["models"]) == ["fake", "gpt"]


def test_several_models_behind_a_url_are_named(server, split_folder, tmp_path):
    server.known = ["a", "b"]
    with pytest.raises(UserError, match="serves the models a, b; name one with `model:`"):
        make_plan(asked_of(server, split_folder, tmp_path))


def test_a_dry_run_asks_nothing(server, split_folder, tmp_path, capsys):
    evaluate(asked_of(server, split_folder, tmp_path), dry_run=True)
    assert server.asked == []
    assert "missing; would be made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("endpoint: ftp://x", "models.0.endpoint"),
        ("endpoint: http://user:password@host/v1", "models.0.endpoint"),
        ("endpoint: http://h/v1, signal: false, page: false", "shown no ECG"),
        ("endpoint: http://h/v1, page: false, signal: true, page_size: 64", "page_size is of a page"),
        ("endpoint: http://h/v1, retires: 3", '"models.0.retires" — did you mean "retries"?'),
        ("model: x", 'key "models.0.endpoint" is missing'),
    ],
)
def test_a_wrong_key_is_named(tmp_path, keys, said):
    path = tmp_path / "evaluate.yaml"
    path.write_text(f"stage: evaluate\nmodels: [{{{keys}}}]\n")
    with pytest.raises(RecipeError) as refused:
        read_recipe(path)
    assert said in str(refused.value)
    assert "an endpoint" not in str(refused.value)
