"""A language model as judge over HTTP: what it is given, how its replies are read, kept and held against the rules."""

import json

import pytest

pytest.importorskip("openai")

from fake_server import chat

from ecg_r1.evaluation.benchmarks.grounded import CRITERIA
from ecg_r1.evaluation.benchmarks.judged import agreement, judge_grounded, judge_rubric, read_grounded, read_points
from ecg_r1.evaluation.benchmarks.rubric_set import write_set
from ecg_r1.evaluation.judging import TRIES, Unreadable

from ..conftest import RIGHT, STOCK, TRUTHS, lines, write_split

SCALED = {"ECGFeatureGrounding", "EvidenceBasedReasoning", "ClinicalDiagnosticFidelity"}


@pytest.fixture
def server():
    with chat() as running:
        yield running


@pytest.fixture
def corpus(tmp_path):
    return write_split(tmp_path / "corpus" / "held-out", TRUTHS)


def said(tmp_path, texts):
    path = tmp_path / "answers.jsonl"
    lines(path, [{"question_id": name, "text": text} for name, text in texts.items()])
    return path


def prompt(request):
    return next(part["text"] for part in request["messages"][1]["content"] if part["type"] == "text")


def scored(request):
    """A judge that believes each answer which quotes the measured PR, or none."""
    good = "150 ms" not in prompt(request)
    one = {name: [{"Score": (100 if name in SCALED else 1) * good, "Explanation": "so"}] for name in CRITERIA}
    return f"Here it is:\n```json\n{json.dumps(one)}\n```"


def test_the_eight_criteria_are_judged_with_the_measurements_and_the_page(server, corpus, tmp_path):
    server.reply = scored
    texts = {"r0": RIGHT["r0"], "r1": STOCK["r1"], "r2": RIGHT["r2"]}
    found = judge_grounded(corpus, said(tmp_path, texts), server.url, tmp_path / "out")
    request = next(one for one in server.asked if "Rate 48" not in prompt(one) and "sinus bradycardia" in prompt(one))
    assert "PR interval: 170 ms" in prompt(request)
    assert STOCK["r1"] in prompt(request)
    assert request["messages"][1]["content"][0]["type"] == "image_url"
    assert found["judge"]["DiagnosisAccuracy"] == pytest.approx(200 / 3)
    assert found["unjudged"] == 0
    assert found["agreement"]["ECGFeatureGrounding"] == pytest.approx(1.0)  # the rules doubt the same answer
    assert found["usage"]["requests"] == 3
    rows = json.loads((tmp_path / "out" / "grounded.json").read_text())["rows"]
    assert rows[1]["judge"]["ECGFeatureGrounding"] == [0.0]
    again = judge_grounded(corpus, said(tmp_path, texts), server.url, tmp_path / "out")
    assert len(server.asked) == 3  # all from the cache
    assert again["judge"] == found["judge"]


def test_a_reply_that_cannot_be_read_is_asked_for_again_and_then_left_out(server, corpus, tmp_path):
    heats = []

    def reply(request):
        if "sinus bradycardia" not in prompt(request):
            return scored(request)
        heats.append(request["temperature"])
        return "I would say it is fine." if len(heats) < 3 else scored(request)

    server.reply = reply
    found = judge_grounded(corpus, said(tmp_path, RIGHT), server.url, tmp_path / "out")
    assert heats == [0, 0.5, 1.0]
    assert found["unjudged"] == 0
    server.reply = lambda request: "nothing"
    found = judge_grounded(corpus, said(tmp_path, RIGHT), server.url, tmp_path / "other")
    assert found["unjudged"] == 3
    assert found["usage"]["requests"] == 3 * TRIES
    assert found["judge"]["DiagnosisAccuracy"] is None


def test_points_by_a_judge_stand_beside_the_rules(server, corpus, tmp_path):
    split = write_set(corpus, tmp_path / "rubric", ["en"])
    texts = {f"r{i}#calculation-en": "RR 0.8 s; the root is 0.9; QTc 400 ms" for i in range(3)}
    store_ids = {json.loads(line)["question_id"]: "" for line in _asked(split)}
    server.reply = lambda request: "Good.\n4/5" if "Question (calculation)" in prompt(request) else "Points: 0"
    found = judge_rubric(split, said(tmp_path, store_ids | texts), server.url, tmp_path / "out")
    assert found["judge"]["categories"]["calculation"]["points"] == 4
    assert found["judge"]["categories"]["unanswerable"]["points"] == 0
    assert found["agreement"]["answers"] == len(store_ids)
    one = next(request for request in server.asked if "Question (calculation)" in prompt(request))
    assert "2 points if the result is right" in prompt(one)
    assert one["messages"][0]["role"] == "system"


def _asked(split):
    from ecg_r1.corpus.store import RecordStore

    return [json.dumps({"question_id": name}) for name in RecordStore(split).example_ids]


def test_an_answer_cannot_fill_the_slots_of_the_prompt(server, corpus, tmp_path):
    server.reply = scored
    judge_grounded(corpus, said(tmp_path, RIGHT | {"r0": "{known} {answer}"}), server.url, tmp_path / "out")
    assert any("\n{known} {answer}\n" in prompt(request) for request in server.asked)


@pytest.mark.parametrize(
    ("reply", "read"), [("3", 3), ("Score: 4/5", 4), ("2 out of 5.", 2), ("First 5, then\n**1**", 1), ("12, so 0", 0)]
)
def test_points_in_a_reply(reply, read):
    assert read_points(reply) == read


@pytest.mark.parametrize("reply", ["", "six", "7", "2.5", "100"])
def test_no_points_in_a_reply(reply):
    with pytest.raises(Unreadable):
        read_points(reply)


def test_a_judgement_is_never_evaluated():
    with pytest.raises(Unreadable):
        read_grounded("__import__('os').system('true')")
    with pytest.raises(Unreadable):
        read_grounded("{" * 100_000)


def test_agreement_worked_by_hand():
    # squared differences 0, 1, 0; by chance over the 9 pairs of (0, 5, 5) and (0, 4, 5): 16 + 25 + 25 + 1 + 25 + 1 = 93
    found = agreement([(0, 0), (5, 4), (5, 5)])
    assert found == {"answers": 3, "equal": 2 / 3, "difference": -1 / 3, "kappa": pytest.approx(1 - (1 / 3) / (93 / 9))}
    assert agreement([(5, 5), (5, 5)])["kappa"] is None


def test_the_commands_print_and_write(ecg_r1, server, corpus, tmp_path):
    found = ecg_r1("benchmark", "grounded", corpus, said(tmp_path, RIGHT), "--out", tmp_path / "out")
    assert found.code == 0, found.err
    assert json.loads(found.out)["rules"]["DiagnosisAccuracy"] == 100
    assert ecg_r1("benchmark", "rubric-set", corpus, tmp_path / "rubric", "--language", "zh").code == 0
    missing = ecg_r1("benchmark", "rubric", tmp_path / "rubric", said(tmp_path, {"r0#calculation-zh": "447"}))
    assert missing.code != 0
    assert "examples of" in missing.err
    wrong = ecg_r1("benchmark", "grounded", corpus, said(tmp_path, RIGHT), "--judge", "nowhere.yaml")
    assert "no URL, and no YAML file" in wrong.err
