"""Rollouts that are written ahead: with which weights, in what time, and what is left of them after a kill."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

from answering import KEY, Slow, answering
from kills import wait_for
from ports import free_port
from safetensors.torch import load_file
from transformers import TrainerCallback
from trl import GRPOConfig

from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.recipe import RewardWorkers
from ecg_r1.runs.fingerprint import WEIGHTS, fingerprint
from ecg_r1.scoring import load_reward
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.media import Media
from ecg_r1.train.overlap import OverlappedRollout
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.server_rollout import ServerRollout

STEPS = 5  # of two steps an epoch


class Slept(TrainerCallback):
    """An update takes so many seconds more."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_step_end(self, *args, **kwargs):
        time.sleep(self.seconds)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overlap") / "model"
    torch.manual_seed(0)
    save(*load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"]), folder)
    return folder


@pytest.fixture
def run(split, checkpoint, tmp_path):
    """Train for a few steps on a server; its trainer and the weights that each batch was written with."""

    def run(staleness, name, *, resume=None, seconds=0.0, update=0.0):
        model, processor = load_model(str(checkpoint))
        media = Media(RecordStore(split), processor)
        words = processor.tokenizer("normal ECG sinus rhythm", add_special_tokens=False)["input_ids"]
        engine = Slow(words, seconds)
        config = GRPOConfig(
            output_dir=str(tmp_path / name), per_device_train_batch_size=4, num_generations=2, max_completion_length=6,
            use_vllm=True, vllm_mode="colocate", vllm_importance_sampling_mode="token_truncate", max_steps=STEPS,
            save_steps=1, report_to=[], bf16=False, learning_rate=1e-3, disable_tqdm=True, logging_steps=1,
            dataloader_pin_memory=False, save_total_limit=None,
        )  # fmt: skip
        identity = fingerprint(checkpoint, WEIGHTS)
        with (
            answering(engine, checkpoint=identity) as url,
            RewardSet([load_reward("length", {"limit": 24, "cache": 24})], RewardWorkers(workers=0), media) as rewards,
        ):
            rollout = {
                "kind": ServerRollout, "checkpoint": str(checkpoint), "seed": 0, "engine": {}, "servers": [url],
                "key": KEY, "wait": 20.0, "folder": tmp_path / f"{name}-sync", "as_adapter": False,
            }  # fmt: skip
            if staleness:
                rollout |= {"kind": OverlappedRollout, "staleness": staleness}
            trainer = grpo_trainer(
                model, media, config, None, [Slept(update)], reward_set=rewards, credit="sequence", rollout=rollout
            )
            trainer.train(resume_from_checkpoint=resume and str(tmp_path / name / f"checkpoint-{resume}"))
            trainer.vllm_generation.engine.close()
        rows = [row for row in trainer.state.log_history if "reward" in row]
        return rows, engine.used, {name: value.clone() for name, value in model.state_dict().items()}

    return run


@pytest.mark.parametrize("staleness", [0, 1, 2])
def test_each_batch_is_written_with_the_weights_of_its_staleness(run, tmp_path, staleness):
    rows, used, _ = run(staleness, "run")
    batches = used[::2]  # two prompts a step
    assert len(batches) == STEPS  # none beyond the last update
    versions = list(dict.fromkeys(batches))
    assert [versions.index(name) for name in batches] == [max(0, step - staleness) for step in range(STEPS)]
    if staleness:
        assert [row["rollout/staleness"] for row in rows] == [min(step, staleness) for step in range(STEPS)]
        assert all(row["sampling/importance_sampling_ratio/max"] <= 3 for row in rows)
    assert len(list((tmp_path / "run-sync").iterdir())) == staleness + 1  # older weights are removed


def test_rollouts_are_hidden_where_the_update_takes_longer(run):
    rows, *_ = run(1, "run", seconds=0.5, update=0.7)
    assert rows[0]["rollout/hidden"] < 0.5  # there was no update yet
    assert all(row["rollout/seconds"] >= 0.5 for row in rows)
    assert all(row["rollout/hidden"] >= 0.8 for row in rows[1:])


@pytest.mark.parametrize(("staleness", "step"), [(1, 2), (2, 3)])  # at the end of an epoch, and amid one
def test_a_resumed_run_learns_from_what_was_written_ahead(run, staleness, step):
    _, _, weights = run(staleness, "run")
    rows, used, weights_again = run(staleness, "run", resume=step)
    assert len(used) == 2 * (STEPS - step - staleness)
    assert [row["rollout/staleness"] for row in rows[step:]] == [staleness] * (STEPS - step)
    assert [name for name in weights if not torch.equal(weights[name], weights_again[name])] == []


RECIPE = """
base: tiny/grpo
run: {run}
model: {model}
corpus: {{train: {corpus}}}
deepspeed: null
reward_workers: {{workers: 0}}
processes: {processes}
rewards: [{{name: length, limit: 48, cache: 48}}]
credit: sequence
rollout:
  mode: server
  servers: ["http://127.0.0.1:{port}"]
  key_file: {key}
  dtype: float32
  options: {{max_model_len: 256}}
  staleness: 2
trainer: {{num_generations: 4, per_device_train_batch_size: {rows}, max_steps: 8, max_completion_length: 24,
  save_steps: 1}}
"""


@pytest.fixture
def begun(split, checkpoint, tmp_path):
    """A server, and recipes of runs on it."""
    _, processor = load_model(str(checkpoint))
    words = processor.tokenizer("normal ECG sinus rhythm", add_special_tokens=False)["input_ids"]
    port = free_port()
    (tmp_path / "key").write_text(KEY)

    def recipe(name, processes=1):
        path = tmp_path / f"{name}.yaml"
        places = {"run": tmp_path / name, "model": checkpoint, "corpus": split, "port": port, "key": tmp_path / "key"}
        text = RECIPE.format(**places, processes=processes, rows=8 // processes)
        path.write_text(text, encoding="utf-8")
        return path

    with answering(Slow(words, 0.1), port, fingerprint(checkpoint, WEIGHTS)):
        yield recipe


def same_ends(folder):
    ends = [load_file(folder / name / "model" / "model.safetensors") for name in ("whole", "killed")]
    return all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.slow
def test_a_trainer_that_is_killed_amid_a_checkpoint_ends_as_one_that_was_not(begun, forked, tmp_path):
    assert forked("train", begun("whole")) == 0
    path = begun("killed")
    assert forked("train", path, kill="checkpoint without its state") == -9
    assert (tmp_path / "killed" / "checkpoints" / "checkpoint-3" / "rollouts-0.safetensors").exists()
    assert forked("train", path) == 0
    assert same_ends(tmp_path)


@pytest.mark.slow
def test_two_processes_are_killed_again_and_again_and_end_as_those_that_were_not(begun, tmp_path):
    def begin(name):
        command = [sys.executable, "-m", "ecg_r1", "train", str(begun(name, processes=2))]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)

    def logged(name):
        file = tmp_path / name / "metrics.jsonl"
        return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []

    whole = begin("whole")
    assert whole.wait(timeout=600) == 0, whole.stderr.read()[-3000:]
    for steps in (3, 6):
        trainer = begin("killed")
        wait_for(lambda steps=steps: len(logged("killed")) >= steps, what="steps", seconds=600)
        trainer.send_signal(signal.SIGKILL)
        trainer.wait()
    trainer = begin("killed")
    assert trainer.wait(timeout=600) == 0, trainer.stderr.read()[-3000:]
    assert same_ends(tmp_path)
    stale = {row["step"]: row["rollout/staleness"] for row in map(json.loads, logged("killed")) if "reward" in row}
    assert stale == {step: min(step - 1, 2) for step in range(1, 9)}
