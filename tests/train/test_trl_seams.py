"""TRL's private methods that `ECGGRPOTrainer` and `ECGRollout` stand on: a release that changes one must fail here."""

import inspect

import pytest

pytest.importorskip("trl")

import torch
from transformers import Trainer
from trl import GRPOTrainer
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer import utils as trl_utils
from trl.trainer.utils import RepeatSampler, add_fused_lm_head

import ecg_r1.train.grpo  # noqa: F401 (sets what TRL scores at once)
from ecg_r1.train.trackers import BY_TRL

SEAMS = {
    "_tokenize_prompts": ["self", "prompts"],
    "_generate_single_turn": [
        "self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images",
    ],
    "_generate_and_score_completions": ["self", "inputs"],
    "_compute_loss": ["self", "model", "inputs"],
    "_prepare_inputs": ["self", "generation_batch"],
    "_get_train_sampler": ["self", "dataset"],
}  # fmt: skip


@pytest.mark.parametrize("name", SEAMS)
def test_trainer_methods_keep_their_signature(name):
    assert list(inspect.signature(getattr(GRPOTrainer, name)).parameters) == SEAMS[name]


def test_what_the_guarded_trainer_stands_on():
    assert list(inspect.signature(Trainer._get_grad_norm).parameters) == ["self", "model", "grad_norm"]
    assert list(inspect.signature(Trainer._save_rng_state).parameters) == ["self", "output_dir"]
    saving = inspect.getsource(Trainer._save_checkpoint)
    assert saving.index("self._save_rng_state(") < saving.index("self.state.save_to_json(") < saving.index("rotate_")
    loop = inspect.getsource(Trainer._run_epoch)
    assert loop.index("self._get_grad_norm(") < loop.index("self.optimizer.step()") < loop.index(".on_step_end(")


def test_log_prob_pass_still_takes_the_model_first_and_drops_unknown_inputs():
    parameters = inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters
    assert list(parameters)[:5] == ["self", "model", "input_ids", "attention_mask", "logits_to_keep"]
    # The day TRL forwards what it does not know, the record index and its overrides can go.
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def test_what_shared_prefix_and_the_order_of_prompts_stand_on():
    assert "= shuffle_sequence_dict(" in inspect.getsource(GRPOTrainer._prepare_inputs)
    assert "RepeatSampler(" in inspect.getsource(GRPOTrainer._get_train_sampler)
    assert {"seed", "shuffle"} <= inspect.signature(RepeatSampler).parameters.keys()
    assert "labels = shift_labels" in inspect.getsource(add_fused_lm_head)  # scored where they stand


def test_few_words_are_scored_at_once_where_no_kernel_fuses_them():
    assert "                _CHUNKED_LOGPROB_CHUNK_SIZE,\n" in inspect.getsource(add_fused_lm_head)
    assert (32768 if torch.cuda.is_available() else 4096) == trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE


def test_what_the_correction_without_a_pass_of_its_own_stands_on():
    loss = inspect.getsource(GRPOTrainer._compute_loss)
    assert loss.index("self._get_per_token_logps_and_entropies(") < loss.index('inputs["importance_sampling_ratio"]')
    assert "per_token_logps.detach() if old_per_token_logps is None" in loss
    generating = inspect.getsource(GRPOTrainer._generate_and_score_completions)
    assert "self.args.gradient_accumulation_steps % generate_every != 0 or (" in generating
    assert 'output["sampling_per_token_logps"] = sampling_per_token_logps' in generating


def test_generation_seam():
    assert list(inspect.signature(VLLMGeneration.generate).parameters) == [
        "self", "prompts", "images", "num_generations", "profiler",
    ]  # fmt: skip
    assert inspect.isgeneratorfunction(VLLMGeneration._iter_named_params)
    assert "self.vllm_generation = VLLMGeneration(" in inspect.getsource(GRPOTrainer.__init__)


def test_what_the_reference_model_and_the_pages_of_a_tracker_stand_on():
    assert "self.ref_model = create_model_from_path(" in inspect.getsource(GRPOTrainer.__init__)
    log = inspect.getsource(GRPOTrainer.log)
    assert 'images_raw = self._logs["images"]' in log
    assert all(f'"{name}" in self.args.report_to' in log for name in BY_TRL)
