"""HF and vLLM say the same, token by token, in fp32: at start, and after an update of the running engine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

from ecg_r1.model.checkpoint import load_model, save


@pytest.fixture(scope="module")
def parity(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Read this ECG.", "<think>PR interval 160 ms.</think>"])
    save(model, processor, folder)
    script = Path(__file__).with_name("greedy_parity.py")
    run = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=500, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.strip().splitlines()[-1])


def test_greedy_tokens_and_log_probs_agree(parity):
    assert parity["first"]["same"] == parity["first"]["of"] == 65
    assert parity["first"]["logprob_gap"] < 1e-4


def test_the_update_matters_and_reaches_the_engine(parity):
    assert parity["stale"]["same"] < 30  # without the sync the two would differ: the next line is no accident
    assert parity["updated"]["same"] == parity["updated"]["of"]
    assert parity["updated"]["logprob_gap"] < 1e-4


def test_eight_completions_of_one_prompt_encode_its_ecg_once(parity):
    assert parity["encoded"] == 1
