"""Options by the names of TRL, transformers, vLLM and PEFT: what can be said of them without importing those.

Each is passed on, or refused with the reason and the key to use instead. Names and types are checked against the
libraries themselves in `ecg_r1.train.arguments`, which takes many seconds to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from ecg_r1.errors import did_you_mean
from ecg_r1.files import read_object
from ecg_r1.recipe import GRPORecipe, PretrainRecipe, RecipeError, RunRecipe, unknown_key
from ecg_r1.recipe.messages import SHOWN
from ecg_r1.train.advantages import ADVANTAGES, FROM_REWARDS
from ecg_r1.train.field_names import field_names
from ecg_r1.train.legal_values import missing_need, wrong_value
from ecg_r1.train.refused import LORA, TRAINER, Refused
from ecg_r1.train.refused_engine import ENGINE, OF_SERVERS
from ecg_r1.train.trackers import unusable

LARGEST = 2**20  # bytes of a DeepSpeed configuration
DEEPSPEED = {name: f"{name}.json" for name in ("zero2", "zero3", "zero2-offload", "zero3-offload")}
OF_WHOLE_MICRO_BATCHES = {"entropy_coef": 0, "use_adaptive_entropy": False, "top_entropy_quantile": 1}
WITHOUT_VLLM = {"max_model_len"}  # of `rollout.options`: the room that a prompt and its completion have


def check_options(recipe: RunRecipe, path: str) -> None:
    """Refuse what would not be honoured, and values that are wrong by themselves.

    Args:
        path: the recipe's file, for messages.

    Raises:
        RecipeError: the message names the key, the reason and what to use instead.
    """
    refuse(recipe.trainer, TRAINER[recipe.stage], f"{path}: ", "trainer")
    known = field_names(recipe.stage)
    for key in recipe.trainer:
        if known and key not in known:
            raise RecipeError(f"{path}: {unknown_key(f'trainer.{key}', known - TRAINER[recipe.stage].keys())}")
    _check_values(recipe, path)
    _check_trackers(recipe.trainer.get("report_to"), path)
    configuration = deepspeed_file(recipe.deepspeed, path)
    if recipe.lora is not None:
        if isinstance(recipe, PretrainRecipe):
            raise RecipeError(f'{path}: "lora" has no effect: the towers are trained whole; remove it')
        refuse(recipe.lora.options, LORA, f"{path}: ", "lora")
    if isinstance(recipe, GRPORecipe):
        if recipe.credit not in ADVANTAGES:
            near = did_you_mean(recipe.credit, ADVANTAGES)
            raise RecipeError(
                f'{path}: "credit": {SHOWN.repr(recipe.credit)} is not one of {", ".join(ADVANTAGES)}{near}'
            )
        _check_passes(recipe, path)
        _check_rollout(recipe, path)
        if recipe.dynamic_sampling is not None and recipe.rollout.engine == "hf" and _stage(configuration) == 3:
            raise RecipeError(
                f'{path}: "dynamic_sampling" is not supported with the hf engine under ZeRO-3, where all processes '
                "generate together; use `rollout.engine: vllm` or `deepspeed: zero2`"
            )


def refuse(given: Mapping[str, Any], table: Mapping[str, Refused], where: str, section: str) -> None:
    """Refuses options that would not be honoured.

    Args:
        given: options of the recipe's `section`.

    Raises:
        RecipeError: one of them is in the table, with a value that asks for something else than what happens anyway.
    """
    for key, value in given.items():
        refused = table.get(key)
        if refused is not None and value not in refused.unless:
            raise RecipeError(f'{where}"{section}.{key}" {refused.reason}; {refused.instead}')


def deepspeed_file(name: str | None, path: str) -> Path | None:
    """The file that `deepspeed:` names: one of `DEEPSPEED`, or a DeepSpeed configuration.

    Raises:
        RecipeError: there is no such file, or it holds no JSON object.
    """
    if name is None:
        return None
    shipped = files("ecg_r1").joinpath("recipes", "deepspeed", DEEPSPEED.get(name, ""))
    file = Path(str(shipped)) if name in DEEPSPEED else Path(name)
    if not file.is_file():
        near = did_you_mean(name, DEEPSPEED)
        raise RecipeError(f'{path}: "deepspeed": {name!r} is not a file and not one of {", ".join(DEEPSPEED)}{near}')
    try:
        read_object(file, LARGEST, RecipeError)
    except RecipeError as error:
        raise RecipeError(f'{path}: "deepspeed": {error}') from None
    return file


def _stage(configuration: Path | None) -> Any:
    """ZeRO's stage of a DeepSpeed configuration."""
    if configuration is None:
        return None
    zero = read_object(configuration, LARGEST, RecipeError).get("zero_optimization")
    return zero.get("stage") if isinstance(zero, dict) else None


def _check_values(recipe: RunRecipe, path: str) -> None:
    values = dict(recipe.trainer)
    if isinstance(recipe, GRPORecipe):
        values |= {"rollout.engine": recipe.rollout.engine, "credit": recipe.credit}
    for key, value in recipe.trainer.items():
        if value is None:
            continue
        if wrong := wrong_value(key, value, recipe.stage):
            raise RecipeError(f'{path}: "trainer.{key}": {wrong}')
        if wrong := missing_need(key, values):
            raise RecipeError(f'{path}: "trainer.{key}" {wrong}')
        if key in ("scale_rewards", "multi_objective_aggregation") and values.get("credit") in FROM_REWARDS:
            raise RecipeError(
                f'{path}: "trainer.{key}" has no effect with `credit: {values["credit"]}`; set it to null'
            )
    if values.get("sync_ref_model") and not values.get("beta"):
        raise RecipeError(f'{path}: "trainer.sync_ref_model" has no effect unless `beta` is more than 0')
    if values.get("sync_ref_model") and recipe.lora is not None:
        raise RecipeError(f'{path}: "trainer.sync_ref_model" is not supported with `lora:`; remove it')


def _check_trackers(given: Any, path: str) -> None:
    for name in given if isinstance(given, list) else [] if given is None else [given]:
        if wrong := unusable(str(name)):
            raise RecipeError(f'{path}: "trainer.report_to": {wrong}')


def _check_passes(recipe: GRPORecipe, path: str) -> None:
    if recipe.tokens_per_pass is None:
        return
    if not recipe.shared_prefix:
        raise RecipeError(f'{path}: "tokens_per_pass" needs `shared_prefix: true`, which packs the tokens')
    for key, without in OF_WHOLE_MICRO_BATCHES.items():
        if recipe.trainer.get(key, without) not in (without, None):
            raise RecipeError(
                f'{path}: "tokens_per_pass" cannot be used with `trainer.{key}`, which looks at all tokens of a '
                "micro-batch at once; remove one of them"
            )


def _check_rollout(recipe: GRPORecipe, path: str) -> None:
    rollout = recipe.rollout
    if rollout.staleness and recipe.trainer.get("vllm_importance_sampling_correction") is False:
        raise RecipeError(
            f'{path}: "rollout.staleness" needs `trainer.vllm_importance_sampling_correction`: completions of older '
            "weights are corrected for; remove one of them"
        )
    if recipe.trainer.get("vllm_enable_sleep_mode") and (rollout.engine, rollout.mode) != ("vllm", "colocate"):
        raise RecipeError(
            f'{path}: "trainer.vllm_enable_sleep_mode" has no effect unless vLLM shares the GPU with the trainer '
            "(`rollout: {engine: vllm, mode: colocate}`); remove it"
        )
    ranks = recipe.trainer.get("vllm_tensor_parallel_size") or 1
    if ranks != 1 and (rollout.engine, rollout.mode) != ("vllm", "colocate"):
        raise RecipeError(
            f'{path}: "trainer.vllm_tensor_parallel_size" has no effect unless vLLM runs in the training processes; a '
            "server takes `rollout.options.tensor_parallel_size`"
        )
    if isinstance(ranks, int) and recipe.processes % ranks:
        raise RecipeError(
            f'{path}: "trainer.vllm_tensor_parallel_size: {ranks}" needs `processes:` of {ranks} or a multiple of it, '
            f"and there are {recipe.processes}"
        )
    if rollout.transport != "http":
        from ecg_r1.model.lora import served_rank  # which imports torch: cheap checks come before it

        if served_rank(recipe.lora) is not None:
            raise RecipeError(
                f'{path}: "rollout.transport: {rollout.transport}" has no effect: the LoRA adapter itself travels, '
                "over HTTP; remove it"
            )
    if rollout.engine == "vllm":
        accepted = OF_SERVERS if rollout.mode == "server" else frozenset()
        options = {key: value for key, value in rollout.options.items() if key not in accepted}
        refuse(options, ENGINE, f"{path}: ", "rollout.options")
        return
    for key in rollout.options:
        if key not in WITHOUT_VLLM:
            raise RecipeError(
                f'{path}: "rollout.options.{key}" is an option of vLLM, and rollout.engine is hf; remove it'
            )
    if rollout.dtype not in ("auto", "float32"):
        raise RecipeError(
            f'{path}: "rollout.dtype": {rollout.dtype} is not what the hf engine generates with, which is the trained '
            "model itself, in float32 or as `trainer.bf16` says; remove it"
        )
