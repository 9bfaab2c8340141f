"""What a recipe may say of rollout servers and of the tokens of a pass: accepted and honoured, or refused."""

from pathlib import Path

import pytest

from ecg_r1.model.lora import served_rank
from ecg_r1.recipe import LoRA, RecipeError, read_recipe
from ecg_r1.train.options import check_options
from ecg_r1.train.server_rollout import block_of

GRPO = Path(__file__).parents[2] / "recipes" / "tiny" / "grpo.yaml"
SERVER = ["rollout.mode=server", "rollout.servers=['http://127.0.0.1:8100']", "rollout.key_file=key"]


def checked(*overrides):
    recipe = read_recipe(GRPO, list(overrides))
    check_options(recipe, "grpo.yaml")
    return recipe


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["rollout.mode=server"], "needs `servers:`"),
        (["rollout.servers=['http://127.0.0.1:8100']"], "needs `servers:`"),
        ([*SERVER[:2]], "a `key_file:`"),
        ([*SERVER, "rollout.engine=hf", "rollout.options={}", "rollout.dtype=auto"], "needs `engine: vllm`"),
        ([*SERVER[::2], "rollout.servers=['127.0.0.1:8100']"], "rollout.servers"),
        ([*SERVER[::2], "rollout.servers=['http://user@host:8100']"], "rollout.servers"),
        ([*SERVER, "rollout.options={pipeline_parallel_size: 2}"], "pipeline_parallel_size"),
        (["rollout.options={tensor_parallel_size: 2}"], "tensor_parallel_size"),
        (["tokens_per_pass=4096", "shared_prefix=false"], "needs `shared_prefix: true`"),
        (["tokens_per_pass=4096", "trainer.top_entropy_quantile=0.2"], "trainer.top_entropy_quantile"),
        (["tokens_per_pass=4096", "trainer.entropy_coef=0.1"], "trainer.entropy_coef"),
        (["tokens_per_pass=0"], "tokens_per_pass"),
        (["rollout.staleness=1"], "`staleness` needs `mode: server`"),
        (["rollout={engine: hf, staleness: 1}"], "`staleness` needs `mode: server`"),
        ([*SERVER, "rollout.staleness=17"], "rollout.staleness"),
        (["rollout.transport=gloo"], "`transport` needs `mode: server`"),
        ([*SERVER, "rollout.transport=mpi"], "rollout.transport"),
        ([*SERVER, "rollout.transport=gloo", "lora={r: 8, lora_alpha: 16}"], "the LoRA adapter itself travels"),
        (
            [*SERVER, "rollout.staleness=1", "trainer.vllm_importance_sampling_correction=false"],
            "vllm_importance_sampling_correction",
        ),
        (["dynamic_sampling={}", "rollout={engine: hf}", "deepspeed=zero3"], "under ZeRO-3"),
        ([*SERVER, "trainer.vllm_enable_sleep_mode=true"], "unless vLLM shares the GPU with the trainer"),
    ],
)
def test_what_would_not_be_honoured_is_refused(overrides, said):
    with pytest.raises(RecipeError) as error:
        checked(*overrides)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", ["num_iterations=2", "steps_per_generation=2", "generation_batch_size=256"])
def test_each_update_has_completions_of_its_own_where_they_are_written_ahead(given):
    from ecg_r1.train.arguments import training_arguments

    ahead = [*SERVER, "rollout.staleness=1", "deepspeed=null"]
    arguments = training_arguments(read_recipe(GRPO, ahead), "grpo.yaml")
    assert arguments.vllm_importance_sampling_mode == "token_truncate"
    masked = read_recipe(GRPO, [*ahead, "trainer.vllm_importance_sampling_mode=token_mask"])
    assert training_arguments(masked, "grpo.yaml").vllm_importance_sampling_mode == "token_mask"
    plain = training_arguments(read_recipe(GRPO, ahead[4:]), "grpo.yaml")
    assert plain.vllm_importance_sampling_mode == "sequence_mask"
    with pytest.raises(RecipeError, match=r"with rollout\.staleness each update has completions of its own"):
        training_arguments(read_recipe(GRPO, [*ahead, f"trainer.{given}"]), "grpo.yaml")


def test_what_is_honoured_is_accepted():
    recipe = checked(*SERVER, "rollout.options={tensor_parallel_size: 2}", "tokens_per_pass=4096")
    assert recipe.rollout.servers == ["http://127.0.0.1:8100"]
    assert recipe.tokens_per_pass == 4096


@pytest.mark.parametrize(
    ("lora", "rank"),
    [
        (None, None),
        (LoRA(), 8),
        (LoRA(r=12), 16),
        (LoRA(r=64, lora_alpha=128, target_modules=["q_proj"]), 64),
        (LoRA(r=8, use_dora=True), None),
        (LoRA(r=8, parts=["language_model", "mm_projector"]), None),
    ],
)
def test_an_adapter_travels_where_vllm_can_run_it(lora, rank):
    assert served_rank(lora) == rank


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.default.weight", "self_attn"),
        ("base_model.model.model.language_model.layers.0.self_attn.k_proj.base_layer.weight", "self_attn"),
        ("model.language_model.layers.0.self_attn.v_proj.weight", "self_attn"),
    ],
)
def test_layers_that_vllm_fuses_travel_together(name, block):
    assert block_of(name) == f"model.language_model.layers.0.{block}"
