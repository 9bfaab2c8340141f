"""A kill at any step of writing never leaves old content under a new label, and the repeated command mends it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kills import at_every_step, wait_for
from splits import QUESTION, write_split

from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.writer import SplitWriter
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.files import write_atomically, write_labelled
from ecg_r1.runs.fingerprint import fingerprint
from ecg_r1.runs.predictions import Prediction, label_of, read_label, read_predictions, write_predictions

ROWS = [{"record": f"r{k}", "diagnoses": ["normal ECG"], "measurements": {"pr_ms": 160.0}} for k in range(3)]


def answers(text: str) -> list[Prediction]:
    return [Prediction(f"r{k}", QUESTION, text, 3, False) for k in range(3)]


def empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


@pytest.mark.parametrize("there", [True, False])
def test_answers_and_their_label_fit_after_every_kill(tmp_path, there):
    folder = tmp_path / "predictions"
    path = folder / "held-out.jsonl"

    def before():
        empty(folder)
        if there:
            write_predictions(path, answers("old"), {"decoding": {"seed": "old"}})

    def write():
        write_predictions(path, answers("new"), {"decoding": {"seed": "new"}})

    seen = set()
    for _ in at_every_step(write, folder, before=before):
        label = read_label(path)
        if label is not None:
            (said,) = {row.completion for rows in read_predictions(path).values() for row in rows}
            assert said == label["decoding"]["seed"]
        seen.add(label and label["decoding"]["seed"])
        write()  # the repeated command
        assert read_label(path) == {"decoding": {"seed": "new"}}
        assert sorted(os.listdir(folder)) == ["held-out.json", "held-out.jsonl"]
    assert seen == ({"old", None} if there else {None})


def test_a_comparison_s_files_are_of_one_comparison_after_every_kill(tmp_path):
    folder = tmp_path / "out"
    names = ("report.html", "compare.json", "recipe.yaml")

    def files(text):
        return folder / "recipe.yaml", text, {folder / name: text for name in names[:2]}

    def before():
        empty(folder)
        write_labelled(*files("old"))

    for _ in at_every_step(lambda: write_labelled(*files("new")), folder, before=before):
        texts = {name: (folder / name).read_text() for name in names if (folder / name).is_file()}
        assert "recipe.yaml" not in texts or set(texts.values()) == {"old"}
        assert set(texts) >= set(names[:2])


def test_a_file_that_is_replaced_is_the_old_or_the_new_one_after_every_kill(tmp_path):
    folder = tmp_path / "run"

    def before():
        empty(folder)
        (folder / "metrics.jsonl").write_text("old")

    for _ in at_every_step(lambda: write_atomically(folder / "metrics.jsonl", "new"), folder, before=before):
        assert (folder / "metrics.jsonl").read_text() in ("old", "new")


def test_a_log_that_is_cut_back_on_resume_keeps_its_steps_after_every_kill(tmp_path):
    transformers = pytest.importorskip("transformers")
    from ecg_r1.train.metrics_log import MetricsLog

    folder = tmp_path / "run"
    path, rows = folder / "metrics.jsonl", [json.dumps({"step": step}) for step in (1, 2, 3)]
    state = transformers.TrainerState(global_step=2)
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), report_to=[])

    def before():
        empty(folder)
        path.write_text("\n".join(rows) + "\n")

    def resume():
        MetricsLog(path).on_train_begin(arguments, state, transformers.TrainerControl())

    for _ in at_every_step(resume, folder, before=before):
        assert path.read_text().splitlines()[:2] == rows[:2]


def build(folder: Path) -> None:
    """A split of three records, each counted as whole before the next begins; a repeated build goes on."""
    facts = {"split": "train", "page_size": 32, "pages": "stored", "prompts": {"system": None}}
    with SplitWriter(folder, facts) as writer:
        if writer.complete:
            return
        for k in range(writer.records, 3):
            signal = np.full((12, 5000), k / 10, np.float32)
            record = ECGRecord(f"r{k}", signal, np.ones(12, bool), diagnoses=("normal ECG",), source="test")
            writer.add(record, Measurements.from_json({"pr_ms": 160.0}), np.full((32, 32, 3), k, np.uint8))
            writer.add_example(Example(f"r{k}", (f"r{k}",), QUESTION, "normal ECG"))
            writer.flush()
        writer.finish()


def test_a_split_ends_with_the_same_bytes_after_every_kill(tmp_path):
    build(tmp_path / "whole")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    folder = tmp_path / "train"
    kills = 0
    for _ in at_every_step(lambda: build(folder), folder, before=lambda: shutil.rmtree(folder, ignore_errors=True)):
        kills += 1
        build(folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
        assert list(RecordStore(folder).ids) == ["r0", "r1", "r2"]
    assert kills > 20


def test_the_lock_and_what_is_being_written_do_not_change_a_fingerprint(tmp_path):
    folder = write_split(tmp_path / "train", ROWS, page_size=32)
    before = fingerprint(folder)
    for name in (".lock", "records.arrow.part"):
        (folder / name).write_text("of another process")
    assert fingerprint(folder) == before
    with (folder / "signals.i16").open("r+b") as signals:  # one bit, the same size and time
        signals.write(b"\1")
    assert fingerprint(folder) != before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"decoding": null}', '{"decoding": [1]}', '{"decoding": "x"}']
)
def test_a_damaged_label_counts_as_none(tmp_path, text):
    path = tmp_path / "held-out.jsonl"
    write_predictions(path, answers("old"), {"decoding": {}})
    assert read_label(path) == {"decoding": {}}
    label_of(path).write_text(text)
    assert read_label(path) is None


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    torch = pytest.importorskip("torch")
    from ecg_r1.model.checkpoint import load_model, save

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny") / "tiny"
    save(*load_model("tiny", texts=[QUESTION, "Rate 75 bpm. normal ECG"]), folder)
    return folder


def test_a_predict_that_is_killed_is_repeated_and_replaced_weights_are_said(tiny, tmp_path):
    """The real command: killed while it answers, repeated, and repeated once more with new weights."""
    import torch

    from ecg_r1.model.checkpoint import load_model, save

    split = write_split(tmp_path / "held-out", ROWS, page_size=112)
    model = shutil.copytree(tiny, tmp_path / "model")
    command = [
        sys.executable, "-m", "ecg_r1", "predict", str(model), "--corpus", str(split), "--engine", "hf",
        "--max-tokens", "4", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    folder = tmp_path / "out" / "predictions" / "model"
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for((folder / ".lock").is_file, what="the lock of the answers")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (folder / "held-out-shuffled.json").exists()

    def repeated() -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        less = ("-shuffled", "-no-signal", "-no-page", "-nothing", "-other-page")
        names = [f"held-out{condition}{ending}" for condition in ("", *less) for ending in (".json", ".jsonl")]
        assert sorted(os.listdir(folder)) == sorted(names)
        return done.stderr

    assert "made again" not in repeated()
    label = json.loads((folder / "held-out.json").read_text())
    assert label["model"].startswith("sha256:")
    assert label["corpus"] == fingerprint(split)
    torch.manual_seed(1)
    save(*load_model("tiny", texts=[QUESTION, "Rate 75 bpm. normal ECG"]), model)
    assert f"{folder}/held-out.jsonl: made with another model; made again" in repeated()
    assert json.loads((folder / "held-out.json").read_text())["model"] != label["model"]
