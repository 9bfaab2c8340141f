"""Recipe -> processes -> trained model. Repeating the command resumes the run."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recipe import GRPORecipe, PretrainRecipe, RecipeError, RunRecipe, SFTRecipe, read_recipe, unknown_key

if TYPE_CHECKING:
    from .run import RunDirectory

DEEPSPEED = {"zero2": "zero2.json", "zero3": "zero3.json"}


def train(path: str, overrides: list[str], *, dry_run: bool = False) -> Path:
    """Run a recipe, in this process or, where it asks for several, under torchrun.

    Returns:
        The run's folder.

    Raises:
        RecipeError: the recipe, an option of it, or the folder it names is wrong.
    """
    recipe = read_recipe(path, overrides)
    if isinstance(recipe, (PretrainRecipe, SFTRecipe, GRPORecipe)):
        if recipe.processes > 1 and "TORCHELASTIC_RUN_ID" not in os.environ and not dry_run:
            return _spawn(recipe, path, overrides)
        _set_environment()
        return _run(recipe, path, dry_run)
    raise RecipeError(f"{path}: a corpus is built with `ecg-r1 corpus`, not trained")


def _set_environment() -> None:
    """What must stand before torch, vLLM or DeepSpeed is imported."""
    defaults = {
        "OMP_WAIT_POLICY": "PASSIVE",  # spinning OpenMP threads starve each other on a busy machine (7-11x)
        "GOMP_SPINCOUNT": "0",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        # DeepSpeed asks for mpi4py unless the variables of a launcher are there.
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # TRL 1.16 declares vLLM up to 0.31; the pinned 0.32 is what the parity tests run.
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM")


def _spawn(recipe: RunRecipe, path: str, overrides: list[str]) -> Path:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={recipe.processes}",
        "-m", "ecg_r1.cli", "train", path, *overrides,
    ]  # fmt: skip
    if subprocess.run(command, check=False).returncode:
        raise RuntimeError(f"{recipe.run}: a training process failed; its error stands above")
    return Path(recipe.run)


def _run(recipe: RunRecipe, path: str, dry_run: bool) -> Path:
    import torch
    from transformers import PrinterCallback, set_seed
    from transformers.integrations import is_deepspeed_zero3_enabled
    from transformers.utils.logging import disable_progress_bar

    from ..corpus.store import RecordStore
    from ..model.checkpoint import check_checkpoint, check_parts, freeze, load_model, save
    from ..model.engine import require_vllm
    from ..model.presets import PRESETS
    from .run import RunDirectory

    several_on_cpu = recipe.processes > 1 and not torch.cuda.is_available() and not dry_run
    if several_on_cpu and recipe.deepspeed:  # accelerate would leave DeepSpeed with a world of one
        from deepspeed import comm

        comm.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
    config = _trainer_config(recipe, path)
    peft_config = _peft_config(recipe.lora, path)
    check_parts(recipe.freeze)
    store = RecordStore(recipe.corpus.train)
    reward_set = _reward_set(recipe, store)
    if recipe.model not in PRESETS:
        check_checkpoint(recipe.model)
    elif is_deepspeed_zero3_enabled():
        raise RecipeError(
            f'{path}: ZeRO-3 shards weights while they load; begin from a checkpoint, not from "{recipe.model}"'
        )
    if isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm":
        require_vllm()
    if dry_run:
        return Path(recipe.run)
    run = RunDirectory(recipe, recipe.run)
    if run.finished:
        return run.folder
    disable_progress_bar()  # of loading and saving; LiveProgress shows the run's own
    set_seed(recipe.seed)
    run.write_environment(recipe.seed)
    texts = (text for example in store.examples for text in (example["question"], example["response"]))
    model, processor = load_model(recipe.model, texts=texts)
    freeze(model, recipe.freeze)
    trainer = _trainer(recipe, run, model, processor, store, config, peft_config, reward_set)
    trainer.remove_callback(PrinterCallback)
    started, cpu = time.time(), time.process_time()
    trainer.train(resume_from_checkpoint=run.last_checkpoint())
    spent = {"seconds": time.time() - started, "cpu_seconds": time.process_time() - cpu}
    if reward_set is not None:
        reward_set.close()
    trained = trainer.accelerator.unwrap_model(trainer.model)
    with _whole(trained):
        if trainer.is_world_process_zero():
            save(trained.gem if isinstance(recipe, PretrainRecipe) else trained, processor, run.model)
            run.finish(steps=trainer.state.global_step, **spent)
    trainer.accelerator.wait_for_everyone()
    return run.folder


def _whole(model: Any) -> AbstractContextManager[Any]:
    """Under ZeRO-3 every rank holds a slice of each parameter: gather them while the model is saved."""
    from transformers.integrations import is_deepspeed_zero3_enabled

    if not is_deepspeed_zero3_enabled():
        return nullcontext()
    from deepspeed import zero

    return zero.GatheredParameters(list(model.parameters()))


def _trainer(
    recipe: RunRecipe,
    run: RunDirectory,
    model: Any,
    processor: Any,
    store: Any,
    config: Any,
    peft_config: Any,
    reward_set: Any,
) -> Any:
    from .progress import LiveProgress
    from .run import MetricsLog

    callbacks = [MetricsLog(run.folder / "metrics.jsonl"), LiveProgress(recipe.run)]
    if isinstance(recipe, PretrainRecipe):
        from .pretrain import pretrain_trainer

        return pretrain_trainer(model, processor, store, config, callbacks)
    if isinstance(recipe, SFTRecipe):
        from .sft import sft_trainer

        return sft_trainer(model, processor, store, config, peft_config, callbacks)
    from .grpo import grpo_trainer

    rollout = {
        "checkpoint": _policy_folder(recipe, run, model, processor, config),
        "seed": recipe.seed,
        "engine": {"dtype": recipe.rollout.dtype, **recipe.rollout.options},
    }
    return grpo_trainer(
        model, processor, store, config, peft_config, callbacks,
        reward_set=reward_set, credit=recipe.credit, rollout=rollout,
    )  # fmt: skip


def _policy_folder(recipe: GRPORecipe, run: RunDirectory, model: Any, processor: Any, config: Any) -> str:
    """An engine reads the policy's first weights from a folder; a preset's are written to one."""
    from ..model.checkpoint import check_checkpoint, save
    from ..model.presets import PRESETS

    if recipe.model not in PRESETS:
        return str(check_checkpoint(recipe.model))
    folder = run.folder / "initial"
    with config.main_process_first(local=False):
        if not (folder / "config.json").is_file():
            save(model, processor, folder)
    return str(folder)


def _trainer_config(recipe: RunRecipe, path: str) -> Any:
    import torch
    from transformers import TrainingArguments
    from trl import GRPOConfig, SFTConfig

    kind = {PretrainRecipe: TrainingArguments, SFTRecipe: SFTConfig, GRPORecipe: GRPOConfig}[type(recipe)]
    fields = {field.name for field in dataclasses.fields(kind) if field.init}
    ours = {"output_dir", "seed", "deepspeed", "use_vllm", "report_to"}
    for key in recipe.trainer:
        if key in ours:
            raise RecipeError(f'{path}: "trainer.{key}" is set by the recipe itself; remove it')
        if key not in fields:
            raise RecipeError(f"{path}: {unknown_key(f'trainer.{key}', fields - ours)}")
    checkpoints = str(Path(recipe.run) / "checkpoints")
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(Path(recipe.run) / "tensorboard"))
    options: dict[str, Any] = {
        "output_dir": checkpoints,
        "seed": recipe.seed,
        "report_to": ["tensorboard"],
        "deepspeed": _deepspeed(recipe.deepspeed, path),
        "bf16": False,
        "disable_tqdm": True,  # LiveProgress shows it
        "dataloader_pin_memory": torch.cuda.is_available(),
        "use_cpu": recipe.processes > 1 and not torch.cuda.is_available(),  # else accelerate sees one process
    }
    if isinstance(recipe, GRPORecipe):
        options |= {
            "use_vllm": recipe.rollout.engine == "vllm",
            "vllm_mode": recipe.rollout.mode,
            "reward_weights": [reward.weight for reward in recipe.rewards],
        }
    try:
        return kind(**(options | recipe.trainer))
    except (TypeError, ValueError) as error:
        raise RecipeError(f'{path}: "trainer": {error}') from error


def _deepspeed(name: str | None, path: str) -> str | None:
    """`zero2`, `zero3`, or a DeepSpeed configuration file."""
    if name is None:
        return None
    from importlib.resources import files

    file = (
        Path(str(files("ecg_r1").joinpath("recipes", "deepspeed", DEEPSPEED[name])))
        if name in DEEPSPEED
        else Path(name)
    )
    if not file.is_file():
        raise RecipeError(f'{path}: "deepspeed": {name!r} is none of {", ".join(DEEPSPEED)} nor a file')
    return str(file)


def _peft_config(lora: dict[str, Any] | None, path: str) -> Any:
    if lora is None:
        return None
    from peft import LoraConfig

    known = {field.name for field in dataclasses.fields(LoraConfig) if field.init}
    for key in lora:
        if key not in known:
            raise RecipeError(f"{path}: {unknown_key(f'lora.{key}', known)}")
    return LoraConfig(**lora)


def _reward_set(recipe: RunRecipe, store: Any) -> Any:
    if not isinstance(recipe, GRPORecipe):
        return None
    from .rewards import RewardSet

    return RewardSet(recipe.rewards, recipe.reward_workers, store)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
