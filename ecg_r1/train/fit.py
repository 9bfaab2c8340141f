"""The run itself: model and trainer of the stage, training, and what is kept of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback, set_seed
from transformers.trainer_utils import rotate_checkpoints
from transformers.utils.logging import disable_progress_bar

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.files import written_whole
from ecg_r1.model.checkpoint import check_checkpoint, freeze, load_model, save
from ecg_r1.model.lora import served_rank
from ecg_r1.model.presets import PRESETS
from ecg_r1.model.processing import stated_leads
from ecg_r1.recipe import Dropout, GRPORecipe, PretrainRecipe, RunRecipe, SFTRecipe
from ecg_r1.runs import layout
from ecg_r1.runs.directory import RunDirectory
from ecg_r1.train.media import Media
from ecg_r1.train.metrics_log import MetricsLog
from ecg_r1.train.preflight import Checked
from ecg_r1.train.processes import whole
from ecg_r1.train.progress import LiveProgress

FOLDER_OF_EVENTS = "TENSORBOARD_LOGGING_DIR"


def fit(recipe: RunRecipe, checked: Checked) -> None:
    """Train from the last checkpoint of the run, or from the recipe's model, and save the result."""
    run, store = checked.run, checked.store
    with checked.arguments.main_process_first(local=False):
        run.open()
        rotate_checkpoints(str(run.checkpoints), checked.arguments.save_total_limit)  # ends what a kill cut short
    if checked.arguments.process_index == 0:
        run.write_environment(recipe.seed)
    disable_progress_bar()  # of loading and saving; LiveProgress shows the run's own
    set_seed(recipe.seed)
    four_bits = recipe.lora.parts if recipe.lora and recipe.lora.bits else ()
    model, processor = load_model(recipe.model, texts=_texts(store, recipe.dropout), four_bits=four_bits)
    processor.system = store.system or processor.system
    processor.states_leads |= recipe.dropout.state_leads
    freeze(model, recipe.freeze)
    with ExitStack() as workers, _events_in(run.folder / layout.TENSORBOARD):
        trainer = _trainer(recipe, checked, model, processor, workers)
        for callback in (PrinterCallback, ProgressCallback):  # LiveProgress stands in their place
            trainer.remove_callback(callback)
        if not isinstance(recipe, PretrainRecipe) and checked.held_out is not None and checked.measure is not None:
            from ecg_r1.train.held_out import HeldOutCallback

            # added to a trainer that is there: it comes after what checks the weights of each step
            trainer.add_callback(HeldOutCallback(trainer, recipe, checked.held_out, processor, checked.measure))
        started, cpu = time.time(), time.process_time()
        trainer.train(resume_from_checkpoint=run.last_checkpoint())
        spent = {"seconds": time.time() - started, "cpu_seconds": time.process_time() - cpu}
    trained = trainer.accelerator.unwrap_model(trainer.model)
    with whole(trained):
        if trainer.is_world_process_zero():
            with written_whole(run.model) as part:
                save(trained.gem if isinstance(recipe, PretrainRecipe) else trained, processor, part)
            if isinstance(recipe, PretrainRecipe) and recipe.queries:
                trained.save_head(run.folder / layout.QUERIES)
            run.finish(steps=trainer.state.global_step, **spent)
    trainer.accelerator.wait_for_everyone()


@contextmanager
def _events_in(folder: Path) -> Iterator[None]:
    """Of TensorBoard, which reads its folder from a variable: it holds for this run alone, and a user's own stays."""
    if FOLDER_OF_EVENTS in os.environ:
        yield
        return
    os.environ[FOLDER_OF_EVENTS] = str(folder)
    try:
        yield
    finally:
        del os.environ[FOLDER_OF_EVENTS]


def _texts(store: RecordStore, dropout: Dropout) -> Iterator[str]:
    """What the tokenizer of a preset is made from."""
    yield store.system or ""
    yield stated_leads([LEADS[:-1], LEADS[1:]]) if dropout.state_leads else ""
    for example in store.examples:
        yield from (said for turn in example.turns for said in turn)
        yield from (example.question, example.response or "")


def _trainer(recipe: RunRecipe, checked: Checked, model: Any, processor: Any, workers: ExitStack) -> Any:
    """Reward workers start here, once everything else is there, and end with `workers`."""
    run, arguments = checked.run, checked.arguments
    media = Media(checked.store, processor, recipe.dropout, recipe.seed, pages=recipe.pages)
    callbacks = [MetricsLog(run.folder / layout.METRICS), LiveProgress(recipe.run)]
    if isinstance(recipe, PretrainRecipe) and recipe.queries:
        from ecg_r1.train.pretrain_queries import query_trainer

        return query_trainer(model, media, recipe.queries, arguments, callbacks)
    if isinstance(recipe, PretrainRecipe):
        from ecg_r1.train.pretrain import pretrain_trainer

        return pretrain_trainer(model, media, arguments, callbacks)
    if isinstance(recipe, SFTRecipe):
        from ecg_r1.train.sft import sft_trainer

        return sft_trainer(model, media, arguments, checked.adapters, callbacks, recipe.align)
    from ecg_r1.train.grpo import grpo_trainer
    from ecg_r1.train.rewards import RewardSet

    rollout = _rollout(recipe, run, _policy_folder(recipe, run, model, processor, arguments))
    reward_set = workers.enter_context(
        RewardSet(checked.rewards, recipe.reward_workers, media, arguments.reward_weights)
    )
    return grpo_trainer(
        model, media, arguments, checked.adapters, callbacks,
        reward_set=reward_set, credit=recipe.credit, rollout=rollout, shared_prefix=recipe.shared_prefix,
        tokens_per_pass=recipe.tokens_per_pass, dynamic_sampling=recipe.dynamic_sampling, curriculum=recipe.curriculum,
        rehearsal=recipe.rehearsal,
    )  # fmt: skip


def _rollout(recipe: GRPORecipe, run: RunDirectory, checkpoint: str) -> dict[str, Any]:
    """Settings of `rollouts_through`."""
    settings = recipe.rollout
    common = {"checkpoint": checkpoint, "seed": recipe.seed, "engine": {"dtype": settings.dtype, **settings.options}}
    if settings.mode != "server":
        return common
    from ecg_r1.engine.vllm_server import read_key
    from ecg_r1.train.overlap import OverlappedRollout
    from ecg_r1.train.server_rollout import ServerRollout

    ahead = {"kind": OverlappedRollout, "staleness": settings.staleness} if settings.staleness else {}
    return common | {
        "kind": ServerRollout, "servers": settings.servers, "key": read_key(Path(settings.key_file or "")),
        "wait": settings.wait, "transport": settings.transport, "folder": run.folder / layout.SYNC,
        "as_adapter": served_rank(recipe.lora) is not None,
    } | ahead  # fmt: skip


def _policy_folder(recipe: GRPORecipe, run: RunDirectory, model: Any, processor: Any, arguments: Any) -> str:
    """An engine reads the policy's first weights from a folder; a preset's are written to one."""
    if recipe.model not in PRESETS:
        return str(check_checkpoint(recipe.model))
    folder = run.folder / layout.INITIAL
    with arguments.main_process_first(local=False):
        if arguments.process_index == 0:  # anew on resume: the run may have been killed while it wrote them
            with written_whole(folder) as part:
                save(model, processor, part)
    return str(folder)
