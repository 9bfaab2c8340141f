"""A budget of tokens under DeepSpeed, in one process and two: several passes end in the weights of one."""

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("deepspeed")

from safetensors.torch import load_file

from ecg_r1.corpus.build import build
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.recipe import CorpusRecipe


@pytest.mark.slow
@pytest.mark.parametrize(("deepspeed", "processes"), [("zero2", 1), ("zero2", 2), ("null", 2)])
def test_the_weights_are_those_of_one_pass(tmp_path, deepspeed, processes):
    simulated = {"stage": "corpus", "out": str(tmp_path / "corpus"), "splits": {"train": [{"simulate": 8}]}}
    (corpus,) = build(CorpusRecipe.model_validate(simulated))
    torch.manual_seed(0)
    save(*load_model("tiny", texts=["Read this ECG. PR 160 ms, QRS 90 ms. normal ECG"]), tmp_path / "model")
    trained = {}  # with a large epsilon: else Adam makes a whole step of a gradient that is nothing but rounding
    for budget in ("null", "200"):
        run = tmp_path / f"run-{budget}"
        overrides = [
            f"run={run}", f"model={tmp_path}/model", f"corpus={{train: {corpus}}}", f"deepspeed={deepspeed}",
            f"processes={processes}", f"tokens_per_pass={budget}", "rollout={engine: hf}", "trainer.num_generations=4",
            "trainer.per_device_train_batch_size=16", "trainer.max_steps=2", "trainer.max_completion_length=24",
            "trainer.save_strategy=no", "trainer.adam_epsilon=1.0e-2",
            "rewards=[{name: length, limit: 48, cache: 48}]", "credit=sequence",
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "ecg_r1", "train", "tiny/grpo", *overrides],
            capture_output=True, text=True, env=os.environ, check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        trained[budget] = load_file(run / "model" / "model.safetensors")
    start = load_file(tmp_path / "model" / "model.safetensors")
    assert any(not torch.equal(trained["null"][name], start[name]) for name in start)
    for name, tensor in trained["null"].items():
        assert torch.allclose(tensor, trained["200"][name], rtol=0, atol=1e-6), name
