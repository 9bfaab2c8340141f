"""What a rollout server's workers can do beside vLLM's own: take new weights from a file, or from the trainer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from safetensors import safe_open

from ecg_r1.engine.group import Listing, Member

RELOAD = "vllm.model_executor.model_loader.reload"  # the parent of its loggers


class Receiver:
    """Mixed into vLLM's worker (`worker_extension_cls`)."""

    model_runner: Any
    parallel_config: Any
    member: Member | None = None  # of the trainer's process group
    received: Sequence[tuple[str, torch.Tensor]] = ()

    def replace_weights(self, path: str | None) -> int:
        """Replace the weights that a file holds, or those received; layers that these do not name stay as they are.

        Args:
            path: safetensors, by the names of the checkpoint. Of a layer that vLLM fuses it holds all parts. None: the
                weights that were received last.

        Returns:
            How many tensors were replaced.
        """
        if path is None:
            received, self.received = self.received, ()
            self._reload(iter(received))
            return len(received)
        with safe_open(path, "pt") as tensors:
            names = list(tensors.keys())
            self._reload((name, tensors.get_tensor(name)) for name in names)
        return len(names)

    def receive_weights(self, place: dict[str, Any], expected: Listing) -> None:
        """Take the weights that the trainer broadcasts to a process group, all of them or none.

        They wait in the machine's memory, since vLLM takes the GPU's; `replace_weights` makes the model's of them.

        Args:
            place: of the group, which is joined at its first broadcast.
            expected: what is broadcast, by the names of the checkpoint. Of a layer that vLLM fuses it holds all parts.

        Raises:
            RuntimeError: the trainer cannot be reached, or is gone.
        """
        if self.member is None or self.member.place.name != place["name"]:
            if self.member is not None:
                self.member.close()
                self.member = None
            config = self.parallel_config
            self.member = Member(place, 1 + config.data_parallel_index * config.world_size + config.rank)
        self.received = [(name, tensor.cpu()) for name, tensor in self.member.tensors(expected)]

    def _reload(self, tensors: Iterator[tuple[str, torch.Tensor]]) -> None:
        log = logging.getLogger(RELOAD)
        level = log.level
        log.setLevel(logging.ERROR)  # it warns of every layer that stays
        try:
            self.model_runner.reload_weights(weights_iterator=tensors)
        finally:
            log.setLevel(level)
