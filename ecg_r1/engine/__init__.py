"""Who generates completions: vLLM or transformers, behind one protocol."""

from __future__ import annotations

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

ALONE = 0.9  # share of a GPU's memory for an engine that has the GPU to itself
FREE = 0.95  # of the memory that others leave free on it; vLLM refuses to start where less is free than it may take


def open_engine(
    kind: str,
    folder: str | Path,
    *,
    dtype: str | None = None,
    max_model_len: int | None = None,
    max_num_seqs: int | None = None,
) -> Engine:
    """Open an engine that has the machine to itself, on a checkpoint.

    It may use all memory that is free on a GPU. (Rollouts share the GPU with the trainer: `ecg_r1.train.rollout`.)

    Args:
        kind: "vllm" or "hf".
        folder: a GEM checkpoint with its processor.
        dtype: by torch's name; the checkpoint's own unless given.
        max_model_len: tokens of the longest prompt with its completion, for which vLLM makes room; the model's
            context unless given. transformers takes what it needs.
        max_num_seqs: completions that are generated together; the engine's own choice unless given.

    Raises:
        EngineUnavailable: vLLM is not installed.
        CheckpointError: the folder holds no GEM.
    """
    dtype = dtype or checkpoint_dtype(folder)
    if kind == "vllm":
        from ecg_r1.engine.vllm_colocated import VLLMEngine

        sizes = {"max_model_len": max_model_len, "max_num_seqs": max_num_seqs}
        options: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
        return VLLMEngine(folder, dtype=dtype, **options | _memory_share())
    import torch

    from ecg_r1.engine.hf import BATCH, HFEngine
    from ecg_r1.model.checkpoint import load_model

    model, processor = load_model(str(folder), dtype=dtype)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return HFEngine(model.to(device).eval(), processor, max_num_seqs or BATCH)


def _memory_share() -> dict[str, float]:
    """The share of a GPU's memory that vLLM may take: what is free, less a margin, at most `ALONE`. On a CPU
    `VLLMEngine`'s own share holds, because vLLM takes it from the machine's memory at once.
    """
    import torch

    if not torch.cuda.is_available():
        return {}
    free, total = torch.cuda.mem_get_info()
    return {"gpu_memory_utilization": min(ALONE, FREE * free / total)}


def checkpoint_dtype(folder: str | Path) -> str:
    """The dtype that a checkpoint was saved in; vLLM's "auto" would make float16 of float32."""
    from ecg_r1.model.settings import read_settings  # imports torch

    config = read_settings(Path(folder) / "config.json")
    return config.get("dtype") or config.get("torch_dtype") or "float32"
