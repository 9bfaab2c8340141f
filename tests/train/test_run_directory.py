"""A run directory belongs to one recipe; what a killed run left in its log is mended on resume."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("transformers")

import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from ecg_r1.disk import DiskError, writing
from ecg_r1.recipe import RecipeError, SFTRecipe, read_recipe, to_yaml
from ecg_r1.runs.directory import RunDirectory
from ecg_r1.train.metrics_log import MetricsLog


def recipe(**changes) -> SFTRecipe:
    values = {"stage": "sft", "run": "runs/a", "model": "tiny", "corpus": {"train": "c"}, "trainer": {"max_steps": 5}}
    return SFTRecipe.model_validate(values | changes)


@pytest.fixture(autouse=True)
def corpus(tmp_path_factory, monkeypatch):
    """The recipe's split, in the folder where the tests run."""
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    Path("c").mkdir()
    Path("c/examples.arrow").write_text("rows")
    return Path("c")


def opened(folder) -> RunDirectory:
    run = RunDirectory(recipe(), folder)
    run.open()
    return run


def checkpoint(folder, step, state='{"global_step": 0}'):
    path = folder / "checkpoints" / f"checkpoint-{step}"
    path.mkdir()
    (path / "trainer_state.json").write_text(state)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_run_keeps_its_resolved_recipe(tmp_path):
    run = opened(tmp_path / "a")
    assert read_recipe(run.folder / "recipe.yaml") == recipe()
    assert (run.finished, run.last_checkpoint()) == (False, None)
    (run.checkpoints / "completions").mkdir()  # where TRL writes them
    assert (run.folder / "completions").is_dir()


def test_the_same_recipe_goes_on(tmp_path):
    opened(tmp_path / "a").finish(steps=5)
    checkpoint(tmp_path / "a", 4)
    again = RunDirectory(recipe(), tmp_path / "a")
    assert again.finished
    assert again.last_checkpoint() == str(tmp_path / "a" / "checkpoints" / "checkpoint-4")


def test_a_folder_that_is_spelled_another_way_is_the_same_run(tmp_path):
    opened(tmp_path / "a").finish(steps=5)
    assert RunDirectory(recipe(run="../elsewhere/a"), tmp_path / "a").finished
    with pytest.raises(RecipeError, match="another recipe") as error:
        RunDirectory(recipe(run="../elsewhere/a", trainer={"max_steps": 6}), tmp_path / "a")
    assert error.value.args[1:] == ("-  max_steps: 5", "+  max_steps: 6")


def test_checking_a_run_writes_nothing(tmp_path):
    RunDirectory(recipe(), tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("state", ["", '{"global_st', None])
def test_a_checkpoint_cut_short_is_passed_over(tmp_path, state):
    run = opened(tmp_path / "a")
    checkpoint(tmp_path / "a", 8)
    checkpoint(tmp_path / "a", 12, state or "")
    if state is None:  # killed before it was written
        (tmp_path / "a" / "checkpoints" / "checkpoint-12" / "trainer_state.json").unlink()
    assert run.last_checkpoint() == str(tmp_path / "a" / "checkpoints" / "checkpoint-8")


def test_a_damaged_mark_of_a_finished_run_is_said(tmp_path):
    run = opened(tmp_path / "a")
    (tmp_path / "a" / "finished.json").write_text('{"steps": 5, "sec')
    with pytest.raises(RecipeError, match=r"finished.json: cut short or damaged; remove it"):
        _ = run.finished


def test_a_run_of_an_older_version_goes_on_though_its_recipe_lacks_the_newer_keys(tmp_path):
    run = opened(tmp_path / "a")
    lines = (run.folder / "recipe.yaml").read_text().splitlines()
    (run.folder / "recipe.yaml").write_text("".join(f"{line}\n" for line in lines if not line.startswith("lora")))
    RunDirectory(recipe(), tmp_path / "a")


@pytest.mark.parametrize("text", ["", "stage: [sft", "just words"])
def test_a_damaged_recipe_is_no_run_of_ours(tmp_path, text):
    run = opened(tmp_path / "a")
    (run.folder / "recipe.yaml").write_text(text)
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        RunDirectory(recipe(), tmp_path / "a")


def begun(folder, *leaves):
    """A start that failed, and what else is there."""
    opened(folder).write_environment(seed=0)
    for name in leaves:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def test_a_start_that_came_to_nothing_makes_room_for_another_recipe(tmp_path, capsys):
    folder = begun(tmp_path / "a", "tensorboard/events", "initial/config.json")
    before = contents(folder)
    RunDirectory(recipe(seed=1), folder)
    assert contents(folder) == before
    for _ in range(2):  # each process of a run opens it
        run = RunDirectory(recipe(seed=1), folder)
        run.open()
    assert read_recipe(run.folder / "recipe.yaml") == recipe(seed=1)
    assert capsys.readouterr().err == f"{folder}: replaces a run that left no step and no checkpoint\n"


@pytest.mark.parametrize(
    "leaves",
    ["metrics.jsonl", "checkpoints/checkpoint-5/optimizer.pt", "model/config.json", "finished.json", "thesis.txt"],
)
def test_a_run_that_left_anything_keeps_its_folder(tmp_path, leaves):
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        RunDirectory(recipe(seed=1), begun(tmp_path / "a", leaves))


def test_a_run_that_began_since_the_folder_was_checked_keeps_it(tmp_path):
    run = RunDirectory(recipe(seed=1), begun(tmp_path / "a"))
    (tmp_path / "a" / "metrics.jsonl").write_text("{}")
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        run.open()


def test_a_run_does_not_go_on_with_a_corpus_that_was_built_again(tmp_path, corpus):
    run = begun(tmp_path / "a")
    (corpus / "examples.arrow").write_text("other rows")
    opened(run).write_environment(seed=0)  # it left no checkpoint: it begins anew, with what is there now
    checkpoint(run, 4)
    opened(run)
    (corpus / "examples.arrow").write_text("rows")
    with pytest.raises(RecipeError, match=f"{run}: began with other examples than c holds now; choose another `run:`"):
        opened(run)


def test_the_lock_of_a_killed_process_is_no_run(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".lock").write_text("{}")
    RunDirectory(recipe(), tmp_path / "a").open()
    begun(tmp_path / "a", ".lock")
    RunDirectory(recipe(seed=1), tmp_path / "a").open()


def test_a_recipe_that_no_run_was_started_from_is_left_alone(tmp_path):
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe()))
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        RunDirectory(recipe(seed=1), tmp_path)


def test_a_run_of_another_recipe_is_refused_and_left_alone(tmp_path):
    begun(tmp_path / "a", "metrics.jsonl")
    before = contents(tmp_path)
    with pytest.raises(RecipeError) as error:
        RunDirectory(recipe(seed=1, trainer={"max_steps": 9}), tmp_path / "a")
    assert "holds a run of another recipe; choose another `run:`" in str(error.value)
    assert "-  max_steps: 5" in str(error.value)
    assert "+  max_steps: 9" in str(error.value)
    assert "+seed: 1" in str(error.value)
    assert contents(tmp_path) == before


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RecipeError, match="is not empty and holds no run"):
        RunDirectory(recipe(), tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_the_environment_says_what_ran(tmp_path):
    run = opened(tmp_path / "a")
    run.write_environment(seed=3)
    facts = json.loads((run.folder / "environment.json").read_text())
    assert facts["seed"] == 3
    assert facts["packages"]["neurokit2"]
    assert facts["packages"]["torch"]


def log(path, at_step: int, *, world_zero: bool = True):
    state = TrainerState(global_step=at_step, is_world_process_zero=world_zero)
    callback = MetricsLog(path)
    arguments = (TrainingArguments(output_dir=str(path.parent), report_to=[]), state, TrainerControl())
    callback.on_train_begin(*arguments)
    return lambda **logs: callback.on_log(*arguments, logs=logs)


def steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_each_logged_step_is_one_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log(path, 1)(loss=2.0)
    log(path, 2)(loss=1.0, reward=0.5)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 2.0), (2, 1.0)]
    assert rows[1]["reward"] == 0.5
    assert rows[1]["time"] >= rows[0]["time"]


def test_steps_past_the_checkpoint_and_half_a_line_are_dropped_on_resume(tmp_path):
    path = tmp_path / "metrics.jsonl"
    whole = "".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in (1, 2, 3, 4))
    path.write_text(whole + '{"step": 5, "lo')
    log(path, 2)
    assert steps(path) == [1, 2]
    log(path, 3)(loss=0.5)
    assert steps(path) == [1, 2, 3]


def test_a_run_from_the_start_begins_an_empty_log(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 1.0}\n')
    log(path, 0)
    assert path.read_text() == ""


WRITES = {
    "a line": lambda folder: log(folder / "metrics.jsonl", 1)(loss=2.0),
    "weights": lambda folder: torch.save(torch.zeros(1_000_000), "/dev/full"),
}


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full to write to")
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_full_disk_is_said_in_one_line(tmp_path, write):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(DiskError, match="no space left on its disk; make room and repeat"), writing(tmp_path):
        write(tmp_path)


def test_other_errors_keep_their_name(tmp_path):
    with pytest.raises(RuntimeError, match="shapes do not fit"), writing(tmp_path):
        raise RuntimeError("shapes do not fit")


def test_other_processes_do_not_write(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log(path, 1, world_zero=False)(loss=1.0)
    assert not path.exists()
