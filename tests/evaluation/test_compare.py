import json
import shutil

import pytest

from ecg_r1.evaluation.compare import compare
from ecg_r1.runs.read import RunError

from .conftest import RIGHT, STOCK, TRUTHS, lines, write_split


@pytest.fixture
def three(write_run):
    """sft and sft-more quote stock values; grpo reads the signal."""
    log = [{"step": 1, "reward": 0.4, "loss": 0.1}, {"step": 2, "reward": 0.6, "loss": 0.1}]
    return [write_run("sft", STOCK), write_run("sft-more", STOCK), write_run("grpo", RIGHT, log=log)]


def test_compare_json_holds_the_models_and_every_pair_later_minus_earlier(three, tmp_path):
    result = compare(three, out=tmp_path / "out", resamples=200)
    written = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert written == json.loads(json.dumps(result))
    assert written["records"] == 3
    assert list(written["models"]) == ["sft", "sft-more", "grpo"]
    assert set(written["paired"]) == {"sft-more - sft", "grpo - sft", "grpo - sft-more"}
    assert written["models"]["grpo"]["supported"] == 1
    assert written["models"]["grpo"]["pr_ms"]["mae"] == pytest.approx(2)
    assert written["models"]["grpo"]["qt_ms"]["mae"] is None
    difference = written["paired"]["grpo - sft-more"]["supported"]
    assert difference["difference"] == pytest.approx(6 / 9)
    assert difference["low"] <= difference["difference"] <= difference["high"]
    assert written["paired"]["sft-more - sft"]["supported"] == {"difference": 0, "low": 0, "high": 0}
    accuracy = written["paired"]["grpo - sft-more"]["diagnosis_accuracy"]
    assert (accuracy["gained"], accuracy["lost"], accuracy["mcnemar_p"]) == (2, 0, 0.5)
    assert written["reports"] == {"boilerplate": 0.3, "rounded": 0.2}


def test_the_same_seed_gives_the_same_intervals(three, tmp_path):
    first, again = (compare(three, out=tmp_path / "out", resamples=50, seed=3)["paired"] for _ in range(2))
    assert first == again


def test_the_order_of_predictions_does_not_matter(write_run, tmp_path):
    turned = dict(reversed(RIGHT.items()))
    result = compare([write_run("a", RIGHT), write_run("b", turned)], out=tmp_path / "out", resamples=20)
    assert result["paired"]["b - a"]["supported"] == {"difference": 0, "low": 0, "high": 0}


def test_shuffled_ecgs_are_scored_against_the_record_they_were_dealt_to(write_run, tmp_path):
    run = write_run("grpo", RIGHT)
    dealt = dict(zip(RIGHT, [RIGHT["r1"], RIGHT["r2"], RIGHT["r0"]], strict=True))
    rows = [{"example": example, "completion": text} for example, text in dealt.items()]
    lines(run / "predictions" / "held-out-shuffled.jsonl", rows)
    model = compare([run], out=tmp_path / "out")["models"]["grpo"]
    assert (model["diagnosis_accuracy"], model["shuffled"], model["chance_accuracy"]) == (1, 0, pytest.approx(1 / 3))


def test_other_seeds_are_carried_along(three, tmp_path):
    compare(three, out=tmp_path / "seed-1", resamples=20)
    result = compare(three, out=tmp_path / "out", resamples=20, seeds=[tmp_path / "seed-1"])
    assert result["seeds"][0]["name"] == "seed-1"
    assert result["seeds"][0]["paired"]["grpo - sft-more"] == result["paired"]["grpo - sft-more"]
    assert "seed-1" in (tmp_path / "out" / "report.html").read_text()


def test_refuses_different_records(write_run, tmp_path):
    fewer = {record: RIGHT[record] for record in ("r0", "r1")}
    with pytest.raises(RunError, match=r"different records.*r2"):
        compare([write_run("a", RIGHT), write_run("b", fewer)], out=tmp_path / "out")


def test_refuses_another_truth_behind_the_same_id(write_run, tmp_path):
    other = write_split(tmp_path / "other", [TRUTHS[0] | {"diagnoses": ["sinus tachycardia"]}, *TRUTHS[1:]])
    a, b = write_run("a", RIGHT), write_run("b", RIGHT)
    recipe = (b / "recipe.yaml").read_text().replace(str(tmp_path / "corpus" / "held-out"), str(other))
    (b / "recipe.yaml").write_text(recipe)
    with pytest.raises(RunError, match=r"different prompts or records.*r0"):
        compare([a, b], out=tmp_path / "out")


def test_refuses_different_decoding(write_run, tmp_path):
    a = write_run("a", RIGHT, decoding={"temperature": 0.0})
    b = write_run("b", RIGHT, decoding={"temperature": 1.0})
    with pytest.raises(RunError, match="different decoding"):
        compare([a, b], out=tmp_path / "out")


def test_refuses_two_runs_of_one_name(write_run, tmp_path):
    a = write_run("a", RIGHT)
    shutil.copytree(a, tmp_path / "elsewhere" / "a")
    with pytest.raises(RunError, match="named 'a'"):
        compare([a, tmp_path / "elsewhere" / "a"], out=tmp_path / "out")


def test_says_what_is_missing_and_how_to_make_it(write_run, tmp_path):
    with pytest.raises(RunError, match="no such run"):
        compare([tmp_path / "nowhere"], out=tmp_path / "out")
    run = write_run("a", RIGHT)
    (run / "predictions" / "held-out.jsonl").unlink()
    with pytest.raises(RunError, match=r"held-out\.jsonl: missing.*ecg-r1 predict"):
        compare([run], out=tmp_path / "out")
    (run / "recipe.yaml").unlink()
    with pytest.raises(RunError, match=r"recipe\.yaml: missing"):
        compare([run], out=tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"example": "r0"}', ":4: a prediction needs"),
        ("{", ":4: not JSON"),
        ('{"example": "r0", "completion": ""}', "twice"),
    ],
)
def test_names_the_line_of_a_bad_prediction(write_run, tmp_path, line, message):
    run = write_run("a", RIGHT)
    with (run / "predictions" / "held-out.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunError, match=message):
        compare([run], out=tmp_path / "out")


def test_refuses_a_prediction_of_a_record_that_the_split_does_not_hold(write_run, tmp_path):
    with pytest.raises(RunError, match=r"does not hold.*r9"):
        compare([write_run("a", {**RIGHT, "r9": RIGHT["r0"]})], out=tmp_path / "out")


def test_needs_a_run(tmp_path):
    with pytest.raises(RunError, match="at least one"):
        compare([], out=tmp_path)


@pytest.fixture
def finished(write_run):
    """Two runs whose predictions are not there yet; predicting would need their models, which they lack."""
    runs = [write_run("a", RIGHT), write_run("b", RIGHT)]
    for run in runs:
        shutil.rmtree(run / "predictions")
        (run / "finished.json").write_text("{}")
    return runs


@pytest.mark.parametrize("text", ['{"a": 1}', "[]", "{", '{"records": 3, "paired": 4}'])
def test_a_seed_that_is_no_comparison_is_refused_before_anything_is_predicted(ecg_r1, finished, tmp_path, text):
    (tmp_path / "b.json").write_text(text)
    said = ecg_r1("compare", *finished, "--seeds", tmp_path / "b.json", "--out", tmp_path / "out")
    expected = f"{tmp_path}/b.json: no compare.json; `ecg-r1 compare … --out DIR` writes one\n"
    assert (said.code, said.err) == (2, expected)


def test_different_splits_are_refused_before_anything_is_predicted(ecg_r1, finished, tmp_path):
    other = write_split(tmp_path / "other", TRUTHS[:2])
    a, b = finished
    recipe = (b / "recipe.yaml").read_text().replace(str(tmp_path / "corpus" / "held-out"), str(other))
    (b / "recipe.yaml").write_text(recipe)
    said = ecg_r1("compare", a, b, "--out", tmp_path / "out")
    assert said.code == 2
    assert f"{a} and {b}: evaluated on different records, {tmp_path}/corpus/held-out and {other}; nothing" in said.err


def test_a_run_that_is_not_there_names_the_nearest_one(ecg_r1, finished, tmp_path):
    said = ecg_r1("compare", finished[0], finished[1].with_name("bb"), "--out", tmp_path / "out")
    assert (said.code, said.err) == (2, f'{tmp_path}/runs/bb: no such run — did you mean "{tmp_path}/runs/b"?\n')
