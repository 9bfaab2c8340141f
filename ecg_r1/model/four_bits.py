"""QLoRA: the parts that get adapters lie in memory as 4-bit NormalFloat while they train.

After Dettmers et al., "QLoRA: Efficient Finetuning of Quantized LLMs" (2023): NF4 with double quantization, adapters on
top. What is saved are the checkpoint's own weights with the adapters merged into them, not the rounded ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn

BYTES = 0.5 + 1 / 64  # of a weight: 4 bits, and 8 for the scale of each block of 64


def quantization(parts: Sequence[str], prefixes: dict[str, str]) -> Any:
    """transformers' configuration that holds the linear layers of some parts in 4 bits.

    Args:
        parts: to hold so.
        prefixes: of all parts, by name.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
        llm_int8_skip_modules=[prefix.rstrip(".") for part, prefix in prefixes.items() if part not in parts],
    )


def on_whole_weights(trained: Any, base: nn.Module) -> Any:
    """The adapters of a QLoRA model on the checkpoint's own weights.

    Args:
        trained: PEFT's model around one in 4 bits.
        base: the checkpoint that it began with, not quantized; it is changed.
    """
    whole = get_peft_model(base, trained.peft_config["default"])
    set_peft_model_state_dict(whole, get_peft_model_state_dict(trained))
    return whole
