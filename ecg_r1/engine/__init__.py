"""Who generates completions: vLLM or transformers, behind one protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ecg_r1.engine.base import Engine, EngineUnavailable, Prompt, Rollout, has_vllm, require_vllm

__all__ = [
    "Engine",
    "EngineUnavailable",
    "Prompt",
    "Rollout",
    "checkpoint_dtype",
    "has_vllm",
    "open_engine",
    "require_vllm",
]


def open_engine(kind: str, folder: str | Path, *, dtype: str | None = None, **options: Any) -> Engine:
    """Open the engine on a checkpoint.

    Args:
        kind: "vllm" or "hf".
        folder: a GEM checkpoint with its processor.
        dtype: by torch's name; the checkpoint's own unless given.
        options: vLLM's engine arguments, by its own names; transformers has none of them.

    Raises:
        EngineUnavailable: vLLM is not installed.
        CheckpointError: the folder holds no GEM.
    """
    dtype = dtype or checkpoint_dtype(folder)
    if kind == "vllm":
        from ecg_r1.engine.vllm_colocated import VLLMEngine

        return VLLMEngine(folder, dtype=dtype, **options)
    from ecg_r1.engine.hf import HFEngine
    from ecg_r1.model.checkpoint import load_model

    model, processor = load_model(str(folder), dtype=dtype)
    return HFEngine(model.eval(), processor)


def checkpoint_dtype(folder: str | Path) -> str:
    """The dtype that a checkpoint was saved in; vLLM's "auto" would make float16 of float32."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    return config.get("dtype") or "float32"
