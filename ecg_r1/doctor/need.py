"""What a recipe needs, from the shape of its model: no weights are loaded.

Per process, after Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models" (2020),
section 3.1: parameters, gradients and Adam's states, each divided by the processes from the ZeRO stage on that shards
it. A model that is trained whole needs what DeepSpeed's own estimators say (`tests/doctor/test_doctor.py`). Activations
come on top; with gradient checkpointing they are small beside these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from torch import nn

from ecg_r1.model.checkpoint import PARTS, freeze, shape_of
from ecg_r1.model.four_bits import BYTES
from ecg_r1.model.lora import adapted
from ecg_r1.recipe import GRPORecipe, PretrainRecipe, RunRecipe

FLOAT32, HALF = 4, 2  # bytes
ADAM = 2 * FLOAT32  # two moments


@dataclass(frozen=True)
class Need:
    """Bytes. parameters, gradients, optimizer: of one training process, on its device. offloaded: of one process, in
    the machine's memory in the device's place. loading: of each process before it trains, in the machine's memory.
    engine: vLLM's own weights, 0 without it. token: one token in its KV cache. disk: what a run keeps. total, trained:
    numbers of parameters."""

    total: int
    trained: int
    parameters: float
    gradients: float
    optimizer: float
    offloaded: float
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
    small = _four_bits(recipe, model)
    trained = _trained(recipe, model)
    zero = _zero(recipe.deepspeed)
    shared = {n: recipe.processes if zero.stage >= n else 1 for n in (1, 2, 3)}
    half = bool(recipe.deepspeed and (recipe.trainer.get("bf16") or recipe.trainer.get("fp16")))
    number = HALF if half else FLOAT32
    states = trained * (ADAM + (FLOAT32 if half else 0))  # half: and a float32 copy of what is trained
    optimizer = (states + (trained * FLOAT32 if half else 0)) / shared[1]  # and of its gradients, in the step
    weights = total * number - small * (number - BYTES)
    parameters, gradients = weights / shared[3], trained * number / shared[2]
    offloaded = 0.0
    if zero.offloads_optimizer:  # gradients go there as they are made
        offloaded, optimizer, gradients = optimizer, 0.0, 0.0
    if zero.offloads_parameters:
        offloaded, parameters = offloaded + parameters, 0.0
    if zero.stage == 3:  # the largest layer is whole on each process while it is used
        largest = max(sum(p.numel() for p in module.parameters(recurse=False)) for module in model.modules())
        parameters += largest * 2 * number  # it and its gradient
    engine = token = 0.0
    if isinstance(recipe, GRPORecipe) and recipe.rollout.engine == "vllm":
        served = FLOAT32 if recipe.rollout.dtype == "float32" else HALF
        text = model.config.text_config
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        engine, token = total * served, 2 * text.num_hidden_layers * text.num_key_value_heads * width * served
    checkpoints = int(recipe.trainer.get("save_total_limit") or 1) + 1  # the oldest goes once the newest is whole
    return Need(
        total, trained,
        parameters=parameters,
        gradients=gradients,
        optimizer=optimizer,
        offloaded=offloaded,
        loading=total * FLOAT32,
        engine=engine,
        token=token,
        disk=total * number + checkpoints * ((trained if recipe.lora else total) * number + states),
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


def _four_bits(recipe: RunRecipe, model: nn.Module) -> int:
    """Numbers that lie in 4 bits: of the linear layers of the parts that get adapters."""
    if recipe.lora is None or recipe.lora.bits is None:
        return 0
    prefixes = tuple(PARTS[part] for part in recipe.lora.parts if part in PARTS)
    layers = (layer for name, layer in model.named_modules() if f"{name}.".startswith(prefixes))
    return sum(layer.weight.numel() for layer in layers if isinstance(layer, nn.Linear))


@dataclass(frozen=True)
class Zero:
    """What a DeepSpeed configuration shards, and what it keeps in the machine's memory."""

    stage: int = 0
    offloads_optimizer: bool = False
    offloads_parameters: bool = False


def _zero(deepspeed: str | None) -> Zero:
    if deepspeed is None:
        return Zero()
    shipped = files("ecg_r1").joinpath("recipes", "deepspeed", f"{deepspeed}.json")
    text = shipped.read_text() if shipped.is_file() else Path(deepspeed).read_text(encoding="utf-8")
    values = json.loads(text).get("zero_optimization") or {}
    stage = int(values.get("stage", 0))
    optimizer, parameters = (
        (values.get(f"offload_{what}") or {}).get("device", "none") != "none" for what in ("optimizer", "param")
    )
    return Zero(stage, optimizer and stage > 0, parameters and stage == 3)
