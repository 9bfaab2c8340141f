"""The whole chain on the real engines, small: corpus, towers, SFT, GRPO (vLLM, DeepSpeed, killed once), compare."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")
pytest.importorskip("deepspeed")

import pyarrow.parquet as parquet
from safetensors.torch import load_file

from ecg_r1.train.extensions import extensions_folder

pytestmark = pytest.mark.timeout(1500)  # the fixture trains four models; a busy machine needs most of it

RECIPES = Path(__file__).parents[1] / "recipes" / "tiny"
STEPS = 3


def ecg_r1(*words):
    return [sys.executable, "-m", "ecg_r1", *map(str, words)]


def run(*words):
    done = subprocess.run(ecg_r1(*words), capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """SFT model good enough that shuffling the ECGs shows; GRPO for a few steps, killed after its first checkpoint."""
    runs = tmp_path_factory.mktemp("runs")
    splits = "{sft: [{simulate: 660}], rl: [{simulate: 33}], held-out: [{simulate: 110}]}"
    run("corpus", RECIPES / "corpus.yaml", f"out={runs}/corpus", f"splits={splits}")
    sft = f"corpus={{train: {runs}/corpus/sft, evaluate: {runs}/corpus/held-out}}"
    run("train", RECIPES / "pretrain.yaml", f"run={runs}/pretrain", sft, "trainer.max_steps=200")
    run(
        "train", RECIPES / "sft.yaml", f"run={runs}/sft", f"model={runs}/pretrain", sft,
        "trainer.max_steps=120", "trainer.per_device_train_batch_size=32",
    )  # fmt: skip
    grpo = ecg_r1(
        "train", RECIPES / "grpo.yaml", f"run={runs}/grpo", f"model={runs}/sft",
        f"corpus={{train: {runs}/corpus/rl, evaluate: {runs}/corpus/held-out}}",
        f"trainer.max_steps={STEPS}", "trainer.per_device_train_batch_size=16", "trainer.num_generations=4",
        "trainer.save_steps=1", "trainer.learning_rate=3e-4", "held_out={every: 2, examples: 24}",
    )  # fmt: skip
    kill_after_first_checkpoint(grpo, runs / "grpo")
    # What a run killed while it loads DeepSpeed's operator leaves: torch would wait for this file to vanish.
    (extensions_folder() / "deepspeed_shm_comm" / "lock").touch()
    run(*grpo[3:])
    run("compare", runs / "sft", runs / "grpo", "--out", runs)
    return runs


def kill_after_first_checkpoint(command, folder):
    output = folder.parent / "killed.log"
    with output.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.time() + 300
        while not list(folder.glob("checkpoints/checkpoint-*/trainer_state.json")):
            assert process.poll() is None, output.read_text()[-3000:]
            assert time.time() < deadline, f"no checkpoint in time: {output.read_text()[-3000:]}"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (folder / "finished.json").exists(), "the run ended before it could be killed"


def test_killed_run_goes_on_where_it_was(chain):
    steps = [row["step"] for row in metrics(chain / "grpo") if "reward" in row]
    assert steps == list(range(1, STEPS + 1))
    assert json.loads((chain / "grpo" / "finished.json").read_text())["steps"] == STEPS


def test_held_out_answers_are_measured_before_amid_and_after(chain):
    rows = [json.loads(line) for line in (chain / "grpo" / "held_out.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 2, STEPS]
    assert all({"supported", "diagnosis_accuracy", "cut"} <= row["values"].keys() for row in rows)
    assert rows[0]["values"]["diagnosis_accuracy"] > 0.5  # SFT's model, which the engine of the rollouts began with
    best = json.loads((chain / "grpo" / "best" / "best.json").read_text())
    assert best["value"] == max(row["values"]["supported"] for row in rows)
    assert load_file(chain / "grpo" / "best" / "model.safetensors").keys() == weights(chain / "grpo").keys()


def test_rollouts_and_policy_agree_at_every_step(chain):
    gaps = [row["sampling/sampling_logp_difference/mean"] for row in metrics(chain / "grpo") if "reward" in row]
    assert len(gaps) == STEPS
    assert max(gaps) <= 1e-4


@pytest.mark.parametrize(("before", "after"), [("pretrain", "sft"), ("sft", "grpo")])
def test_what_trains_changes_and_what_is_frozen_does_not(chain, before, after):
    old, new = weights(chain / before), weights(chain / after)
    assert old.keys() == new.keys()
    frozen = {name for name in old if name.startswith(("model.ecg_tower.", "model.vision_tower."))}
    assert frozen
    assert all(torch.equal(old[name], new[name]) for name in frozen)
    # Rows of the embedding that no text of the split uses get no gradient; every tensor as a whole changes.
    assert [name for name in old.keys() - frozen if torch.equal(old[name], new[name])] == []


def test_completions_are_kept_with_scores_and_evidence(chain):
    table = parquet.read_table(sorted((chain / "grpo" / "completions").glob("*.parquet"))[-1]).to_pandas()
    assert len(table) == 16
    columns = {"prompt", "completion", "example", "format", "diagnosis", "intervals", "evidence", "advantage"}
    assert columns <= set(table)
    assert any(json.loads(rows) for rows in table["evidence"])


def test_the_ecg_is_used(chain):
    model = json.loads((chain / "compare.json").read_text())["models"]["sft"]
    assert model["format"] >= 0.9
    assert model["diagnosis_accuracy"] > 0.6
    assert model["mirage"]["conditions"]["shuffled"]["diagnosis_accuracy"] < 0.25  # eleven diagnoses: chance is 0.09


def test_report_and_comparison_are_there(chain):
    result = json.loads((chain / "compare.json").read_text())
    assert result["records"] == 110
    assert set(result["paired"]) == {"grpo - sft"}
    assert result["paired"]["grpo - sft"]["supported"].keys() >= {"difference", "low", "high"}
    page = (chain / "report.html").read_text()
    assert page.count("<article") >= 12 or page.count("data:image") >= 12
