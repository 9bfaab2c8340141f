"""Several processes: ZeRO-3 over two ranks, with colocated vLLM, through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")
pytest.importorskip("deepspeed")

from safetensors.torch import load_file

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"


def run(*words):
    command = [sys.executable, "-m", "ecg_r1", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("ranks", [1, 2])
def test_two_processes_share_the_parameters_and_save_them_whole(tmp_path, ranks):
    """Each with an engine of its own, or with one together."""
    run("corpus", RECIPES / "corpus.yaml", f"out={tmp_path}/corpus", "splits={rl: [{simulate: 22}]}", "workers=1")
    split = f"corpus={{train: {tmp_path}/corpus/rl}}"
    both = f"corpus={{train: {tmp_path}/corpus/rl, evaluate: {tmp_path}/corpus/rl}}"
    run("train", RECIPES / "pretrain.yaml", f"run={tmp_path}/towers", split, "trainer.max_steps=1")
    run(
        "train", RECIPES / "grpo.yaml", f"run={tmp_path}/grpo", f"model={tmp_path}/towers", both,
        "processes=2", "deepspeed=zero3", "trainer.max_steps=2", "trainer.per_device_train_batch_size=8",
        "trainer.num_generations=4", "trainer.learning_rate=1e-3", f"trainer.vllm_tensor_parallel_size={ranks}",
        "held_out={every: 2, examples: 5, max_tokens: 12, metric: cut}",
    )  # fmt: skip
    steps = [json.loads(line) for line in (tmp_path / "grpo" / "metrics.jsonl").read_text().splitlines()]
    gaps = [row["sampling/sampling_logp_difference/mean"] for row in steps if "reward" in row]
    assert len(gaps) == 2
    assert max(gaps) <= 1e-4
    curve = [json.loads(line) for line in (tmp_path / "grpo" / "held_out.jsonl").read_text().splitlines()]
    assert [row["step"] for row in curve] == [0, 2]  # once, though both ranks evaluate: three and two of the answers
    assert all((5 * row["values"]["cut"]) == pytest.approx(round(5 * row["values"]["cut"])) for row in curve)
    best = load_file(tmp_path / "grpo" / "best" / "model.safetensors")
    before = load_file(tmp_path / "towers" / "model" / "model.safetensors")
    after = load_file(tmp_path / "grpo" / "model" / "model.safetensors")
    assert {name: tensor.shape for name, tensor in before.items()} == {name: t.shape for name, t in after.items()}
    assert {name: tensor.shape for name, tensor in best.items()} == {name: t.shape for name, t in after.items()}
    frozen = ("model.ecg_tower.", "model.vision_tower.")
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith(frozen))


def test_what_is_wrong_is_said_once_for_all_processes(split, tmp_path):
    command = [
        sys.executable, "-m", "ecg_r1", "train", RECIPES / "grpo.yaml", f"run={tmp_path}/run", "processes=2",
        "model=tiny", f"corpus={{train: {split}}}", "rewards=[{name: intervalls}]",
    ]  # fmt: skip
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert done.stderr.count('unknown reward "intervalls" — did you mean "intervals"?') == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
