"""Values of trainer options that are wrong, said before a model is loaded: TRL and transformers check many late.

Types are checked elsewhere, against the libraries' own annotations; nothing here imports them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ecg_r1.train.advantages import CLAIMED


class Range(NamedTuple):
    """The numbers that an option may have."""

    words: str
    holds: Callable[[float], bool]


POSITIVE = Range("more than 0", lambda x: x > 0)
NOT_NEGATIVE = Range("0 or more", lambda x: x >= 0)
ONE_OR_MORE = Range("1 or more", lambda x: x >= 1)
SHARE = Range("from 0 to 1", lambda x: 0 <= x <= 1)
BELOW_ONE = Range("0 or more and less than 1", lambda x: 0 <= x < 1)


def _each(names: str, numbers: Range) -> dict[str, Range]:
    return dict.fromkeys(names.split(), numbers)


RANGES: dict[str, Range] = {
    **_each(
        "num_train_epochs logging_steps save_steps adam_epsilon temperature repetition_penalty epsilon epsilon_high "
        "delta sapo_temperature_neg sapo_temperature_pos vllm_importance_sampling_clip_max",
        POSITIVE,
    ),
    **_each(
        "learning_rate warmup_steps weight_decay max_grad_norm neftune_noise_alpha dataloader_num_workers top_k beta "
        "num_completions_to_print vespo_k_pos vespo_k_neg vespo_lambda_pos vespo_lambda_neg entropy_coef "
        "entropy_coef_min entropy_coef_max entropy_coef_delta entropy_target off_policy_mask_threshold "
        "vllm_importance_sampling_clip_min",
        NOT_NEGATIVE,
    ),
    **_each(
        "per_device_train_batch_size gradient_accumulation_steps save_total_limit max_completion_length num_iterations "
        "steps_per_generation generation_batch_size ref_model_sync_steps dataloader_prefetch_factor ddp_bucket_cap_mb "
        "ddp_timeout vllm_tensor_parallel_size",
        ONE_OR_MORE,
    ),
    **_each("min_p top_entropy_quantile ref_model_mixup_alpha", SHARE),
    **_each("adam_beta1 adam_beta2 label_smoothing_factor", BELOW_ONE),
    "top_p": Range("more than 0 and at most 1", lambda x: 0 < x <= 1),
    "num_generations": Range("2 or more", lambda x: x >= 2),
    "max_steps": Range("1 or more, or -1 for whole epochs", lambda x: x == -1 or x >= 1),
}

LOSSES = ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo")
CHOICES: dict[str, dict[str, tuple[str, ...]]] = {  # by stage; "" for all
    "": {
        "save_strategy": ("no", "steps", "epoch"),  # "best" needs evaluation
        "logging_strategy": ("no", "steps", "epoch"),
        "train_sampling_strategy": ("random", "sequential"),  # the others need the length of each text
        "dataloader_multiprocessing_context": ("fork",),  # the store and its cache cannot be sent to another process
        "include_num_input_tokens_seen": ("all", "non_padding", "no"),
    },
    "sft": {"loss_type": ("nll", "dft")},
    "grpo": {
        "loss_type": LOSSES,
        "scale_rewards": ("group", "batch", "none"),
        "importance_sampling_level": ("token", "sequence"),
        "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
        "vllm_importance_sampling_mode": ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"),
    },
}

_CLIPPED = tuple(loss for loss in LOSSES if loss not in ("cispo", "sapo", "vespo"))
_LOW_RANK = tuple(
    f"{name}{layerwise}"
    for name in ("galore_adamw", "galore_adamw_8bit", "galore_adafactor", "apollo_adamw")
    for layerwise in ("", "_layerwise")
)
_NAMED_RUNS = ("wandb", "trackio", "swanlab", "mlflow", "comet_ml", "all")
_IMPORTANCE = "vllm_importance_sampling"
Need = tuple[str, tuple[Any, ...]]  # another option, and the values of it; None where its default is one of them


def _need(names: str, *needs: Need) -> dict[str, tuple[Need, ...]]:
    return dict.fromkeys(names.split(), needs)


NEEDS: dict[str, tuple[Need, ...]] = {  # options that are read only beside another one; one of several needs is enough
    **_need("epsilon epsilon_high", ("loss_type", (None, *_CLIPPED, "cispo"))),
    **_need("delta", ("loss_type", (None, *_CLIPPED))),
    **_need("sapo_temperature_neg sapo_temperature_pos", ("loss_type", ("sapo",))),
    **_need("vespo_k_pos vespo_k_neg vespo_lambda_pos vespo_lambda_neg", ("loss_type", ("vespo",))),
    **_need("ref_model_mixup_alpha ref_model_sync_steps", ("sync_ref_model", (True,))),
    **_need("entropy_coef_min entropy_coef_max entropy_coef_delta entropy_target", ("use_adaptive_entropy", (True,))),
    **_need("scale_rewards", ("multi_objective_aggregation", (None, "sum_then_normalize")), ("credit", CLAIMED)),
    **_need(
        f"{_IMPORTANCE}_correction {_IMPORTANCE}_mode {_IMPORTANCE}_clip_max {_IMPORTANCE}_clip_min",
        ("rollout.engine", ("vllm",)),
    ),
    **_need("cache_implementation ds3_gather_for_generation", ("rollout.engine", ("hf",))),
    **_need("project trackio_space_id trackio_bucket_id trackio_static_space_id", ("report_to", ("trackio", "all"))),
    **_need("run_name", ("report_to", _NAMED_RUNS)),
    **_need("gradient_checkpointing_kwargs", ("gradient_checkpointing", (None, True))),
    **_need("optim_target_modules", ("optim", _LOW_RANK)),
}


def wrong_value(key: str, value: Any, stage: str) -> str | None:
    """What is wrong with a value by itself: none of the choices, or out of range; None where nothing is."""
    choices = CHOICES[""] | CHOICES.get(stage, {})
    if key in choices and value is not None and not isinstance(value, bool) and value not in choices[key]:
        return f"{value!r} is not one of {', '.join(choices[key])}"
    number = _number(value)
    if key in RANGES and number is not None and not RANGES[key].holds(number):
        return f"{value!r} is out of range: {RANGES[key].words}"
    return None


def missing_need(key: str, values: Mapping[str, Any]) -> str | None:
    """What another option must be for this one to be read; None where it is so.

    Args:
        values: of all the options that were given; `rollout.engine` and `credit` among them.
    """
    needs = NEEDS.get(key, ())
    if not needs or any(_is_met(need, values) for need in needs):
        return None
    words = " or ".join(f"`{other}` is {_one_of(wanted)}" for other, wanted in needs)
    return f"has no effect unless {words}"


def _is_met(need: Need, values: Mapping[str, Any]) -> bool:
    other, wanted = need
    given = values.get(other)
    return any(one in wanted for one in (given if isinstance(given, list) else [given]))


def _one_of(wanted: tuple[Any, ...]) -> str:
    words = [str(one).lower() if one is True else str(one) for one in wanted if one is not None]
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _number(value: Any) -> float | None:
    """A number, also one that is quoted."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
