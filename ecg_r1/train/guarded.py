"""What every trainer of ours keeps to: no step with a number that is not finite, and none beyond the budget.

transformers goes on with a loss, a gradient and weights that are NaN, and writes 0 in the place of such a loss
(`logging_nan_inf_filter`). Resumed from the checkpoint of its last step, it trains one more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate.utils import gather_object
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import TrainOutput

from ecg_r1.model.weights import few, first_not_finite
from ecg_r1.runs import layout
from ecg_r1.train.stopped import MicroBatch, NonFinite, keep

GRADIENT = "the gradient"
ROWS = "rows"  # of a batch: the place of each row's example in the corpus


class NothingLeft(Exception):
    """The checkpoint that a run goes on from is that of its last step."""


class Numbered:
    """A collator whose batches also say which examples they hold.

    Args:
        collator: makes a batch of rows.
        place: of a row's example in the corpus.
    """

    def __init__(self, collator: Any, place: Any):
        self.collator, self.place = collator, place

    def __call__(self, rows: list[Any]) -> dict[str, torch.Tensor]:
        return self.collator(rows) | {ROWS: torch.tensor([self.place(row) for row in rows])}


class GuardedTrainer(Trainer):
    """A trainer that stops at the first loss, gradient or weight that is not finite, in all its processes.

    The batch of that step is kept in the run's folder. No checkpoint is written from then on.

    Args:
        names: the ids of the corpus's examples or records, by their place.
        args, kwargs: of the trainer.
    """

    def __init__(self, *args: Any, names: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.names = names
        self.batches: list[MicroBatch] = []  # of the step in hand
        self.add_callback(_AfterEachStep(self))

    def rows(self, inputs: dict[str, Any]) -> torch.Tensor:
        """Take the places of a batch's examples out of it."""
        return inputs.pop(ROWS)

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train up to the budget; where it was reached before, only load the checkpoint."""
        try:
            return super().train(*args, **kwargs)
        except NothingLeft:
            self._ended()
            return TrainOutput(self.state.global_step, math.nan, {})

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        inputs = dict(inputs)
        examples = [self.names[row] for row in self.rows(inputs).tolist()]
        given = dict(inputs)  # a trainer may add to them
        computed = super().compute_loss(model, inputs, *args, **kwargs)
        loss = computed[0] if isinstance(computed, tuple) else computed
        batch = MicroBatch(given, examples, loss.detach().mean().item())
        self.batches.append(batch)
        bad = not math.isfinite(batch.loss)
        if self._anywhere(bad):  # before the backward pass, in which processes wait for each other
            self._stop("the loss", batch.loss, self.state.global_step + 1, [batch] if bad else [])
        return computed

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As the trainer; DeepSpeed's own error of a loss scale that cannot shrink is one line too."""
        try:
            return super().training_step(*args, **kwargs)
        except Exception as error:
            if "loss scale already at minimum" not in str(error):
                raise
            self._stop(GRADIENT, math.inf, self.state.global_step + 1, self.batches)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        bad = norm is not None and (not math.isfinite(norm) or norm < 0)  # DeepSpeed writes -1 for NaN
        if self._anywhere(bad) and not self._skips():
            self._stop(GRADIENT, float(norm), self.state.global_step + 1, self.batches)
        return norm

    def _skips(self) -> bool:
        """Whether a loss scale of float16 caused the overflow: the step is skipped then, and the scale is halved."""
        scaler = self.accelerator.scaler
        if scaler is not None and scaler.is_enabled():
            return scaler.get_scale() > 1
        engine = getattr(self.accelerator, "deepspeed_engine_wrapped", None)
        return engine is not None and engine.engine.fp16_enabled() and engine.engine.dynamic_loss_scale()

    def _save_rng_state(self, output_dir: str) -> None:
        """As the trainer, and then wait for the other processes.

        `trainer_state.json`, which is written next, says that the whole checkpoint is there.
        """
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

    def check_weights(self, step: int) -> None:
        """Stop where a weight that is trained is not finite.

        Raises:
            NonFinite: it is not; the message names the weight.
        """
        name = first_not_finite(_local(self.model, self.accelerator.process_index))
        if self._anywhere(name is not None):
            self._stop(f"the weight {name}", math.nan, step, self.batches if name else [])

    def check_rollouts(self, sampled: bool, prompts: list[list[int]], examples: list[str]) -> None:
        """Stop where nothing could be sampled, since the probabilities of the tokens are not finite.

        Raises:
            NonFinite: it is so.
        """
        if self._anywhere(not sampled):
            batch = MicroBatch({f"prompt.{i}": torch.tensor(ids) for i, ids in enumerate(prompts)}, examples, math.nan)
            here = [] if sampled else [batch]
            self._stop("the probability of a token in the rollouts", math.nan, self.state.global_step + 1, here)

    def _anywhere(self, here: bool) -> bool:
        """Whether it is so in any process; all of them ask together."""
        if self.accelerator.num_processes == 1:
            return here
        flag = torch.tensor([int(here)], device=self.accelerator.device)
        return bool(self.accelerator.gather(flag).any())

    def _stop(self, what: str, value: float, step: int, batches: list[MicroBatch]) -> NoReturn:
        """Keep the batch and end the run; all processes come here together.

        Raises:
            NonFinite: in the first process.
            SystemExit: in the others.
        """
        process, run = self.accelerator.process_index, Path(self.args.output_dir).parent
        facts = {"step": step, "not_finite": what, "value": repr(value), "process": process}
        kept = keep(run / layout.STOPPED, f"step-{step}-process-{process}", batches, **facts) if batches else None
        examples = [example for batch in batches for example in batch.examples]
        found = [one for one in gather_object([(what, value, kept, examples)]) if one[2]]
        self.state.global_step = step
        losses = [batch.loss for batch in self.batches or batches]
        loss = {"loss": sum(losses) / len(losses)} if losses else {}
        self.log(loss | ({"grad_norm": value} if what == GRADIENT else {}))
        self._ended()
        if process:
            raise SystemExit(2)
        what, value = found[0][:2]
        paths = [str(path) for _, _, path, _ in found]
        named = dict.fromkeys(example for _, _, _, examples in found for example in examples)
        raise NonFinite(
            f"{run}: step {step}: {what} is {value}; the run stopped, and nothing of this step is saved. Its batch is "
            f"{few(paths)}, with the examples {few(named)}. The same command starts again from the last whole "
            "checkpoint; with other options, such as a lower trainer.learning_rate, choose another `run:`"
        )

    def _ended(self) -> None:
        self.control = self.callback_handler.on_train_end(self.args, self.state, self.control)  # type: ignore[has-type]
        self.is_in_train = False


class _AfterEachStep(TrainerCallback):
    def __init__(self, trainer: GuardedTrainer):
        self.trainer = trainer

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step >= state.max_steps:
            raise NothingLeft

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.trainer.batches.clear()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.trainer.check_weights(state.global_step)


def _local(model: nn.Module, process: int) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights that are trained; under ZeRO-3 this process's part of each, without the padding at its end."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part: Any = getattr(parameter, "ds_tensor", None)
            if part is None:
                yield name, parameter.detach()
            else:
                left = parameter.ds_numel - process * part.numel()  # type: ignore[attr-defined]
                yield name, part.detach()[: max(0, left)]
