"""What a rollout server's workers can do beside vLLM's own: take new weights from a file."""

from __future__ import annotations

import logging
from typing import Any

from safetensors import safe_open

RELOAD = "vllm.model_executor.model_loader.reload"  # the parent of its loggers


class Receiver:
    """Mixed into vLLM's worker (`worker_extension_cls`)."""

    model_runner: Any

    def replace_weights(self, path: str) -> int:
        """Replace the weights that a file holds; layers that it does not name stay as they are.

        Args:
            path: safetensors, by the names of the checkpoint. Of a layer that vLLM fuses it holds all parts.

        Returns:
            How many tensors were replaced.
        """
        log = logging.getLogger(RELOAD)
        level = log.level
        log.setLevel(logging.ERROR)  # it warns of every layer that stays
        try:
            with safe_open(path, "pt") as tensors:
                names = list(tensors.keys())
                self.model_runner.reload_weights(weights_iterator=((name, tensors.get_tensor(name)) for name in names))
        finally:
            log.setLevel(level)
        return len(names)
