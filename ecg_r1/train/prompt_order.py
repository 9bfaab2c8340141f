"""TRL's order of prompts: repeatable in each epoch, known ahead, and with the completions of a prompt side by side."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
import trl.trainer.grpo_trainer as trl_grpo
from torch.utils.data import Sampler
from trl.trainer.utils import RepeatSampler


@contextmanager
def groups_kept_together(group: int) -> Iterator[None]:
    """TRL shuffles the rows of a generation batch before it splits them into micro-batches: here it shuffles groups."""
    original = trl_grpo.shuffle_sequence_dict

    def shuffle(batch: dict[str, Any]) -> dict[str, Any]:
        grouped = {key: x.unflatten(0, (-1, group)) if x is not None and x.ndim else x for key, x in batch.items()}
        return {key: x.flatten(0, 1) if x is not None and x.ndim else x for key, x in original(grouped).items()}

    trl_grpo.shuffle_sequence_dict = shuffle
    try:
        yield
    finally:
        trl_grpo.shuffle_sequence_dict = original


class EachEpochSampler(Sampler):
    """Seeds each epoch's order of prompts by itself.

    TRL's own generator goes on from epoch to epoch: a run resumed after the first would begin with its order again.
    """

    def __init__(self, sampler: RepeatSampler):
        self.sampler, self.epoch = sampler, 0

    def __iter__(self) -> Iterator[int]:
        if self.sampler.shuffle:
            self.sampler.generator.manual_seed(self.sampler.seed + self.epoch)
        return iter(self.sampler)

    def __len__(self) -> int:
        return len(self.sampler)

    def generation(self, number: int) -> list[int]:
        """The rows of a generation batch of all processes, counted from the start of the run."""
        size = self.sampler.batch_size * self.sampler.mini_repeat_count
        epoch, place = divmod(number, len(self.sampler) // (size * self.sampler.repeat_count))
        again = copy.copy(self.sampler)
        again.generator = torch.Generator().manual_seed((self.sampler.seed or 0) + epoch)
        start = place * size * self.sampler.repeat_count
        return list(islice(again, start, start + size))
