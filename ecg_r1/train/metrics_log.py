"""metrics.jsonl: what TRL logs, one object a step."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ecg_r1.files import write_atomically


class MetricsLog(TrainerCallback):
    """Writes metrics.jsonl, one object for each logged step; a step repeated after a resume replaces the old one."""

    def __init__(self, path: Path):
        self.path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero and self.path.is_file():
            lines = [line for line in self.path.read_text(encoding="utf-8").splitlines() if _complete(line)]
            kept = [line for line in lines if json.loads(line)["step"] <= state.global_step]
            write_atomically(self.path, "".join(line + "\n" for line in kept))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero and logs:
            row = {"step": state.global_step, "time": time.time(), "cpu_seconds": time.process_time(), **logs}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def _complete(line: str) -> bool:
    """A killed process can leave half a line."""
    try:
        return "step" in json.loads(line)
    except json.JSONDecodeError:
        return False
