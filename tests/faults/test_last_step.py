"""A run that is killed while it saves ends with the same weights and the same number of steps as one that was not."""

import json

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
    # no completion is well formed, so each group is replaced until the budget is spent
    "dynamic": "rewards: [{name: format}]\nrollout: {engine: hf}\nreward_workers: {workers: 0}\n"
    "dynamic_sampling: {budget: 3}\ncurriculum: {passed: 0.5, least: 0.5}",
}
OF = {"lora": "sft", "dynamic": "grpo"}  # the stage of each, where its name is another
TRAINER = {"grpo": ", num_generations: 2, max_completion_length: 6, log_completions: true, num_completions_to_print: 0"}


def recipe(stage, split, folder, **changes):
    trainer = {"max_steps": STEPS, "save_steps": 1, "save_total_limit": 1, "logging_steps": 1} | changes
    options = ", ".join(f"{key}: {value}" for key, value in trainer.items())
    path = folder / f"{stage}.yaml"
    path.write_text(
        f"stage: {OF.get(stage, stage)}\nrun: {folder}/{stage}\nmodel: tiny\n"
        f"corpus: {{train: {split}}}\n{STAGE[stage]}\ntrainer: {{{options}, per_device_train_batch_size: 2, "
        f"learning_rate: 1.0e-3, report_to: none{TRAINER.get(OF.get(stage, stage), '')}}}\n"
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


FAST = [
    ("sft", "model without the mark"),
    ("grpo", "model without the mark"),
    ("sft", "rotation"),
    ("dynamic", "checkpoint without its state"),
]
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
