"""What a recipe needs, from the shape of its model: no weights are loaded.

Per process, after Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models" (2020),
section 3.1: parameters, gradients and Adam's states, each divided by the processes from the ZeRO stage on that shards
it. Activations come on top; with gradient checkpointing they are small beside these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from torch import nn

from ecg_r1.model.checkpoint import PARTS, freeze, shape_of
from ecg_r1.model.lora import adapted
from ecg_r1.recipe import GRPORecipe, PretrainRecipe, RunRecipe

FLOAT32, HALF = 4, 2  # bytes
ADAM = 2 * FLOAT32  # two moments


@dataclass(frozen=True)
class Need:
    """Bytes. parameters, gradients, optimizer: of one training process. loading: of each process before it trains, in
    the machine's memory. engine: vLLM's own weights, 0 without it. token: one token in its KV cache. disk: what a run
    keeps. total, trained: numbers of parameters."""

    total: int
    trained: int
    parameters: float
    gradients: float
    optimizer: float
    loading: float
    engine: float
    token: float
    disk: float

    @property
    def training(self) -> float:
        """GB of what the optimizer updates: parameters, gradients and its own state."""
        return self.parameters + self.gradients + self.optimizer


def need(recipe: RunRecipe) -> Need:
    """What a run of the recipe needs.

    Raises:
        CheckpointError: the recipe's model is missing.
        RecipeError: its `lora:` names a part or a layer that does not exist.
    """
    model = shape_of(recipe.model)
    total = sum(parameter.numel() for parameter in model.parameters())
    trained = _trained(recipe, model)
    stage = _zero_stage(recipe.deepspeed)
    shared = {n: recipe.processes if stage >= n else 1 for n in (1, 2, 3)}
    half = bool(recipe.deepspeed and (recipe.trainer.get("bf16") or recipe.trainer.get("fp16")))
    number = HALF if half else FLOAT32
    optimizer = trained * (ADAM + (FLOAT32 if half else 0))  # half: and a float32 copy of what is trained
    engine = token = 0.0
    if isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm":
        served = FLOAT32 if recipe.rollout.dtype == "float32" else HALF
        text = model.config.text_config
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        engine, token = total * served, 2 * text.num_hidden_layers * text.num_key_value_heads * width * served
    checkpoints = int(recipe.trainer.get("save_total_limit") or 1) + 1  # the oldest goes once the newest is whole
    return Need(
        total, trained,
        parameters=total * number / shared[3],
        gradients=trained * number / shared[2],
        optimizer=optimizer / shared[1],
        loading=total * FLOAT32,
        engine=engine,
        token=token,
        disk=total * number + checkpoints * ((trained if recipe.lora else total) * number + optimizer),
    )  # fmt: skip


def _trained(recipe: RunRecipe, model: nn.Module) -> int:
    if recipe.lora is not None:
        adapters = adapted(recipe.lora, model, recipe.run)
        return sum(parameter.numel() for parameter in adapters.parameters() if parameter.requires_grad)
    freeze(model, recipe.freeze)
    towers = (PARTS["ecg_tower"], PARTS["vision_tower"])
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (not isinstance(recipe, PretrainRecipe) or name.startswith(towers))
    )


def _zero_stage(deepspeed: str | None) -> int:
    if deepspeed is None:
        return 0
    shipped = files("ecg_r1").joinpath("recipes", "deepspeed", f"{deepspeed}.json")
    text = shipped.read_text() if shipped.is_file() else Path(deepspeed).read_text(encoding="utf-8")
    return int(json.loads(text).get("zero_optimization", {}).get("stage", 0))
