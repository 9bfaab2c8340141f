"""The reference model of a KL term: the policy as it was when the run began.

TRL builds it by the name of its architecture, under which transformers knows no GEM. With adapters no second model is
needed: the policy without them is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import trl.trainer.grpo_trainer as trl_grpo

from ecg_r1.model.checkpoint import load_model


@contextmanager
def reference_from(checkpoint: str | None) -> Iterator[None]:
    """While TRL's trainer is built, its reference model is loaded from the folder that the policy began from.

    Args:
        checkpoint: a GEM checkpoint; None where no reference is needed.
    """
    original = trl_grpo.create_model_from_path

    def load(model_id: str, *, dtype: Any = None, **_: Any) -> Any:
        if checkpoint is None:
            raise ValueError("a reference model needs the checkpoint that the policy began from")
        return load_model(checkpoint, dtype=str(dtype or "float32").removeprefix("torch."))[0]

    trl_grpo.create_model_from_path = load
    try:
        yield
    finally:
        trl_grpo.create_model_from_path = original
