"""Each option of TRL, transformers, vLLM and PEFT is passed on, or refused with a reason; none is accepted and ignored.

`passed_on/*.txt` lists what is passed on. A field that a new version brings stands in neither list, and fails here
until somebody has decided: read what becomes of it in our trainers, then list it or refuse it.
"""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest
import yaml

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from peft import LoraConfig
from transformers import TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from ecg_r1.recipe import RecipeError, read_recipe
from ecg_r1.train import trackers
from ecg_r1.train.arguments import check_names, training_arguments
from ecg_r1.train.field_names import SOURCES, field_names
from ecg_r1.train.legal_values import CHOICES, LOSSES, NEEDS, RANGES
from ecg_r1.train.options import check_options
from ecg_r1.train.refused import LORA, TRAINER
from ecg_r1.train.refused_engine import ENGINE

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"
TABLES = {
    "pretrain": (TrainingArguments, TRAINER["pretrain"]),
    "sft": (SFTConfig, TRAINER["sft"]),
    "grpo": (GRPOConfig, TRAINER["grpo"]),
    "lora": (LoraConfig, LORA),
}


def engine_arguments():
    return pytest.importorskip("vllm.engine.arg_utils", reason="vLLM is not installed").EngineArgs


@pytest.mark.parametrize("name", [*TABLES, "engine"])
def test_every_field_is_passed_on_or_refused(name):
    kind, refused = (engine_arguments(), ENGINE) if name == "engine" else TABLES[name]
    fields = [field.name for field in dataclasses.fields(kind) if field.init]
    passed_on = (Path(__file__).parent / "passed_on" / f"{name}.txt").read_text().split()
    undecided = set(fields) - refused.keys() - set(passed_on)
    assert undecided == set(), f"new in {kind.__name__}: pass it on ({name}.txt) or refuse it"
    assert refused.keys() & set(passed_on) == set()
    assert (refused.keys() | set(passed_on)) - set(fields) == set(), "no longer there"
    assert all(option.reason and option.instead for option in refused.values())


def test_what_is_checked_by_value_is_passed_on():
    passed_on = {
        name: set((Path(__file__).parent / "passed_on" / f"{name}.txt").read_text().split())
        for name in ("pretrain", "sft", "grpo")
    }
    everywhere = set().union(*passed_on.values())
    assert RANGES.keys() <= everywhere
    assert NEEDS.keys() <= everywhere
    assert CHOICES["sft"].keys() <= passed_on["sft"]
    assert CHOICES["grpo"].keys() <= passed_on["grpo"]


def said(recipe, *overrides):
    """The one line with which a recipe's options are refused."""
    with pytest.raises(RecipeError) as error:
        check_options(read_recipe(RECIPES / recipe, overrides), recipe)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("recipe", "override", "expected"),
    [
        ("grpo.yaml", "trainer.reward_weights=[0,0,1]", "is set by the recipe; give each reward its `weight`"),
        ("grpo.yaml", "trainer.vllm_mode=server", '"trainer.vllm_mode" is set by the recipe; use `rollout.mode`'),
        ("grpo.yaml", "trainer.vllm_gpu_memory_utilization=0.5", "use `rollout.options.gpu_memory_utilization`"),
        ("grpo.yaml", "trainer.vllm_tensor_parallel_size=2", "`processes:` of 2 or a multiple of it, and there are 1"),
        ("grpo.yaml", "trainer.vllm_tensor_parallel_size=0", "0 is out of range: "),
        ("grpo.yaml", "rollout.options.tensor_parallel_size=1", "use `trainer.vllm_tensor_parallel_size`"),
        ("grpo.yaml", "rollout.options.enable_sleep_mode=true", "use `trainer.vllm_enable_sleep_mode`"),
        ("grpo.yaml", "trainer.use_transformers_continuous_batching=true", "would generate without the ECG"),
        ("grpo.yaml", "trainer.log_unique_prompts=true", "whatever their record"),
        ("grpo.yaml", "trainer.data_seed=3", "use `seed:`"),
        ("grpo.yaml", "rollout.options.pipeline_parallel_size=2", "parallel in its tensors alone; use `trainer."),
        ("grpo.yaml", "rollout.options.seed=1", '"rollout.options.seed" is set by the recipe; use `seed:`'),
        ("grpo.yaml", "rollout.options.logprobs_mode=raw_logprobs", "the trainer compares log-probabilities"),
        ("grpo.yaml", "rollout.options.language_model_only=true", "would leave out the ECG"),
        ("grpo.yaml", "rollout={engine: hf, options: {block_size: 16}}", "option of vLLM, and rollout.engine is hf"),
        ("grpo.yaml", "rollout={engine: hf, dtype: bfloat16}", '"rollout.dtype": bfloat16 is not what the hf engine'),
        ("grpo.yaml", "credit=claims", "\"credit\": 'claims' is not one of sequence, claim, "),
        ("grpo.yaml", "lora={inference_mode: true}", '"lora.inference_mode" would train no adapter'),
        ("sft.yaml", "trainer.seed=1", '"trainer.seed" is set by the recipe; use `seed:`'),
        ("sft.yaml", "trainer.eval_strategy=steps", "`ecg-r1 compare RUN` evaluates a finished run"),
        ("sft.yaml", "trainer.push_to_hub=true", "would upload the model"),
        ("sft.yaml", "trainer.packing=true", '"trainer.packing" has no effect'),
        ("sft.yaml", "trainer.max_length=512", "none is cut"),
        ("sft.yaml", "trainer.completion_only_loss=false", "cannot be switched off"),
        ("sft.yaml", "trainer.resume_from_checkpoint=x", "repeat the command to resume"),
        ("sft.yaml", "trainer.fsdp=full_shard", "use `processes:` and `deepspeed:`"),
        ("sft.yaml", "trainer.dataloader_persistent_workers=true", "the same way in each epoch"),
        ("sft.yaml", "deepspeed=zero4", "\"deepspeed\": 'zero4' is not a file and not one of zero2, zero3, zero2-off"),
        ("pretrain.yaml", "lora={r: 4}", '"lora" has no effect: the towers are trained whole; remove it'),
        ("pretrain.yaml", "trainer.gradient_checkpointing=true", "belongs to the language model"),
        # values that the libraries would refuse late, or never
        ("grpo.yaml", "trainer.loss_type=dapoo", "'dapoo' is not one of grpo, dr_grpo, dapo, bnpo, cispo, sapo,"),
        ("grpo.yaml", "trainer.scale_rewards=grop", "'grop' is not one of group, batch, none"),
        ("grpo.yaml", "trainer.importance_sampling_level=foo", "'foo' is not one of token, sequence"),
        ("grpo.yaml", "trainer.multi_objective_aggregation=foo", "not one of sum_then_normalize, normalize_then_sum"),
        ("grpo.yaml", "trainer.vllm_importance_sampling_mode=foo", "is not one of token_truncate, token_mask, "),
        ("grpo.yaml", "trainer.beta=-1", '"trainer.beta": -1 is out of range: 0 or more'),
        ("grpo.yaml", "trainer.beta='-1'", "'-1' is out of range"),
        ("grpo.yaml", "trainer.top_p=1.5", "1.5 is out of range: more than 0 and at most 1"),
        ("grpo.yaml", "trainer.temperature=0", "0 is out of range: more than 0"),
        ("grpo.yaml", "trainer.num_generations=1", "1 is out of range: 2 or more"),
        ("sft.yaml", "trainer.max_steps=0", "0 is out of range: 1 or more, or -1 for whole epochs"),
        ("sft.yaml", "trainer.loss_type=dapo", "'dapo' is not one of nll, dft"),
        ("sft.yaml", "trainer.save_strategy=best", "'best' is not one of no, steps, epoch"),
        ("sft.yaml", "trainer.train_sampling_strategy=group_by_length", "is not one of random, sequential"),
        # options that nothing would read
        ("grpo.yaml", "trainer.sapo_temperature_pos=2", "has no effect unless `loss_type` is sapo"),
        ("grpo.yaml", "trainer.sync_ref_model=true", "has no effect unless `beta` is more than 0"),
        ("grpo.yaml", "trainer.ref_model_sync_steps=5", "has no effect unless `sync_ref_model` is true"),
        ("grpo.yaml", "trainer.cache_implementation=static", "has no effect unless `rollout.engine` is hf"),
        ("grpo.yaml", "trainer.run_name=first", "has no effect unless `report_to` is one of wandb, trackio"),
        ("sft.yaml", "trainer.report_to=wandbb", "'wandbb' is not one of tensorboard, wandb, "),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_what_to_use(recipe, override, expected):
    message = said(recipe, override)
    assert message.startswith(recipe)
    assert expected in message


@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("sft.yaml", ["trainer.eval_strategy=no", "trainer.push_to_hub=false", "trainer.packing=false"]),
        ("sft.yaml", ["trainer.completion_only_loss=true", "trainer.max_length=null", "trainer.report_to=none"]),
        ("grpo.yaml", ["trainer.vllm_tensor_parallel_size=1", "processes=2"]),
        ("grpo.yaml", ["rollout.engine=hf"]),  # `max_model_len` of the base recipe is the room that prompts have
        ("grpo.yaml", ["trainer.loss_type=sapo", "trainer.sapo_temperature_pos=2"]),
        (
            "grpo.yaml",
            ["trainer.multi_objective_aggregation=normalize_then_sum"],
        ),  # `claim` reads scale_rewards
        ("grpo.yaml", ["trainer.scale_rewards=true"]),
    ],
)
def test_what_asks_for_nothing_else_is_accepted(recipe, overrides):
    check_options(read_recipe(RECIPES / recipe, overrides), recipe)


def test_a_tracker_that_is_not_installed_names_the_command(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda module: None)
    assert said("sft.yaml", "trainer.report_to=[tensorboard, comet_ml]").endswith(
        '"trainer.report_to": tensorboard is not installed: pip install tensorboard'
    )
    assert said("sft.yaml", "trainer.report_to=comet_ml").endswith("comet_ml is not installed: pip install comet-ml")


def test_trackers_are_those_of_transformers():
    assert trackers.TRACKERS.keys() == INTEGRATION_TO_CALLBACK.keys()


CHECKS = {  # where TRL checks a choice, which is in no annotation
    "loss_type": r'self\.loss_type (?:==|in) (\[[^\]]+\]|"\w+")',
    "scale_rewards": r'self\.scale_rewards (?:==|in) (\[[^\]]+\]|"\w+")',
    "importance_sampling_level": r'self\.importance_sampling_level == ("\w+")',
    "multi_objective_aggregation": r'self\.multi_objective_aggregation == ("\w+")',
    "vllm_importance_sampling_mode": r"self\.vllm_importance_sampling_mode in (\[[^\]]+\])",
}


@pytest.mark.parametrize("option", CHECKS)
def test_the_choices_are_those_that_trl_tells_apart(option):
    source = inspect.getsource(GRPOTrainer)
    found = {name for part in re.findall(CHECKS[option], source) for name in re.findall(r'"(\w+)"', part)}
    assert found == set(CHOICES["grpo"][option])


def test_the_losses_of_sft_are_those_that_trl_names():
    assert "Supported values are 'nll' and 'dft'" in inspect.getsource(SFTTrainer.__init__)


def test_losses_that_read_an_option_are_those_of_trl():
    source = inspect.getsource(GRPOTrainer._compute_loss)
    for option, (line, losses) in {
        "delta": ("if self.args.delta is not None", ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")),
        "sapo_temperature_pos": ("self.args.sapo_temperature_pos", ("sapo",)),
        "vespo_k_pos": ("self.args.vespo_k_pos", ("vespo",)),
    }.items():
        before = source[: source.index(line)]
        branch = re.findall(r"(?:if|elif) self\.loss_type (?:==|in) (\[[^\]]+\]|\"\w+\")", before)[-1]
        assert set(re.findall(r'"(\w+)"', branch)) == set(losses) == set(LOSSES) & set(NEEDS[option][0][1])


# Names and types, of the libraries themselves.


@pytest.mark.parametrize(
    ("recipe", "override", "expected"),
    [
        ("sft.yaml", "trainer.max_step=3", 'sft.yaml: unknown key "trainer.max_step" — did you mean "max_steps"?'),
        ("sft.yaml", "trainer.max_steps=abc", 'sft.yaml: "trainer.max_steps": Input should be a valid integer'),
        ("grpo.yaml", "trainer.generation_kwargs={top_p: 0.5}", "generation_kwargs.top_p\" is set by the recipe"),
        ("grpo.yaml", "trainer.generation_kwargs={stop_token_id: [3]}", 'did you mean "stop_token_ids"?'),
        ("grpo.yaml", "rollout.options={max_model_length: 256}", 'did you mean "max_model_len"?'),
    ],
)  # fmt: skip
def test_names_and_types_are_the_libraries_own(recipe, override, expected):
    if recipe == "grpo.yaml":
        engine_arguments()
    with pytest.raises(RecipeError) as error:
        check_names(read_recipe(RECIPES / recipe, [override]), recipe)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("trainer.optim=galore_adamw", 'sft.yaml: "trainer": '),  # galore-torch is not installed
        ("trainer.lr_scheduler_kwargs={cycles: 3}", 'sft.yaml: "trainer": '),
        ("trainer.lr_scheduler_type=cosin", "cosin is not a valid SchedulerType"),
        ("trainer.fp16=true", "fp16 needs a GPU"),
    ],
)
def test_what_transformers_would_say_late_is_said_early(override, expected):
    if torch.cuda.is_available() and "fp16" in override:
        pytest.skip("there is a GPU")
    with pytest.raises(RecipeError) as error:
        training_arguments(read_recipe(RECIPES / "sft.yaml", [override]), "sft.yaml")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_the_recipe_sets_what_it_says():
    recipe = read_recipe(RECIPES / "grpo.yaml", ["deepspeed=null", "seed=5", "run=runs/x"])
    arguments = training_arguments(recipe, "grpo.yaml")
    assert arguments.reward_weights == [reward.weight for reward in recipe.rewards] == [0.1, 0.45, 0.45]
    assert (arguments.seed, arguments.output_dir, arguments.run_name) == (5, "runs/x/checkpoints", "runs/x")
    assert (arguments.use_vllm, arguments.vllm_mode, arguments.report_to) == (True, "colocate", ["tensorboard"])


def test_sleep_mode_reaches_the_engine_or_is_refused_with_the_reason():
    recipe = read_recipe(RECIPES / "grpo.yaml", ["deepspeed=null", "trainer.vllm_enable_sleep_mode=true"])
    check_options(recipe, "grpo.yaml")
    if torch.cuda.is_available():
        assert training_arguments(recipe, "grpo.yaml").vllm_enable_sleep_mode
        return
    with pytest.raises(RecipeError, match="vllm_enable_sleep_mode needs a GPU: on a CPU vLLM cannot give back its mem"):
        training_arguments(recipe, "grpo.yaml")


def test_null_takes_an_option_of_the_base_recipe_away():
    recipe = read_recipe(RECIPES / "grpo.yaml", ["deepspeed=null", "trainer.loss_type=null"])
    assert training_arguments(recipe, "grpo.yaml").loss_type == GRPOConfig(bf16=False).loss_type


def test_vllm_reads_the_values_before_a_run_starts(tmp_path):
    engine_arguments()
    from ecg_r1.model.checkpoint import load_model, save
    from ecg_r1.train.arguments import check_engine

    save(*load_model("tiny", texts=["Report this ECG."]), tmp_path)
    check_engine(read_recipe(RECIPES / "grpo.yaml"), "grpo.yaml", tmp_path)
    for options, expected in (
        (
            "{gpu_memory_utilization: 2}",
            '"rollout.options": gpu_memory_utilization: Input should be less than',
        ),
        ("{kv_cache_dtype: foo}", "cache_dtype: Input should be 'auto'"),
        ("{max_model_len: 4096}", "max_model_len (4096) is greater than the derived"),
    ):
        with pytest.raises(RecipeError) as error:
            check_engine(read_recipe(RECIPES / "grpo.yaml", [f"rollout.options={options}"]), "grpo.yaml", tmp_path)
        assert expected in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("option", ["enable_chunked_prefill: true", "long_prefill_token_threshold: 64"])
def test_an_option_that_splits_prompts_is_refused_on_a_cpu_alone(tmp_path, monkeypatch, option):
    engine_arguments()
    from ecg_r1.engine.vllm_colocated import check_vllm_options

    options = yaml.safe_load(option)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    check_vllm_options(options, None, dtype="auto")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="on a CPU, vLLM stops where it splits a prompt"):
        check_vllm_options(options, None, dtype="auto")


@pytest.mark.parametrize("stage", list(SOURCES))
def test_names_read_from_the_source_are_the_fields_of_the_class(stage):
    assert field_names(stage) == {field.name for field in dataclasses.fields(TABLES[stage][0]) if field.init}
