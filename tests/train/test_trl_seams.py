"""TRL's private methods that `ECGGRPOTrainer` and `ECGRollout` stand on: a release that changes one must fail here."""

import inspect

import pytest

pytest.importorskip("trl")

from trl import GRPOTrainer
from trl.generation.vllm_generation import VLLMGeneration

SEAMS = {
    "_tokenize_prompts": ["self", "prompts"],
    "_generate_single_turn": [
        "self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images",
    ],
    "_generate_and_score_completions": ["self", "inputs"],
    "_compute_loss": ["self", "model", "inputs"],
}  # fmt: skip


@pytest.mark.parametrize("name", SEAMS)
def test_trainer_methods_keep_their_signature(name):
    assert list(inspect.signature(getattr(GRPOTrainer, name)).parameters) == SEAMS[name]


def test_log_prob_pass_still_takes_the_model_first_and_drops_unknown_inputs():
    parameters = inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters
    assert list(parameters)[:4] == ["self", "model", "input_ids", "attention_mask"]
    # The day TRL forwards what it does not know, the record index and its overrides can go.
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def test_generation_seam():
    assert list(inspect.signature(VLLMGeneration.generate).parameters) == [
        "self", "prompts", "images", "num_generations", "profiler",
    ]  # fmt: skip
    assert inspect.isgeneratorfunction(VLLMGeneration._iter_named_params)
    assert "self.vllm_generation = VLLMGeneration(" in inspect.getsource(GRPOTrainer.__init__)
