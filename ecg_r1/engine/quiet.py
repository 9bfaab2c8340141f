"""Messages that vLLM and DeepSpeed repeat without a consequence are left out of the log; the others are printed.

In the demo's GRPO these were 1,069 of 1,114 lines. Filters sit on the loggers that write a message, so nothing else
of them is lost; a logger can be named before its library is imported.
"""

from __future__ import annotations

import logging
import os
import warnings

NOISE: dict[str, tuple[str, ...]] = {  # logger: how its message begins
    # At each step, since vLLM binds its threads once; nothing can be done about it.
    "vllm.v1.worker.cpu_worker": ("CPU backend doesn't allow to use `torch.set_num_threads`",),
    # At each step: the rotary tables are buffers, which the trainer does not hand over, and which do not change.
    "vllm.model_executor.model_loader.reload.layerwise": ("RotaryEmbedding: Failed to load weights",),
    # We ask for what these report, or it does not concern a GEM: no compiler on a CPU, one process, no Mamba layers.
    "vllm.triton_utils.importing": ("Triton is installed, but doesn't include CPU backend",),
    "vllm.platforms.cpu": ("Triton is not installed", "Reset SSM cache type"),
    "vllm.engine.arg_utils": (
        "The global random seed is set to", "This model does not officially support disabling chunked prefill",
    ),
    "vllm.config.model": ("Model does not support mm_device_do_normalize",),
    "vllm.config.vllm": (
        "Enforce eager set", "Inductor compilation was disabled", "Model Runner V2 requires Triton",
    ),
    # Each process says it; `ecg-r1 doctor` says which device there is.
    "DeepSpeed": ("Setting accelerator to CPU",),
}  # fmt: skip
WARNINGS = (
    "TRL currently supports vLLM",  # TRL 1.16 declares vLLM up to 0.31; the pinned 0.32 is what the parity tests run
    "`torch.distributed.reduce_op` is deprecated",  # vLLM's own use of it
)


class Without(logging.Filter):
    """Leaves out the messages that begin with one of these texts."""

    def __init__(self, beginnings: tuple[str, ...]):
        super().__init__()
        self.beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return not record.getMessage().startswith(self.beginnings)


def quieten(*, errors_alone: bool = False) -> None:
    """Leave stdout to the command, and stderr to what it has to say. Called before vLLM is imported.

    Args:
        errors_alone: of vLLM, print errors and no warning.
    """
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR" if errors_alone else "WARNING")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    for message in WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    for name, beginnings in NOISE.items():
        logger = logging.getLogger(name)
        if not any(isinstance(known, Without) for known in logger.filters):
            logger.addFilter(Without(beginnings))
