"""A run that is killed while it saves ends with the same weights and the same number of steps as one that was not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from forked_runs import POINTS
from safetensors.torch import load_file

STEPS = 3  # of two steps an epoch: the last one ends amid an epoch
STAGE = {
    "pretrain": "",
    "sft": "",
    "lora": "lora: {parts: [language_model], r: 4}",
    "grpo": "rewards: [{name: length, limit: 24, cache: 24}]\nrollout: {engine: hf}\nreward_workers: {workers: 0}",
}
TRAINER = {"grpo": ", num_generations: 2, max_completion_length: 6, log_completions: true, num_completions_to_print: 0"}


@pytest.fixture(scope="module")
def forked():
    """Runs a command in a child; returns its exit status, -9 where it was killed."""
    command = [sys.executable, str(Path(__file__).with_name("forked_runs.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(*argv, kill=None):
            process.stdin.write(json.dumps({"argv": [str(word) for word in argv], "kill": kill}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


def recipe(stage, split, folder, **changes):
    trainer = {"max_steps": STEPS, "save_steps": 1, "save_total_limit": 1, "logging_steps": 1} | changes
    options = ", ".join(f"{key}: {value}" for key, value in trainer.items())
    path = folder / f"{stage}.yaml"
    path.write_text(
        f"stage: {'sft' if stage == 'lora' else stage}\nrun: {folder}/{stage}\nmodel: tiny\n"
        f"corpus: {{train: {split}}}\n{STAGE[stage]}\ntrainer: {{{options}, per_device_train_batch_size: 2, "
        f"learning_rate: 1.0e-3, report_to: none{TRAINER.get(stage, '')}}}\n"
    )
    return path


@pytest.fixture(scope="module")
def whole(forked, split, tmp_path_factory):
    """stage -> what an uninterrupted run ends with."""
    found = {}

    def end(stage):
        if stage not in found:
            folder = tmp_path_factory.mktemp("whole")
            assert forked("train", recipe(stage, split, folder)) == 0
            found[stage] = ended(folder / stage)
        return found[stage]

    return end


def ended(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {
        "steps": json.loads((run / "finished.json").read_text())["steps"],
        "logged": [(row["step"], row["loss"]) for row in rows if "loss" in row],
        "checkpoints": sorted(path.name for path in run.glob("checkpoints/checkpoint-*")),
        "files": sorted(path.name for path in run.iterdir()),
        "rollouts": {path.name: path.stat().st_size for path in run.glob("completions/*.parquet")},
        "weights": load_file(run / "model" / "model.safetensors"),
    }


FAST = [("sft", "model without the mark"), ("grpo", "model without the mark"), ("sft", "rotation")]
ALL = [(stage, point) for stage in STAGE for point in POINTS]


@pytest.mark.parametrize(
    ("stage", "point"), [pytest.param(*case, marks=[] if case in FAST else pytest.mark.slow) for case in ALL]
)
def test_a_killed_run_ends_as_one_that_was_not_killed(forked, whole, split, tmp_path, stage, point):
    path, run = recipe(stage, split, tmp_path), tmp_path / stage
    assert forked("train", path, kill=point) == -9
    assert not (run / "finished.json").exists()
    logged = len((run / "metrics.jsonl").read_text().splitlines())
    assert forked("train", path) == 0
    found, wanted = ended(run), whole(stage)
    weights, same = found.pop("weights"), {key: value for key, value in wanted.items() if key != "weights"}
    assert found == same
    assert [name for name, tensor in wanted["weights"].items() if not torch.equal(tensor, weights[name])] == []
    if point in ("model without the mark", "mark beside its place"):
        assert len((run / "metrics.jsonl").read_text().splitlines()) == logged, "a step was trained again"


@pytest.mark.slow
@pytest.mark.parametrize("budget", [{"max_steps": 4}, {"max_steps": -1, "num_train_epochs": 2}])
def test_a_budget_of_whole_epochs_is_kept_too(forked, split, tmp_path, budget):
    path, run = recipe("sft", split, tmp_path, **budget), tmp_path / "sft"
    assert forked("train", path, kill="model without the mark") == -9
    assert forked("train", path) == 0
    assert ended(run)["steps"] == 4


def test_a_finished_run_is_left_as_it_is(forked, split, tmp_path):
    path, run = recipe("sft", split, tmp_path, max_steps=1), tmp_path / "sft"
    assert forked("train", path) == 0
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert forked("train", path) == 0
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before
