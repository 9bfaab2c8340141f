"""Measured claims: the table on answers whose worth is known, the result's provenance, and the leaderboard."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from ecg_r1.corpus.store import RecordStore
from ecg_r1.errors import UserError
from ecg_r1.evaluation.benchmarks import measured_claims
from ecg_r1.evaluation.benchmarks.claims_table import table
from ecg_r1.evaluation.benchmarks.leaderboard import read_results
from ecg_r1.evaluation.metrics import judge
from ecg_r1.recipe import read_recipe

from ..conftest import RIGHT, answers, lines, says, split_folder, write_run  # noqa: F401

DATA = Path(__file__).parents[3] / "data" / "benchmarks"
MIXED = {
    "r0": says("Rate 75 bpm. PR interval 184 ms.", "first-degree AV block"),  # 20 ms too long; contradicts itself
    "r1": says("Rate 48 bpm.", "sinus bradycardia"),
    "r2": says("Rate 96 bpm. PR interval 150 ms.", "atrial fibrillation"),  # there is no PR
}


@pytest.fixture
def instead(monkeypatch, split_folder):  # noqa: F811
    """The benchmark over three records that are known."""
    monkeypatch.setattr(measured_claims, "build_set", lambda records: split_folder)
    return split_folder


def test_the_table_counts_what_is_quoted_measured_and_invented(split_folder):  # noqa: F811
    found = table(judge(answers(MIXED), RecordStore(split_folder), "free"))
    pr, rate = found["quantities"]["pr_ms"], found["quantities"]["heart_rate_bpm"]
    assert (pr["measurable"], pr["unmeasurable"], pr["coverage"], pr["invented"]) == (2, 1, 0.5, 1.0)
    assert (pr["mae"], pr["bias"]) == (20.0, 20.0)
    assert (rate["coverage"], rate["mae"], rate["bias"]) == (1.0, 2.0, 2.0)
    assert found["invented"]["value"] == 0.5  # without P waves, neither PR nor P can be measured; a PR is quoted
    assert found["quoted_per_answer"]["value"] == pytest.approx(5 / 3)
    assert found["diagnosis_accuracy"]["value"] == pytest.approx(2 / 3)
    assert found["consistent"]["value"] == pytest.approx(1 / 3)  # r1 alone: AF has no PR, 184 ms is no AV block
    assert found["coverage"]["value"] == pytest.approx(4 / 8)  # three quantities of three records, but for a PR
    assert found["supported"]["value"] + found["contradicted"]["value"] + found["unverifiable"]["value"] == 1
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_right_answers_are_supported_and_invent_nothing(split_folder):  # noqa: F811
    found = table(judge(answers(RIGHT), RecordStore(split_folder), "free"))
    assert (found["supported"]["value"], found["invented"]["value"], found["coverage"]["value"]) == (1.0, 0.0, 1.0)
    assert found["diagnosis_accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_a_model_is_asked_by_one_command_and_its_result_says_where_it_is_from(instead, tmp_path, ecg_r1):
    lines(tmp_path / "gem.jsonl", [{"id": name, "text": text} for name, text in MIXED.items()])
    said = ecg_r1(
        "evaluate", tmp_path / "gem.jsonl", "--benchmark", "measured-claims", f"out={tmp_path}/out", "resamples=20"
    )
    assert said.code == 0, said.err
    result = json.loads((tmp_path / "out" / "measured-claims.json").read_text())
    assert (result["benchmark"], result["version"], result["set"]["examples"]) == ("measured-claims", 1, 3)
    assert result["model"]["name"] == "gem"
    assert result["model"]["file"].startswith("sha256:")
    assert set(result) >= {"decoding", "software", "date", "metrics", "by_source"}
    assert result["by_source"]["test"]["answers"] == 3
    assert "supported" in said.out
    lines(tmp_path / "right.jsonl", [{"id": name, "text": text} for name, text in RIGHT.items()])
    ecg_r1("evaluate", tmp_path / "right.jsonl", "--benchmark", "measured-claims", f"out={tmp_path}/right")
    ranked = ecg_r1("benchmark", "leaderboard", tmp_path / "out", tmp_path / "right", "--out", tmp_path / "l.jsonl")
    assert ranked.code == 0, ranked.err
    assert [row["model"]["name"] for row in read_results([tmp_path / "l.jsonl"])] == ["right", "gem"]


def test_only_results_of_one_set_are_ranked(instead, tmp_path, ecg_r1):
    lines(tmp_path / "gem.jsonl", [{"id": name, "text": text} for name, text in RIGHT.items()])
    ecg_r1("evaluate", tmp_path / "gem.jsonl", "--benchmark", "measured-claims", f"out={tmp_path}/out")
    result = json.loads((tmp_path / "out" / "measured-claims.json").read_text())
    other = result | {"set": result["set"] | {"hash": "sha256:0"}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"other\.json: gem answered another set than gem"):
        read_results([tmp_path / "out", tmp_path / "other.json"])
    for content in ("", "{}", "[1]", json.dumps(result | {"version": 2})):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(UserError, match=r"bad\.json: no result of measured-claims"):
            read_results([tmp_path / "bad.json"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--benchmark", "measured-claims", "--headroom"], "--headroom is of a recipe"),
        (["--records", "ptb-xl=x"], "--records is of a benchmark"),
        (["--benchmark", "measured-claims", "--records", "ptb-xl"], "write it DATASET=FOLDER"),
        (["--benchmark", "measured-claims", "--records", "ptbxl=x"], 'did you mean "ptb-xl"'),
        (["--benchmark", "measured-claims", "--records", "ptb-xl=nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, ecg_r1, words, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = ecg_r1("evaluate", "runs/x", *words)
    assert (found.code, len(found.err.splitlines())) == (2, 1)
    assert said in found.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("path", sorted(DATA.glob("*.jsonl")), ids=lambda path: path.stem)
def test_public_records_are_named_by_ids_and_asked_the_same_question(path):
    (question,) = read_recipe(measured_claims.SHIPPED).prompts.question
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) > 50
    assert all(row.keys() == {"id", "record", "question"} and row["question"] == question for row in rows)
