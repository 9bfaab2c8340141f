"""A run on two nodes ends in the weights of the same run on one node with two processes."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file
from two_nodes import on_both, start, two_nodes

from ecg_r1.model.checkpoint import load_model, save

CLOSE = 1e-5  # of weights in float32 that a step moves by 1e-3; another order of a sum moves them by 1e-8


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    torch.manual_seed(0)
    save(*load_model("tiny", texts=["Read this ECG. PR 160 ms, QRS 90 ms. normal ECG"]), folder)
    return folder


def recipe_of(stage, folder, model, split, **more):
    """The shipped recipe of a stage on two processes, made small."""
    lines = {
        "base": f"tiny/{stage}",
        "run": str(folder / "run"),
        "model": str(model),
        "corpus": {"train": str(split)},
        "processes": 2,
        "trainer": {
            "max_steps": 2,
            "save_steps": 2,
            "learning_rate": 1e-3,
            "per_device_train_batch_size": 2,
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
        },
    }
    lines |= more
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(lines), encoding="utf-8")
    return path


def weights(run):
    return load_file(run / "model" / "model.safetensors")


def check_equal(one, two, model):
    """The same weights, and other ones than before."""
    one, two, before = weights(one), weights(two), load_file(model / "model.safetensors")
    assert one.keys() == two.keys() == before.keys()
    assert max((one[name] - two[name]).abs().max().item() for name in one) < CLOSE
    assert max((one[name] - before[name]).abs().max().item() for name in one) > 1e-4


def on_one(*words, **variables):
    command = [sys.executable, "-m", "ecg_r1", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    done = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.slow  # a minute; `tests/faults/test_meeting.py` holds how processes of two nodes meet
def test_two_nodes_end_in_the_weights_of_one(split, tmp_path, model):
    recipe = recipe_of("sft", tmp_path, model, split, deepspeed=None)
    alone = on_one("train", recipe, f"run={tmp_path}/one")
    assert alone.stdout == f"{tmp_path}/one\n"  # once, though three processes ran the command
    with two_nodes() as nodes:
        done = on_both(nodes, "train", recipe)
    assert [code for code, *_ in done] == [0, 0], done
    assert [out for _, out, _ in done] == [f"{tmp_path}/run\n", ""]
    check_equal(tmp_path / "one", tmp_path / "run", model)


GRPO = {
    "rewards": [{"name": "length", "limit": 48, "cache": 48}],
    "credit": "sequence",
    "trainer": {
        "num_generations": 4, "per_device_train_batch_size": 8, "max_steps": 2, "max_completion_length": 48,
        "save_steps": 2, "learning_rate": 1e-3,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("engine", ["hf", "vllm"])
@pytest.mark.parametrize("zero", ["zero2", "zero3"])
def test_grpo_with_rollouts_in_its_processes(split, tmp_path, model, zero, engine):
    pytest.importorskip("deepspeed")
    if engine == "vllm":
        pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")
    rollout = {"engine": engine, "dtype": "float32", "options": {"max_model_len": 256}}
    recipe = recipe_of("grpo", tmp_path, model, split, deepspeed=zero, rollout=rollout, **GRPO)
    on_one("train", recipe, f"run={tmp_path}/one")
    with two_nodes() as nodes:
        done = on_both(nodes, "train", recipe)
    assert [code for code, *_ in done] == [0, 0], done
    check_equal(tmp_path / "one", tmp_path / "run", model)


@contextmanager
def rollout_server(node, recipe, url):
    host, port = url.removeprefix("http://").split(":")
    process = start(node, [sys.executable, "-m", "ecg_r1", "rollout-server", recipe, "--port", port, "--host", host])
    asks = f"import urllib.request; urllib.request.urlopen('{url}/health', timeout=5)"
    try:
        until = time.monotonic() + 500
        while subprocess.run([*node.prefix, sys.executable, "-c", asks], check=False, capture_output=True).returncode:
            assert process.poll() is None, process.stderr.read()[-3000:]
            assert time.monotonic() < until
            time.sleep(1)
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("zero", ["zero2", "zero3"])
def test_grpo_with_rollouts_from_a_server(split, tmp_path, model, zero):
    """The server stands on the first node; its draws follow a seed, so that they can be compared."""
    pytest.importorskip("deepspeed")
    pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")
    with two_nodes() as nodes:
        url = f"http://{nodes[0].address}:8123"
        rollout = {
            "mode": "server", "servers": [url], "key_file": str(tmp_path / "key"), "dtype": "float32",
            "options": {"max_model_len": 256},
        }  # fmt: skip
        seeded = GRPO | {"trainer": GRPO["trainer"] | {"generation_kwargs": {"seed": 5}}}
        recipe = recipe_of("grpo", tmp_path, model, split, deepspeed=zero, rollout=rollout, **seeded)
        with rollout_server(nodes[0], recipe, url):
            alone = start(nodes[0], [sys.executable, "-m", "ecg_r1", "train", recipe, f"run={tmp_path}/one"])
            _, said = alone.communicate(timeout=540)
            assert alone.returncode == 0, said[-3000:]
            done = on_both(nodes, "train", recipe)
    assert [code for code, *_ in done] == [0, 0], done
    check_equal(tmp_path / "one", tmp_path / "run", model)
