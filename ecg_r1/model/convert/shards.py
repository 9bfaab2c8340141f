"""Carry a plan out: stream the tensors, shard by shard, into a checkpoint that transformers and vLLM open."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from transformers import GenerationConfig

from ecg_r1.disk import writing
from ecg_r1.files import PART
from ecg_r1.locks import FolderLock
from ecg_r1.model.checkpoint import PARTS
from ecg_r1.model.configuration import GEMConfig
from ecg_r1.model.convert.plan import WITH_ROWS, Plan
from ecg_r1.model.modeling import GEMForConditionalGeneration
from ecg_r1.model.weights import CheckpointError, ShardWriter, read


def write(plan: Plan, folder: Path) -> Iterator[str]:
    """Write the checkpoint, its tokenizer and processor, and `conversion.json`: where each tensor comes from.

    The folder appears when it is complete; a write that is interrupted leaves nothing. What a killed one left is
    removed by the next.

    Args:
        plan: what to write.
        folder: a new or empty folder.

    Yields:
        The name of each tensor, once it is read.

    Raises:
        CheckpointError: the folder exists and is not empty.
        Locked: another process converts to this folder.
        DiskError: its disk is full, or it cannot be written to.
    """
    with writing(folder), _beside(folder) as unfinished:
        writer = ShardWriter(unfinished)
        for name, tensor in _tensors(plan):
            writer.add(name, tensor)
            yield name
        writer.close()
        _write_rest(plan, unfinished)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` at the end.

    It lies in `<folder>.part`, whose lock keeps others away: a lock in `folder` itself would make it appear at once.
    """
    whole = Path(os.path.abspath(folder))  # "." has no name
    part = whole.with_name(whole.name + PART)
    unfinished = part / whole.name
    try:
        with FolderLock(part):
            check_destination(folder)  # another process may have written it since the command began
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                yield unfinished
                unfinished.rename(whole)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    finally:
        with suppress(OSError):  # it is gone, unless a killed process had made it; or another has just taken the lock
            part.rmdir()


def check_destination(folder: Path) -> None:
    """Refuse a folder that holds something already.

    Args:
        folder: where the checkpoint is to be written.

    Raises:
        CheckpointError: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder}: exists already; name a new folder")


def _tensors(plan: Plan) -> Iterator[tuple[str, torch.Tensor]]:
    ours = {tensor: name for name, tensor in plan.used.items()}
    for stored, tensor in read(plan.used.values()):
        name = ours[stored]
        yield name, _with_rows(tensor, plan.config.text_config.vocab_size) if name in WITH_ROWS else tensor
    if plan.random:
        yield from _drawn(plan)


def _with_rows(rows: torch.Tensor, wanted: int) -> torch.Tensor:
    """Add a row for each new token: the mean of the others, so that a new token is never the likeliest."""
    mean = rows.float().mean(dim=0, keepdim=True).to(rows.dtype)
    return torch.cat([rows, mean.expand(wanted - rows.shape[0], -1)])


def _drawn(plan: Plan) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors that no source has, initialised as those of a new model."""
    assert isinstance(plan.config, GEMConfig)
    with torch.device("meta"):
        model = GEMForConditionalGeneration(plan.config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        for prefix in PARTS.values():
            if any(name.startswith(prefix) for name in plan.random):
                module = model.get_submodule(prefix.removesuffix(".")).to_empty(device="cpu")
                module.apply(model._init_weights)
                for name, tensor in module.state_dict(prefix=prefix).items():
                    yield name, tensor.to(plan.config.dtype)


def _write_rest(plan: Plan, folder: Path) -> None:
    plan.config.save_pretrained(folder)
    if plan.processor is not None:
        plan.processor.save_pretrained(folder)
        ids = {key: getattr(plan.config, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        GenerationConfig(**ids).save_pretrained(folder)
    record = {
        "used": {name: f"{tensor.file.name}: {tensor.name}" for name, tensor in plan.used.items()},
        "random": {"seed": plan.seed, "tensors": list(plan.random)},
        "dropped": {f"{tensor.file.name}: {tensor.name}": reason for tensor, reason in plan.dropped},
    }
    (folder / "conversion.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
