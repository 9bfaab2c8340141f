import json
import os
import shutil

import pytest
import yaml

from ecg_r1.evaluation.comparable import repeats_itself
from ecg_r1.recipe import read_recipe
from ecg_r1.runs.predictions import read_predictions
from ecg_r1.runs.read import RunError

from .conftest import RIGHT, STOCK, TRUTHS, compared, lines, write_split


@pytest.fixture
def three(write_run):
    """sft and sft-more quote stock values; grpo reads the signal."""
    log = [{"step": 1, "reward": 0.4, "loss": 0.1}, {"step": 2, "reward": 0.6, "loss": 0.1}]
    return [write_run("sft", STOCK), write_run("sft-more", STOCK), write_run("grpo", RIGHT, log=log)]


def test_compare_json_holds_the_models_and_every_pair_later_minus_earlier(three, tmp_path):
    written = compared(three, tmp_path / "out", resamples=200)
    assert (written["examples"], written["records"], written["clusters"]) == (3, 3, 3)
    assert list(written["models"]) == ["sft", "sft-more", "grpo"]
    assert set(written["paired"]) == {"sft-more - sft", "grpo - sft", "grpo - sft-more"}
    assert written["models"]["grpo"]["supported"] == 1
    assert written["models"]["grpo"]["pr_ms"]["mae"] == pytest.approx(2)
    assert written["models"]["grpo"]["qt_ms"]["mae"] is None
    difference = written["paired"]["grpo - sft-more"]["supported"]
    assert difference["difference"] == pytest.approx(6 / 9)
    assert difference["low"] <= difference["difference"] <= difference["high"]
    same = {"difference": 0, "low": 0, "high": 0, "p": 1, "p_holm": 1}
    assert written["paired"]["sft-more - sft"]["supported"] == same
    accuracy = written["paired"]["grpo - sft-more"]["diagnosis_accuracy"]
    assert (accuracy["gained"], accuracy["lost"], accuracy["mcnemar_p"]) == (2, 0, 0.5)
    assert written["corruption"] == {"boilerplate": 0.3, "rounded": 0.2}


def test_the_recipe_beside_a_comparison_gives_the_same_again(ecg_r1, three, tmp_path):
    said = ecg_r1("compare", *three, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    files = [tmp_path / "out" / name for name in ("compare.json", "report.html", "recipe.yaml")]
    before = [path.read_bytes() for path in files]
    recipe = read_recipe(files[-1])
    assert (recipe.corpus, recipe.decoding.max_tokens) == (str(tmp_path / "corpus" / "held-out"), 128)
    said = ecg_r1("evaluate", files[-1])
    assert said.code == 0, said.err
    assert [path.read_bytes() for path in files] == before


def test_a_dry_run_prints_the_resolved_recipe_and_writes_nothing(ecg_r1, three, tmp_path):
    recipe = {"stage": "evaluate", "models": [str(run) for run in three], "out": str(tmp_path / "out")}
    (tmp_path / "evaluate.yaml").write_text(yaml.safe_dump(recipe))
    there = sorted(tmp_path.rglob("*"))
    said = ecg_r1("evaluate", tmp_path / "evaluate.yaml", "resamples=9", "--dry-run")
    assert said.code == 0, said.err
    resolved = yaml.safe_load(said.out)
    assert (resolved["resamples"], resolved["decoding"]["max_tokens"]) == (9, 128)
    assert sorted(tmp_path.rglob("*")) == there


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("models=[nowhere]", "nowhere: no such run"),
        ("models=[]", '"models": List should have at least 1 item'),
        ("corpus=nowhere", "nowhere: no corpus split here"),
        ("seeds=[nowhere]", "nowhere: missing; a seed is the compare.json"),
        ("decoding.top_p=0.9", "top_p changes nothing at temperature 0"),
        ("decoding.n=4", "n changes nothing at temperature 0"),
        ("decoding.max_token=4", 'unknown key "decoding.max_token" — did you mean "max_tokens"?'),
        ("judge=gpt", 'unknown key "judge"'),
        ("stage=sft", "evaluate.yaml"),
    ],
)
def test_a_dry_run_finds_what_is_wrong(ecg_r1, three, tmp_path, change, message):
    (tmp_path / "evaluate.yaml").write_text(f"stage: evaluate\nmodels: [{three[0]}]\nout: {tmp_path}/out\n")
    said = ecg_r1("evaluate", tmp_path / "evaluate.yaml", change, "--dry-run")
    assert (said.code, message in said.err) == (2, True), said.err
    assert "Traceback" not in said.err


def test_other_commands_send_an_evaluation_on(ecg_r1, three, tmp_path):
    (tmp_path / "evaluate.yaml").write_text(f"stage: evaluate\nmodels: [{three[0]}]\n")
    said = ecg_r1("train", tmp_path / "evaluate.yaml")
    assert (said.code, "`ecg-r1 evaluate`" in said.err) == (2, True)
    said = ecg_r1("compare", tmp_path / "evaluate.yaml")
    assert (said.code, "is a recipe and no endpoint; give it to `ecg-r1 evaluate`" in said.err) == (2, True)


def test_the_same_seed_gives_the_same_intervals(three, tmp_path):
    first, again = (compared(three, tmp_path / "out", resamples=50, seed=3)["paired"] for _ in range(2))
    assert first == again
    assert first != compared(three, tmp_path / "out", resamples=50, seed=4)["paired"]


def test_the_order_of_predictions_does_not_matter(write_run, tmp_path):
    turned = dict(reversed(RIGHT.items()))
    result = compared([write_run("a", RIGHT), write_run("b", turned)], tmp_path / "out", resamples=20)
    assert result["paired"]["b - a"]["supported"] == {"difference": 0, "low": 0, "high": 0, "p": 1, "p_holm": 1}


def test_shuffled_ecgs_are_scored_against_the_record_they_were_dealt_to(write_run, tmp_path):
    dealt = dict(zip(RIGHT, [RIGHT["r1"], RIGHT["r2"], RIGHT["r0"]], strict=True))
    model = compared([write_run("grpo", RIGHT, shuffled=dealt)], tmp_path / "out")["models"]["grpo"]
    shuffled = model["mirage"]["conditions"]["shuffled"]["diagnosis_accuracy"]
    assert (model["diagnosis_accuracy"], shuffled, model["chance_accuracy"]) == (1, 0, pytest.approx(1 / 3))


def test_other_seeds_are_carried_along(three, tmp_path):
    compared(three, tmp_path / "seed-1", resamples=20)
    result = compared(three, tmp_path / "out", resamples=20, seeds=[str(tmp_path / "seed-1")])
    assert result["seeds"][0]["name"] == "seed-1"
    assert result["seeds"][0]["paired"]["grpo - sft-more"] == result["paired"]["grpo - sft-more"]
    assert "seed-1" in (tmp_path / "out" / "report.html").read_text()


def test_examples_of_one_patient_are_drawn_together(write_run, tmp_path):
    truths = [truth | {"patient": "p0" if truth["record"] != "r2" else "p1"} for truth in TRUTHS]
    examples = [{"id": f"{t['record']}-{i}", "records": [t["record"]], "question": "?"} for t in truths for i in (0, 1)]
    write_split(tmp_path / "corpus" / "held-out", truths, examples)
    a, b = ({e["id"]: texts[e["records"][0]] for e in examples} for texts in (STOCK, RIGHT))
    result = compared([write_run("a", a), write_run("b", b)], tmp_path / "out", resamples=200)
    assert (result["examples"], result["records"], result["clusters"]) == (6, 3, 2)
    # r1 and r2 are gained, twice each, in two patients: both signs could fall alike in half of all ways
    accuracy = result["paired"]["b - a"]["diagnosis_accuracy"]
    assert (accuracy["gained"], accuracy["lost"], accuracy["mcnemar_p"]) == (4, 0, 0.5)


def test_several_answers_to_each_example_are_averaged(write_run, tmp_path):
    both = {example: [RIGHT[example], STOCK[example]] for example in RIGHT}
    decoding = {"temperature": 0.7, "n": 2}
    model = compared([write_run("a", both, **decoding)], tmp_path / "out", decoding=decoding)["models"]["a"]
    assert model["diagnosis_accuracy"] == pytest.approx(4 / 6)
    assert (tmp_path / "out" / "report.html").read_text().count("<article") == 3


def test_answers_that_were_cut_off_are_shown(write_run, tmp_path):
    truths = [TRUTHS[0] | {"record": f"r{i}"} for i in range(200)]
    write_split(tmp_path / "corpus" / "held-out", truths)
    texts = {truth["record"]: RIGHT["r0"] for truth in truths}
    result = compared([write_run("a", texts, cut=["r0", "r1"])], tmp_path / "out", resamples=5)
    assert result["models"]["a"]["cut"] == 0.01
    b = write_run("b", texts, cut=["r0", "r1", "r2"])
    refused = r"b/.*: 3 of 200 answers \(1.5%\) were cut off at 128 tokens; raise `decoding.*`max_cut: 0.02` in the"
    with pytest.raises(RunError, match=refused):
        compared([b], tmp_path / "out")
    result = compared([b], tmp_path / "out", resamples=5, max_cut=0.02)
    assert result["models"]["b"]["cut"] == 0.015
    assert "max_cut: 0.02" in (tmp_path / "out" / "recipe.yaml").read_text()


def test_answers_that_repeat_themselves_are_judged_as_they_are(write_run, tmp_path):
    truths = [TRUTHS[0] | {"record": f"r{i}"} for i in range(200)]
    write_split(tmp_path / "corpus" / "held-out", truths)
    texts = {f"r{i}": RIGHT["r0"] for i in range(200)} | {f"r{i}": "75 bpm 75 are" + " 4" * 200 for i in range(3)}
    result = compared([write_run("a", texts, cut=["r0", "r1", "r2"])], tmp_path / "out", resamples=5)
    assert result["models"]["a"]["cut"] == 0.015


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("a" + " 4" * 40, True),
        ("PR PR PR 160 ms; " * 9, True),
        (
            "ST depression in V5, deepest with 0.2 mV. " * 3 + 40 * "word " + "inverted T-waves; " * 5 + "inverted T",
            True,
        ),
        ("sinus rhythm; " * 3 + "normal ECG", False),
        ("a 4 4 4 4 4 4 4 4", False),
        ("75 bpm 75 bpm", False),
        ("", False),
        ("aaaa", False),
    ],
)
def test_a_text_repeats_itself_where_it_ends_in_one_passage_over_and_over(text, repeats):
    assert repeats_itself(text) is repeats


def test_refuses_answers_that_are_not_those_to_the_split(write_run, tmp_path):
    fewer = {example: RIGHT[example] for example in ("r0", "r1")}
    for texts, message in (
        (fewer, r"held-out\.jsonl: 1 examples without an answer, e\.g\. r2"),
        ({**RIGHT, "r9": RIGHT["r0"]}, r"1 examples of which .*held-out has none, e\.g\. r9"),
        ({**RIGHT, "r0": [RIGHT["r0"]] * 2}, r"1 examples with another number of answers than 1, e\.g\. r0"),
    ):
        with pytest.raises(RunError, match=message):
            compared([write_run("a", RIGHT), write_run("b", texts)], tmp_path / "out")


def test_refuses_different_decoding_that_cannot_be_made_again(write_run, tmp_path):
    run = write_run("a", RIGHT)
    with pytest.raises(RunError, match=r"max_tokens 128, not 64, and cannot be made again: .*runs/a/model is missing"):
        compared([run], tmp_path / "out", decoding={"max_tokens": 64})


def test_refuses_two_models_of_one_name(write_run, tmp_path):
    a = write_run("a", RIGHT)
    shutil.copytree(a, tmp_path / "elsewhere" / "a")
    with pytest.raises(RunError, match="named 'a'"):
        compared([a, tmp_path / "elsewhere" / "a"], tmp_path / "out")


def test_refuses_to_write_into_a_run(write_run, tmp_path):
    run = write_run("a", RIGHT)
    before = (run / "recipe.yaml").read_text()
    with pytest.raises(RunError, match=r"a/recipe\.yaml: belongs to something else; choose another `out:`"):
        compared([run], run)
    assert (run / "recipe.yaml").read_text() == before


def test_says_what_is_missing(write_run, tmp_path):
    run = write_run("a", RIGHT)
    (run / "predictions" / "held-out.jsonl").unlink()
    with pytest.raises(ValueError, match=r"a/model: neither a preset nor a checkpoint"):
        compared([run], tmp_path / "out")
    (run / "finished.json").unlink()
    with pytest.raises(RunError, match="no finished run"):
        compared([run], tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"example": "r0"}', ":4: a prediction has example, prompt, completion, tokens, cut; this row has example"),
        ("{", ":4: not JSON"),
    ],
)
def test_names_the_line_of_a_bad_prediction(write_run, tmp_path, line, message):
    run = write_run("a", RIGHT)
    with (run / "predictions" / "held-out.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunError, match=message):
        compared([run], tmp_path / "out")


def test_another_corpus_at_the_same_path_is_noticed(write_run, tmp_path):
    run = write_run("a", RIGHT)
    write_split(tmp_path / "corpus" / "held-out", [TRUTHS[0] | {"diagnoses": ["sinus tachycardia"]}, *TRUTHS[1:]])
    with pytest.raises(RunError, match="made with another corpus, and cannot be made again"):
        compared([run], tmp_path / "out")


def test_runs_compare_from_any_folder_and_after_they_were_moved_with_their_corpus(write_run, tmp_path, monkeypatch):
    run = write_run("a", RIGHT)
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe |= {"run": "runs/a", "corpus": {"train": "corpus/held-out", "evaluate": "corpus/held-out"}}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (run / "environment.json").write_text(json.dumps({"folder": str(tmp_path)}))  # where the command ran
    here = tmp_path / "somewhere" / "else"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    expected = compared([run], here / "out")
    for name in ("runs", "corpus"):
        (tmp_path / name).rename(here / name)
    assert compared([here / "runs" / "a"], here / "out") == expected
    assert compared([os.path.relpath(here / "runs" / "a")], here / "out") == expected
    (here / "corpus").rename(here / "gone")
    with pytest.raises(RunError, match=r"a/recipe\.yaml: corpus\.evaluate: no folder corpus/held-out, neither beside"):
        compared([here / "runs" / "a"], here / "out")
    named = str(here / "gone" / "held-out")
    assert compared([here / "runs" / "a"], here / "out", corpus=named)["models"] == expected["models"]


@pytest.fixture
def finished(write_run):
    """Two runs whose predictions are not there yet; predicting would need their models, which they lack."""
    runs = [write_run("a", RIGHT), write_run("b", RIGHT)]
    for run in runs:
        shutil.rmtree(run / "predictions")
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
    recipe = yaml.safe_load((b / "recipe.yaml").read_text())
    (b / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"corpus": {"evaluate": str(other)}}))
    said = ecg_r1("compare", a, b, "--out", tmp_path / "out")
    assert said.code == 2
    assert f"{a} and {b}: evaluated on different records, {tmp_path}/corpus/held-out and {other}; name" in said.err


def test_a_run_that_is_not_there_names_the_nearest_one(ecg_r1, finished, tmp_path):
    said = ecg_r1("compare", finished[0], finished[1].with_name("bb"), "--out", tmp_path / "out")
    assert (said.code, said.err) == (2, f'{tmp_path}/runs/bb: no such run — did you mean "{tmp_path}/runs/b"?\n')


def test_a_file_without_predictions_says_so(tmp_path):
    lines(tmp_path / "a.jsonl", [])
    with pytest.raises(RunError, match="holds no predictions"):
        read_predictions(tmp_path / "a.jsonl")
