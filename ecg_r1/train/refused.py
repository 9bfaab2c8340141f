"""Options of the trainers that a recipe may not give: why, and what to use instead.

Every option of TRL, transformers and PEFT that is not in these tables is passed on under its own name. An option is
refused where another key of the recipe sets it, or where it would be read by nothing: our rollouts, collators and
datasets stand in the place of TRL's. `tests/train/test_options.py` decides over all fields of the installed versions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SWITCHED_OFF = (None, False)


class Refused(NamedTuple):
    """Why an option is refused.

    Attributes:
        reason: continues the option's name in the message.
        instead: the key to use, or what to do.
        unless: values that ask for what happens anyway; with one of these the option is accepted.
    """

    reason: str
    instead: str = "remove it"
    unless: tuple[Any, ...] = SWITCHED_OFF


def same(names: str, refused: Refused) -> dict[str, Refused]:
    """One reason for several options, whose names are separated by spaces."""
    return dict.fromkeys(names.split(), refused)


def set_by(key: str) -> Refused:
    """The option is another name for a key of the recipe."""
    return Refused("is set by the recipe", f"use `{key}`", unless=())


COMMON: dict[str, Refused] = {
    "output_dir": set_by("run:"),
    "seed": set_by("seed:"),
    "deepspeed": set_by("deepspeed:"),
    "local_rank": set_by("processes:"),
    **same(
        "fsdp fsdp_config parallelism_config",
        Refused("spreads a run in a way that is not supported here", "use `processes:` and `deepspeed:`"),
    ),
    "resume_from_checkpoint": Refused(
        "is not needed: a run goes on from its last checkpoint", "repeat the command to resume"
    ),
    "do_train": Refused("is read by example scripts alone", unless=(None, True)),
    **same("do_eval do_predict", Refused("is read by example scripts alone", "use `ecg-r1 compare RUN`")),
    **same(
        "eval_strategy eval_steps eval_delay eval_on_start eval_do_concat_batches eval_use_gather_object "
        "eval_accumulation_steps per_device_eval_batch_size prediction_loss_only include_for_metrics "
        "batch_eval_metrics bf16_full_eval fp16_full_eval label_names load_best_model_at_end metric_for_best_model "
        "greater_is_better",
        Refused(
            "belongs to evaluation during training, which does not take place",
            "`ecg-r1 compare RUN` evaluates a finished run",
            unless=(None, False, "no"),
        ),
    ),
    **same(
        "push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision",
        Refused("would upload the model: a run writes to its own folder alone", "`ecg-r1 push RUN NAME` does it"),
    ),
    "logging_nan_inf_filter": Refused(
        "would write another number in the place of a loss that is not finite; the run stops at such a loss"
    ),
    "save_only_model": Refused(
        "would leave out the optimizer, with which a run is resumed", "use `trainer.save_total_limit`"
    ),
    "remove_unused_columns": Refused("would remove what the collator reads"),
    "use_cache": Refused("has no effect: no pass of the training reads a cache"),
    **same("use_liger_kernel liger_kernel_config", Refused("has no effect: Liger has no kernels for GEM")),
    "length_column_name": Refused("belongs to `train_sampling_strategy: group_by_length`, which is not supported"),
}

_MEDIA = {  # stages whose collator draws what is shown of a record
    "dataloader_persistent_workers": Refused("would show each record the same way in each epoch, whatever `dropout:`"),
}
_TRL = {  # of both trainers of TRL
    "model_init_kwargs": Refused("has no effect: the model is loaded by us", "use `model:`"),
    "trust_remote_code": Refused("would run code that comes with a checkpoint"),
    "router_aux_loss_coef": Refused("belongs to models with experts, which GEM's language model has not"),
}

PRETRAIN: dict[str, Refused] = {
    **COMMON,
    **_MEDIA,
    **same(
        "label_smoothing_factor average_tokens_across_devices include_num_input_tokens_seen",
        Refused("belongs to training on text; the towers are trained before any", unless=(None, False, "no")),
    ),
    **same(
        "gradient_checkpointing gradient_checkpointing_kwargs neftune_noise_alpha",
        Refused("belongs to the language model, which is not trained at this stage"),
    ),
}

SFT: dict[str, Refused] = {
    **COMMON,
    **_MEDIA,
    **_TRL,
    **same(
        "dataset_text_field dataset_kwargs dataset_num_proc",
        Refused("prepares a dataset of texts; a corpus is tokenized by us", "use `corpus:`"),
    ),
    "chat_template_path": Refused("has no effect: the processor writes GEM's prompt"),
    **same("eos_token pad_token", Refused("is decided by the checkpoint's tokenizer")),
    **same(
        "max_length truncation_mode",
        Refused("would cut examples, and with a prompt its ECG tokens: none is cut", "shorten the corpus's reports"),
    ),
    **same(
        "packing packing_strategy eval_packing padding_free pad_to_multiple_of",
        Refused("has no effect: each ECG and page belongs to its own padded row"),
    ),
    "assistant_only_loss": Refused("is always so: the loss is on the response alone"),
    "completion_only_loss": Refused("cannot be switched off: the loss is on the response alone", unless=(None, True)),
    "shuffle_dataset": Refused("has no effect: the sampler shuffles", "use `trainer.train_sampling_strategy`"),
}

_NO_SERVER = Refused("belongs to TRL's own server", "use `rollout.mode: server` and `rollout.servers`")

GRPO: dict[str, Refused] = {
    **COMMON,
    **_TRL,
    "reward_weights": Refused("is set by the recipe", "give each reward its `weight` at `rewards:`", unless=()),
    "use_vllm": set_by("rollout.engine"),
    "vllm_mode": set_by("rollout.mode"),
    "vllm_gpu_memory_utilization": set_by("rollout.options.gpu_memory_utilization"),
    "vllm_max_model_length": set_by("rollout.options.max_model_len"),
    "vllm_model_impl": Refused("is decided by the plug-in that brings GEM to vLLM", unless=(None, "vllm")),
    "vllm_structured_outputs_regex": Refused("is not supported: rollouts are free text", "use the reward `format`"),
    **same("vllm_server_base_url vllm_server_host vllm_server_port vllm_server_timeout vllm_group_port", _NO_SERVER),
    "vllm_importance_sampling_cap": Refused(
        "is TRL's old name", "use `trainer.vllm_importance_sampling_clip_max`", unless=()
    ),
    **same(
        "use_transformers_paged use_transformers_continuous_batching transformers_continuous_batching_config",
        Refused("would generate without the ECG: transformers' continuous batching takes text alone"),
    ),
    "chat_template_kwargs": Refused("has no effect: the processor writes GEM's prompt"),
    "max_tool_calling_iterations": Refused("belongs to tools, which rollouts have not"),
    "num_generations_eval": COMMON["eval_steps"],
    "log_unique_prompts": Refused(
        "would keep one row of all that answer one question, whatever their record", "use `trainer.log_multimodal`"
    ),
    "log_completions_hub_repo": COMMON["hub_model_id"],
    **same(
        "train_sampling_strategy length_column_name",
        Refused("has no effect: prompts are repeated by TRL's own sampler", "use `trainer.shuffle_dataset`", unless=()),
    ),
    "data_seed": Refused("has no effect: the order of prompts is drawn from the run's seed", "use `seed:`"),
    **same(
        "label_smoothing_factor average_tokens_across_devices",
        Refused("belongs to a loss on labels, which GRPO's is not", unless=(0, 0.0)),
    ),
    "include_num_input_tokens_seen": Refused(
        "has no effect: TRL counts the tokens itself, as `num_tokens`", unless=(None, False, "no")
    ),
    **same(
        "torch_compile torch_compile_backend torch_compile_mode",
        Refused("is not supported beside vLLM, which sets up torch's compiler in the same process"),
    ),
}

TRAINER: dict[str, dict[str, Refused]] = {"pretrain": PRETRAIN, "sft": SFT, "grpo": GRPO}

LORA: dict[str, Refused] = {
    "inference_mode": Refused("would train no adapter"),
    **same(
        "peft_type peft_version auto_mapping base_model_name_or_path revision",
        Refused("is written by PEFT itself", unless=(None,)),
    ),
    **same(
        "megatron_config megatron_core runtime_config",
        Refused("belongs to Megatron or to inference, which are not used here"),
    ),
    **same("layer_replication arrow_config", Refused("would change the layers that the rollouts' engine has")),
}
