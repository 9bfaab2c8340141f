"""Memory and disk of this machine beside what a recipe needs of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ecg_r1.doctor.finding import Finding
from ecg_r1.doctor.machine import GB, free_disk, free_memory
from ecg_r1.doctor.need import Need, need
from ecg_r1.model.checkpoint import CheckpointError
from ecg_r1.recipe import GRPORecipe, RecipeError, RunRecipe

SHARE = 0.3  # of a GPU, vLLM's, unless the recipe says otherwise
FEWER = "a smaller model, or fewer processes on one machine"
MORE = "raise rollout.options.kv_cache_memory_bytes"
SMALLER = "a smaller model, LoRA, bf16, or a higher ZeRO stage over more processes"


def of_run(recipe: RunRecipe) -> list[Finding]:
    """What a run needs beside what there is."""
    try:
        needed = need(recipe)
    except CheckpointError as error:
        return [
            Finding("model", str(error), "blocks", "train or convert it first, or ask about a preset: model=gem-7b")
        ]
    except RecipeError as error:
        return [Finding("recipe", str(error), "blocks", "correct it")]
    millions = f"{needed.total / 1e6:,.1f} M parameters, {needed.trained / 1e6:,.1f} M trained"
    loading = recipe.processes * needed.loading
    room = free_disk(Path(recipe.run))
    return [
        Finding("model", millions + (" (LoRA)" if recipe.lora else "")),
        _within("memory, while loading", "float32 weights", loading, free_memory(), FEWER),
        *(_on_gpus(recipe, needed) if torch.cuda.is_available() else _on_cpu(recipe, needed)),
        _within("disk, for the run", "checkpoints and model", needed.disk, room, "save_total_limit, or another `run:`"),
    ]


def _on_cpu(recipe: RunRecipe, needed: Need) -> list[Finding]:
    stated, variable = _stated_cache(recipe), float(os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1")) * 2**30
    cache = (stated or variable) if needed.engine else 0.0
    wanted = recipe.processes * (needed.training + needed.offloaded + needed.engine + cache)
    return [
        _within("memory, in training", _sum(recipe, needed, cache), wanted, free_memory(), SMALLER),
        *_cache(recipe, needed, cache, MORE if stated else "raise VLLM_CPU_KVCACHE_SPACE (GB)"),
    ]


def _on_gpus(recipe: RunRecipe, needed: Need) -> list[Finding]:
    if torch.cuda.device_count() < recipe.processes:
        there = f"{torch.cuda.device_count()} for {recipe.processes} processes"
        return [Finding("GPUs", there, "blocks", f"processes={torch.cuda.device_count()}")]
    total = torch.cuda.get_device_properties(0).total_memory
    stated, share = _stated_cache(recipe), total * float(_options(recipe).get("gpu_memory_utilization", SHARE))
    engine = (needed.engine + stated if stated else share) if needed.engine else 0.0
    free = min(torch.cuda.mem_get_info(i)[0] for i in range(recipe.processes))
    wanted, cache = needed.training + engine, engine - needed.engine
    offloaded = recipe.processes * needed.offloaded
    return [
        _within("GPU memory", _sum(recipe, needed, cache), wanted, free, SMALLER),
        *([_within("memory, in training", "offloaded", offloaded, free_memory(), FEWER)] if offloaded else []),
        *_cache(recipe, needed, cache, MORE if stated else "raise rollout.options.gpu_memory_utilization"),
    ]


def _options(recipe: RunRecipe) -> dict[str, Any]:
    """The recipe's options of vLLM; none where nothing is generated."""
    return recipe.rollout.options if isinstance(recipe, GRPORecipe) else {}


def _stated_cache(recipe: RunRecipe) -> float:
    """Bytes that the recipe states for vLLM's cache; 0 where it states none."""
    return float(_options(recipe).get("kv_cache_memory_bytes") or 0)


def _cache(recipe: RunRecipe, needed: Need, cache: float, advice: str) -> list[Finding]:
    """vLLM does not start where its share does not hold one sequence of full length beside the weights."""
    longest = int(_options(recipe).get("max_model_len", 0))
    if not needed.engine or cache >= needed.token * max(longest, 1):
        return []
    tokens = max(0.0, cache / needed.token)
    return [Finding("vLLM's cache", f"{tokens:,.0f} tokens, for sequences of {longest:,}", "blocks", advice)]


def _sum(recipe: RunRecipe, needed: Need, cache: float) -> str:
    parts = {"parameters": needed.parameters, "gradients": needed.gradients, "optimizer": needed.optimizer}
    if needed.offloaded:
        parts |= {"offloaded": needed.offloaded}
    if needed.engine:
        parts |= {"vLLM's weights": needed.engine, f"its cache of {cache / needed.token:,.0f} tokens": cache}
    said = " + ".join(f"{name} {size / GB:.2f}" for name, size in parts.items())
    return f"{said} GB in each of {recipe.processes}" if recipe.processes > 1 else f"{said} GB"


def _within(what: str, said: str, wanted: float, free: float, advice: str) -> Finding:
    found = f"{wanted / GB:.1f} GB of {free / GB:.1f} GB free: {said}"
    return Finding(what, found, "blocks", advice) if wanted > free else Finding(what, found)
