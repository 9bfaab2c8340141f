"""An experiment tracker gets the scalars, and a table of completions with their scores and the page."""

import json
import os
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("trl")

from PIL import Image

from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.train import trackers
from ecg_r1.train.trackers import TABLES, has_table, log_completions

RECIPE = Path(__file__).parents[2] / "recipes" / "tiny" / "grpo.yaml"


def logged(folder):
    """The rows of Trackio's own file."""
    with sqlite3.connect(folder / "ecgs.db") as database:
        return [json.loads(row) for (row,) in database.execute("select metrics from metrics order by id")]


@pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed: pip install trackio")
def test_trackio_shows_scalars_and_completions_with_scores_and_pages(split, tmp_path):
    save(*load_model("tiny", texts=["Report this ECG. normal ECG"]), tmp_path / "tiny")
    words = [
        "train", RECIPE, f"run={tmp_path}/run", f"model={tmp_path}/tiny", f"corpus={{train: {split}}}",
        "deepspeed=null", "rollout.engine=hf", "trainer.max_steps=1", "trainer.per_device_train_batch_size=4",
        "trainer.num_generations=4", "trainer.max_completion_length=4", "trainer.save_strategy=no",
        "trainer.report_to=trackio", "trainer.project=ecgs", "trainer.run_name=first",
    ]  # fmt: skip
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")}
    done = subprocess.run(
        [sys.executable, "-m", "ecg_r1", *map(str, words)],
        capture_output=True, text=True, env=environment, timeout=540, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == f"{tmp_path}/run\n"
    rows = logged(tmp_path / "trackio")
    scalars = {name: value for row in rows for name, value in row.items() if name.startswith("train/")}
    assert {"train/reward", "train/rewards/intervals/mean", "train/loss"} <= scalars.keys()
    table = next(row["completions"]["_value"] for row in rows if "completions" in row)
    assert len(table) == 4
    for row in table:
        assert {"completion", "example", "format", "diagnosis", "intervals", "evidence", "advantage"} <= row.keys()
        (page,) = row["image"]
        with Image.open(tmp_path / "trackio" / "media" / page["file_path"]) as shown:
            assert shown.size == (32, 32)


def test_a_tracker_that_trl_leaves_out_gets_the_same_table(monkeypatch):
    given = []
    monkeypatch.setitem(TABLES, "mlflow", lambda *arguments: given.append(arguments))
    log_completions(["tensorboard", "mlflow", "wandb"], "table", ["page"], 3)
    assert given == [("table", ["page"], 3)]
    assert has_table(["mlflow"])
    assert has_table(["tensorboard", "trackio"])
    assert not has_table(["tensorboard"])


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed: pip install mlflow")
def test_mlflow_keeps_a_table_for_each_step(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow
    import numpy as np
    import pandas as pd

    mlflow.set_tracking_uri(f"file:{tmp_path}")
    mlflow.set_experiment("ecgs")
    table = pd.DataFrame({"completion": ["a", "b"], "format": [1.0, None]})
    with mlflow.start_run():
        log_completions(["mlflow"], table, [np.zeros((32, 32, 3), np.uint8), None], 7)
    (kept,) = tmp_path.rglob("completions/00007.json")
    assert json.loads(kept.read_text())["columns"] == ["completion", "format", "page"]
    assert list(tmp_path.rglob("*.png"))


def test_a_release_that_transformers_cannot_start_is_refused_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: True)
    monkeypatch.setattr(trackers, "version", lambda name: "0.10.3")
    assert trackers.unusable("swanlab").endswith("pip install 'swanlab<0.8'")
    monkeypatch.setattr(trackers, "version", lambda name: "0.7.20")
    assert trackers.unusable("swanlab") is None
