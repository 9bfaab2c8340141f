"""What is kept of a step at which a run stops: its batch, and the ids of its examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ecg_r1.errors import UserError
from ecg_r1.files import write_atomically


class NonFinite(UserError):
    """A loss, a gradient or a weight of a run is NaN or infinite."""


@dataclass(frozen=True)
class MicroBatch:
    """What one call of the loss was given.

    Attributes:
        inputs: the tensors by name, and what else the trainer passes.
        examples: ids, in the order of the rows.
        loss: of these rows, as it was computed.
    """

    inputs: dict[str, Any]
    examples: list[str]
    loss: float


def keep(folder: Path, name: str, batches: Sequence[MicroBatch], **facts: Any) -> Path:
    """Write the tensors of micro-batches as `<name>.safetensors`, and what they are as `<name>.json`.

    A tensor is called `<micro-batch>.<input>`. The JSON file names the examples of each micro-batch and its loss.

    Args:
        folder: made where it is missing.
        name: of the files, without an ending.
        batches: of one step, on this process.
        facts: further values of the JSON file.

    Returns:
        The path of the tensors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{number}.{key}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for number, batch in enumerate(batches)
        for key, value in batch.inputs.items()
        if isinstance(value, torch.Tensor)
    }
    path = folder / f"{name}.safetensors"
    save_file(tensors, path)
    rows = [{"examples": batch.examples, "loss": repr(batch.loss)} for batch in batches]
    write_atomically(folder / f"{name}.json", json.dumps(facts | {"micro_batches": rows}, indent=1))
    return path
