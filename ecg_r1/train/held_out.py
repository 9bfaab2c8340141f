"""Held-out answers amid a training: the curve, the best checkpoint, the early stop, and alarms.

Answers are greedy and come from the run's own engine. Nothing of it reaches the update: a run with `held_out` trains as
one without.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.models import unwrap_model_for_generation

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.engine import Prompt, Rollout
from ecg_r1.engine.hf import HFEngine
from ecg_r1.files import write_atomically, written_whole
from ecg_r1.model.checkpoint import save
from ecg_r1.model.processing import GEMProcessor
from ecg_r1.recipe import GRPORecipe, SFTRecipe
from ecg_r1.runs import layout
from ecg_r1.runs.held_out import FACTS, Curve, Measure, kept_best
from ecg_r1.runs.predictions import Prediction
from ecg_r1.terminal import say
from ecg_r1.train.guarded import NothingLeft
from ecg_r1.train.media import WHOLE, Media
from ecg_r1.train.processes import whole

CLEARLY = 2  # standard errors of a difference that are more than chance
CLIPPED = 0.1  # share of the rollouts that may be cut off
MARGIN = 1.5  # of the longest target, for an answer that says more

Generate = Callable[[Sequence[Prompt], int], list[Rollout]]


class HeldOutCallback(TrainerCallback):
    """Evaluates every so many steps, and keeps the best checkpoint.

    Args:
        trainer: of the run.
        recipe: of the run, with `held_out`.
        store: the held-out split.
        processor: of the model.
        measure: what answers are worth.
    """

    def __init__(
        self,
        trainer: Any,
        recipe: SFTRecipe | GRPORecipe,
        store: RecordStore,
        processor: GEMProcessor,
        measure: Measure,
    ):
        assert recipe.held_out is not None
        self.trainer, self.settings, self.store, self.measure = trainer, recipe.held_out, store, measure
        self.media = Media(store, processor, cached_pages=0)
        self.folder = Path(recipe.run)
        self.examples = store.drawn(self.settings.examples, recipe.seed)  # the same each time
        self.max_tokens = longest_answer(recipe, trainer.args, store, processor)
        metric = self.settings.metric
        self.curve = Curve(self.folder, metric, measure.higher_is_better[metric])
        in_vllm = isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm"
        self.generate: Generate = self._with_vllm if in_vllm else self._with_transformers

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up the curve; a run that begins has none, and the model that it begins with is evaluated.

        Raises:
            NothingLeft: the run had stopped early.
        """
        begins = state.global_step == 0
        if begins and state.is_world_process_zero:  # what lies there is of a run that left no checkpoint
            shutil.rmtree(self.folder / layout.BEST, ignore_errors=True)
        self.curve.read(-1 if begins else state.global_step, write=state.is_world_process_zero)
        self.trainer.accelerator.wait_for_everyone()
        if begins:
            self._evaluate(args, state, control)
        if self._is_over():
            raise NothingLeft

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Evaluate where it is time, and stop the run where it has been long enough without a better result."""
        step = state.global_step
        if step % self.settings.every == 0 or step >= state.max_steps:
            self._evaluate(args, state, control)
            if self._is_over() and step < state.max_steps:
                control.should_training_stop = control.should_save = True
                best = self.curve.best() or {}
                self._say(
                    state,
                    f"stopped: {self.settings.patience} evaluations without a better {self.settings.metric} than "
                    f"{self.curve.value(best) if best else None} at step {best.get('step')}",
                )

    def _is_over(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.curve.since_best() >= patience

    def _evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> None:
        began = time.time()
        measured = self.measure(self._answers(), self.store)
        main = state.is_world_process_zero
        row = {
            "step": state.global_step,
            "values": dict(measured.values),
            "errors": dict(measured.errors),
            "reward": _reward(state, self.curve.rows[-1]["step"] if self.curve.rows else 0),
        }
        alarms = [*measured.signs, *self._rollouts_cut(state), *self._diverges(row)]
        self.curve.add(row | {"alarms": alarms, "seconds": time.time() - began}, write=main)
        said_before = self.curve.rows[-2]["alarms"] if len(self.curve.rows) > 1 else []
        for alarm in alarms:
            if alarm not in said_before:
                self._say(state, f"alarm: {alarm}")
        self._keep_best(row, main)
        logs = {f"held_out/{name}": value for name, value in measured.values.items()}
        due = control.should_log  # of the step itself; saying something here would take it for said
        self.trainer.callback_handler.on_log(args, state, control, {**logs, "held_out/seconds": time.time() - began})
        control.should_log = due

    def _answers(self) -> list[Prediction]:
        """The answers of all processes, each of which makes its share."""
        accelerator = self.trainer.accelerator
        own = self.examples[accelerator.process_index :: accelerator.num_processes]
        tokenizer = self.media.processor.tokenizer
        with _undisturbed():
            rollouts = self.generate([self._prompt(example) for example in own], self.max_tokens)
        made = [
            Prediction.of(example, rollout.token_ids, tokenizer, self.max_tokens)
            for example, rollout in zip(own, rollouts, strict=True)
        ]
        return sorted(gather_object(made), key=lambda row: row.example)

    def _prompt(self, example: Example) -> Prompt:
        processor = self.media.processor
        shown = self.media.shown(example, WHOLE)
        text, views = processor.expand(self.media.prompt(example, shown)), shown.views
        return Prompt(
            processor.tokenizer(text, add_special_tokens=False)["input_ids"],
            [self.media.signal(view) for view in views],
            [self.media.page(view) for view in views if view.page],
        )

    def _with_vllm(self, prompts: Sequence[Prompt], max_tokens: int) -> list[Rollout]:
        """By the engine of the rollouts, with the weights of now."""
        self.trainer.sync_rollouts()
        groups = self.trainer.vllm_generation.answer(prompts, temperature=0.0, max_tokens=max_tokens)
        return [group[0] for group in groups]

    def _with_transformers(self, prompts: Sequence[Prompt], max_tokens: int) -> list[Rollout]:
        """By the model that is trained."""
        trainer = self.trainer
        with unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator) as model:
            training = model.training
            model.eval()
            try:
                engine = HFEngine(model, self.media.processor)
                return [group[0] for group in engine.generate(prompts, temperature=0.0, max_tokens=max_tokens)]
            finally:
                model.train(training)

    def _keep_best(self, row: dict[str, Any], main: bool) -> None:
        """Save the model where it is the best so far. A run that is resumed before its best keeps that one."""
        value, kept = self.curve.value(row), kept_best(self.folder)
        if value is None or (kept is not None and not self._better(value, kept["value"])):
            return
        trained = self.trainer.accelerator.unwrap_model(self.trainer.model)
        with whole(trained):
            if main:
                with written_whole(self.folder / layout.BEST) as part:
                    save(trained, self.media.processor, part)
                    facts = {"step": row["step"], "metric": self.settings.metric, "value": value}
                    write_atomically(part / FACTS, json.dumps(facts, indent=1) + "\n")
        self.trainer.accelerator.wait_for_everyone()

    def _better(self, value: float, than: float) -> bool:
        return value > than if self.curve.higher else value < than

    def _diverges(self, row: dict[str, Any]) -> list[str]:
        """Whether the reward rose since the first evaluation of a reward, while the metric fell by more than chance."""
        rewarded = [other for other in self.curve.rows if other["reward"] is not None]
        first, metric = (self.curve.rows or [row])[0], self.settings.metric
        now, then = self.curve.value(row), self.curve.value(first)
        if not rewarded or row["reward"] is None or now is None or then is None:
            return []
        error = float(np.hypot(row["errors"][metric], first["errors"].get(metric, 0.0)))
        fell = self._better(then, now) and abs(now - then) > CLEARLY * error
        before = rewarded[0]["reward"]
        if not fell or row["reward"] <= before:
            return []
        return [
            f"the reward rose from {before:.3g} to {row['reward']:.3g}, and {metric} went from {then:.3g} to {now:.3g}"
        ]

    def _rollouts_cut(self, state: TrainerState) -> list[str]:
        """Whether the last logged rollouts were cut off; TRL counts them."""
        share = next(
            (row["completions/clipped_ratio"] for row in reversed(state.log_history)
             if "completions/clipped_ratio" in row), 0.0,
        )  # fmt: skip
        return [f"{share:.0%} of the rollouts are cut off at the limit of tokens"] if share > CLIPPED else []

    def _say(self, state: TrainerState, words: str) -> None:
        if state.is_world_process_zero:
            say(f"{self.folder}: step {state.global_step}: held out: {words}", err=True)


def longest_answer(recipe: SFTRecipe | GRPORecipe, arguments: Any, store: RecordStore, processor: GEMProcessor) -> int:
    """Tokens that an answer may have."""
    assert recipe.held_out is not None
    if recipe.held_out.max_tokens is not None:
        return recipe.held_out.max_tokens
    if isinstance(recipe, GRPORecipe):
        return int(arguments.max_completion_length)
    targets = [example.response for example in store.examples if example.response]
    longest = max(len(ids) for ids in processor.tokenizer(targets, add_special_tokens=False)["input_ids"])
    return int(MARGIN * (longest + 1))


def _reward(state: TrainerState, since: int) -> float | None:
    """The mean reward that was logged since the evaluation at this step; None where there is none, as in SFT.

    The trainer logs a step after its evaluation: the log of step `since` is new, that of the present step is to come.
    """
    values = [float(row["reward"]) for row in state.log_history if "reward" in row and row.get("step", 0) >= since]
    return sum(values) / len(values) if values else None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave the generators of torch as they were: the training draws what it would have drawn."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=devices):
        yield
