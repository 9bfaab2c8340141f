"""Live progress of a run: a bar and the few numbers one watches; everything else is in metrics.jsonl."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ecg_r1.console import cell, console, progress

WATCHED = ("loss", "mean_token_accuracy", "reward", "completions/mean_length", "sampling/sampling_logp_difference/mean")


class LiveProgress(TrainerCallback):
    """A bar on a terminal; in a log file, or with `trainer.disable_tqdm`, a line at every tenth of the run.

    Args:
        title: of the run.
    """

    def __init__(self, title: str):
        self.title = title
        self.console = console(stderr=True)
        self._progress: Progress | None = None
        self._tenth = 0
        self._bar = False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero:
            self._bar = self.console.is_terminal and not args.disable_tqdm
            self._began, self._first = time.monotonic(), state.global_step
            self._progress = progress(
                "description", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), "numbers",
                on=self.console, hidden=not self._bar,
            )  # fmt: skip
            self._progress.start()
            self._task = self._progress.add_task(
                self.title, total=state.max_steps, completed=state.global_step, numbers=""
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if self._progress:
            self._progress.update(self._task, completed=state.global_step)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        if not self._progress or not logs:
            return
        shown = {
            key: logs[key] for key in logs if key in WATCHED or (key.startswith("rewards/") and key.endswith("/mean"))
        }
        if not shown:
            return
        numbers = "  ".join(f"{_short(key)} {value:.3g}" for key, value in shown.items() if value is not None)
        self._progress.update(self._task, numbers=numbers)
        tenth = 10 * state.global_step // max(1, state.max_steps)
        if not self._bar and tenth > self._tenth:
            self._tenth = tenth
            left = self._left(state)
            said = f"{self.title} {state.global_step}/{state.max_steps}  {left}{numbers}"
            self.console.print(cell(said), soft_wrap=True)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._progress:
            self._progress.stop()

    def _left(self, state: TrainerState) -> str:
        """The time that the rest will take at the pace of the steps so far; empty at the end."""
        done, rest = state.global_step - self._first, state.max_steps - state.global_step
        if done <= 0 or rest <= 0:
            return ""
        seconds = round((time.monotonic() - self._began) * rest / done)
        return f"{timedelta(seconds=seconds)} left  "


def _short(key: str) -> str:
    parts = [part for part in key.split("/") if part not in ("rewards", "mean", "completions", "sampling")]
    return "/".join(parts)
