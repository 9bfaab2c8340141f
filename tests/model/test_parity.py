"""HF and vLLM say the same, token by token, in fp32: at start, after an update of the running engine, and in LoRA."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("vllm", reason="vLLM is not installed: pip install '.[cpu]' or '.[gpu]'")

import gem_release as release
from safetensors.torch import load_file, save_file
from transformers import Qwen3Config

from ecg_r1.engine import Prompt
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.model.convert.plan import plan
from ecg_r1.model.convert.shards import write
from ecg_r1.model.modeling import GEMForConditionalGeneration

SCRIPT = Path(__file__).with_name("greedy_parity.py")
TEXTS = ["Read this ECG.", "<think>PR interval 160 ms.</think>"]


def tiny(folder):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=TEXTS)
    save(model, processor, folder)
    return folder


def generations(folder, prompts, ranks=1, **environment):
    command = [sys.executable, SCRIPT, folder, str(prompts), str(ranks)]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=500, check=False, env=os.environ | environment
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(next(line for line in run.stdout.splitlines() if line.startswith("{")))  # DeepSpeed prints too


@pytest.fixture(scope="module")
def parity(tmp_path_factory):
    return generations(tiny(tmp_path_factory.mktemp("tiny")), prompts=65)


@pytest.mark.parametrize("state", ["first", "updated", "merged", "adapter", "adapter_off"])
def test_greedy_tokens_and_log_probs_agree(parity, state):
    """`first`: as loaded. `updated`: after a push of all weights. `merged`, `adapter`: LoRA pushed, and vLLM's own."""
    assert parity[state]["same"] == parity[state]["of"] == 65
    assert parity[state]["logprob_gap"] < 1e-4


@pytest.mark.parametrize("state", ["stale", "without_adapter"])
def test_the_update_and_the_adapter_matter(parity, state):
    assert parity[state]["same"] < 30  # without them the two differ: the agreement above is no accident


def test_eight_completions_encode_an_ecg_once_and_another_ecg_beside_the_same_page_anew(parity):
    assert parity["encoded"] == [1, 2, 2]


def test_a_seed_repeats_the_draws_of_more_prompts_than_one_pass_takes(parity):
    first, again, other = parity["drawn"]
    assert first == again
    assert first != other


def test_a_prompt_whose_placeholders_are_not_those_of_its_media_is_refused(parity):
    assert parity["refused"] == [
        "the prompt has placeholders for 1 ecgs, and 0 are given",
        "the prompt has placeholders for 1 ecgs, and 2 are given",
        "the prompt has placeholders for 1 images, and 0 are given",
    ]


@pytest.mark.slow
def test_a_tower_with_tokens_of_each_lead_agrees_too(tmp_path):
    torch.manual_seed(0)
    save(*load_model("tiny-leads", texts=TEXTS), tmp_path)
    found = generations(tmp_path, prompts=10)
    for state in ("first", "updated"):
        assert found[state]["same"] == found[state]["of"] == 10
        assert found[state]["logprob_gap"] < 1e-4


def test_a_gem_without_a_vision_tower_whose_head_is_its_embedding_agrees_too(tmp_path):
    """As SmolLM2 and other small language models are. vLLM on CPUs packs such a head by itself."""
    torch.manual_seed(0)
    release.write_language_model(tmp_path / "LLM", release.llama_config() | {"tie_word_embeddings": True})
    for _ in write(plan(tmp_path / "LLM"), tmp_path / "ours"):
        pass
    found = generations(tmp_path / "ours", prompts=10)
    for state in ("first", "updated", "merged", "adapter", "adapter_off"):
        assert found[state]["same"] == found[state]["of"] == 10
        assert found[state]["logprob_gap"] < 1e-4
    assert found["stale"]["same"] < 5
    assert found["encoded"] == [1, 2, 2]
    assert found["refused"] == [
        "the prompt has placeholders for 1 ecgs, and 0 are given",
        "the prompt has placeholders for 1 ecgs, and 2 are given",
    ]


def test_a_prompt_without_tokens_is_refused():
    with pytest.raises(ValueError, match="ask a question"):
        Prompt([])


@pytest.mark.slow
def test_qwen3_over_two_tensor_parallel_ranks_agrees(tmp_path):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=TEXTS)
    llama = model.config.text_config
    shape = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    ids = ("bos_token_id", "eos_token_id", "pad_token_id", "max_position_embeddings")
    model.config.text_config = Qwen3Config(
        **{name: getattr(llama, name) for name in (*shape, *ids)}, num_key_value_heads=2, head_dim=32
    )
    save(GEMForConditionalGeneration(model.config), processor, tmp_path)
    found = generations(tmp_path, prompts=20, ranks=2, VLLM_CPU_OMP_THREADS_BIND="0|1")["first"]
    assert found["same"] == found["of"] == 20
    assert found["logprob_gap"] < 1e-4


def test_a_checkpoint_that_lacks_a_tensor_does_not_start(tmp_path):
    file = tiny(tmp_path) / "model.safetensors"
    tensors = load_file(file)
    del tensors["model.ecg_tower.blocks.0.ln_1.weight"]
    save_file(tensors, file, metadata={"format": "pt"})
    start = f"from ecg_r1.engine.vllm_colocated import VLLMEngine; VLLMEngine({str(tmp_path)!r}, dtype='float32')"
    run = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode != 0
    assert "not initialized from checkpoint: {'ecg_tower.blocks.0.ln_1.weight'}" in run.stderr
