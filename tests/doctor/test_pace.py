"""Time and cost are carried over from what was measured, by the work of a step."""

import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from ecg_r1.doctor.pace import of_step, pace
from ecg_r1.recipe import RecipeError, read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = ["model=tiny", "trainer.num_generations=4", "trainer.per_device_train_batch_size=8", "shared_prefix=false"]


def grpo(*overrides):
    return read_recipe(RECIPES / "tiny/grpo.yaml", [*SMALL, *overrides])


@pytest.fixture
def run(tmp_path):
    """A run of 2 seconds a step; its first step, in which things are compiled, took longer."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(grpo().model_dump()))
    times = [0, 30, 32, 34, 36]
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": i, "time": t}) + "\n" for i, t in enumerate(times))
    )
    return folder


def test_the_same_recipe_takes_what_it_took(run):
    (time,) = pace(grpo(), run, None)
    assert time.found == f"33.3 min: 2 s a step, 2 s in {run}"


def test_cost_is_hours_times_devices_times_price(run):
    time, cost = pace(grpo("processes=4"), run, 3.6)
    assert "33.3 min on each of 4 devices" in time.found
    assert cost.found == "8.00: 4 x 0.556 h x 3.6"


def test_twice_the_rows_take_twice_the_time_and_a_shared_prefix_less(run):
    double = grpo("trainer.per_device_train_batch_size=16")
    assert "4 s a step" in pace(double, run, None)[0].found
    shared, plain = of_step(grpo("shared_prefix=true")), of_step(grpo())
    prompt = (plain.read - plain.written) / 8
    assert shared.read == plain.read - 6 * prompt  # two prompts, each read once for four completions
    assert of_step(grpo("trainer.max_completion_length=160")).written == 2 * plain.written


def test_a_gpu_is_predicted_from_its_benchmark(tmp_path):
    rows = [
        {"what": "update, plain", "share of peak": 0.4, "per second": 1.0},
        {"what": "update, shared prefix", "share of peak": 0.5, "per second": 1.0},
        {"what": "rollout, transformers", "per second": 100.0},
    ]
    said = {"device": "a GPU", "preset": "tiny", "peak TFLOP/s": 1e-6, "rows": rows}
    file = tmp_path / "gpu.txt"
    file.write_text("towers seconds 1\n" + json.dumps(said) + "\n")
    work = of_step(grpo())
    seconds = 6 * work.weights * work.read / (0.4 * 1e6) + work.written / 100
    assert f"{seconds:.3g} s a step, as {file} says of a GPU" in pace(grpo(), file, None)[0].found


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": [1]}', "{", "\udcff"])
def test_a_file_without_rates_is_one_line(tmp_path, content):
    file = tmp_path / "gpu.txt"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RecipeError, match="neither a run's folder nor the JSON"):
        pace(grpo(), file, None)


def test_what_was_measured_at_another_stage_is_refused(run):
    with pytest.raises(RecipeError, match="was measured at stage grpo, and this recipe is of stage sft"):
        pace(read_recipe(RECIPES / "tiny/sft.yaml", ["model=tiny"]), run, None)
    (run / "metrics.jsonl").write_text('{"step": 1, "time": 3}\n')
    with pytest.raises(RecipeError, match="fewer than two logged steps"):
        pace(grpo(), run, None)


def test_the_command_says_time_and_cost(ecg_r1, run):
    said = ecg_r1("doctor", RECIPES / "tiny/grpo.yaml", *SMALL, "--measured", run, "--price", "3.6")
    assert (said.code, "33.3 min" in said.out, "2.00: 1 x 0.556 h x 3.6" in said.out) == (0, True, True)
    assert ecg_r1("doctor", "--measured", run).err == "--price needs --measured, and --measured needs a recipe\n"
    said = ecg_r1("doctor", RECIPES / "tiny/corpus.yaml", "--measured", run)
    assert "--measured predicts the time of a training recipe, and this is none" in said.err
