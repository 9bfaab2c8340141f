"""The command line: each command does what its room does and prints where the result lies."""

import json
import re
import time
from pathlib import Path

import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate

COMMANDS = ("corpus", "train", "predict", "compare", "inspect", "render")


@pytest.fixture
def record(tmp_path) -> Path:
    return write_record(next(simulate(1, seed=2)).record, tmp_path)


def test_help_names_every_command(ecg_r1):
    said = ecg_r1("--help")
    assert said.code == 0
    assert all(name in said.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(ecg_r1, command):
    said = ecg_r1(command, "--help")
    assert said.code == 0
    assert re.search(rf"Usage: .* {command} \[OPTIONS\]", said.out)


def test_an_unknown_command(ecg_r1):
    assert ecg_r1("trian").code == 2


def test_corpus_prints_its_splits(ecg_r1, tmp_path):
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text(
        f"stage: corpus\nout: {tmp_path}/c\npage_size: 32\nworkers: 1\nsplits: {{a: [{{simulate: 2}}]}}\n"
    )
    said = ecg_r1("corpus", recipe)
    assert said.code == 0
    assert said.out.splitlines()[-1] == f"{tmp_path}/c/a"
    assert len(RecordStore(tmp_path / "c" / "a")) == 2


def test_corpus_and_train_send_each_other_s_recipes_on(ecg_r1, tmp_path):
    recipes = Path(__file__).parents[1] / "recipes" / "tiny"
    said = ecg_r1("corpus", recipes / "sft.yaml")
    assert (said.code, "`ecg-r1 train` runs it" in said.err) == (2, True)
    said = ecg_r1("train", recipes / "corpus.yaml")
    assert (said.code, "`ecg-r1 corpus`" in said.err) == (2, True)


def test_predict_and_compare_name_what_is_missing(ecg_r1, tmp_path):
    for command in ("predict", "compare"):
        said = ecg_r1(command, tmp_path)
        assert said.code == 2
        assert f"{tmp_path}: no finished run" in said.err


def test_render_writes_a_page(ecg_r1, record, tmp_path):
    image = pytest.importorskip("PIL.Image")
    said = ecg_r1("render", record, "-o", tmp_path / "page.png", "--layout", "12x1")
    assert said.code == 0
    assert image.open(tmp_path / "page.png").size[0] > 300


def test_inspect_shows_a_completion_with_its_scores(ecg_r1, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    text = "<think>PR interval 160 ms.</think><answer>normal ECG</answer>"
    claim = {"verdict": "supported", "span": [7, 25], "text": "PR interval 160 ms", "measured": 158.0, "unit": "ms"}
    row = {
        "step": 3, "prompt": "?", "completion": text, "evidence": json.dumps([claim]), "advantage": 0.5,
        "record": "r7", "intervals": 0.8, "intervals/explanation": "1 of 1 quotes supported",
    }  # fmt: skip
    (tmp_path / "completions").mkdir()
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "completions" / "completions_00003.parquet")
    said = ecg_r1("inspect", tmp_path, "-n", 1)
    assert said.code == 0
    for shown in (
        "step 3  r7",
        "supported  PR interval 160 ms  (measured: 158 ms)",
        "+0.80",
        "1 of 1 quotes supported",
    ):
        assert shown in said.out


def test_inspect_without_completions(ecg_r1, tmp_path):
    said = ecg_r1("inspect", tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "no completions" in said.err
    assert said.err.count("\n") == 1


def test_help_is_there_at_once(ecg_r1):
    began = time.process_time()
    ecg_r1("--help")
    assert time.process_time() - began < 1.0
