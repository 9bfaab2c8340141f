"""Which groups of completions are read together, where a pass may have so many tokens and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

BY_TOKENS = {"bnpo"}  # losses that are a mean over the tokens of a micro-batch
SUMMED = {"dapo", "cispo", "vespo"}  # losses that are a sum, divided by the tokens of all micro-batches


def passes_needed(tokens: Sequence[int], budget: int) -> int:
    """The fewest passes with at most `budget` tokens each; a group that is larger by itself has its own.

    Args:
        tokens: of each group.
        budget: tokens of a pass.
    """
    count = max(1, -(-sum(min(own, budget) for own in tokens) // budget))
    while count < len(tokens) and any(
        len(part) > 1 and sum(tokens[i] for i in part) > budget for part in balanced(tokens, count)
    ):
        count += 1
    return min(count, len(tokens))


def balanced(tokens: Sequence[int], count: int) -> list[list[int]]:
    """Groups dealt out over passes: the largest first, each to the pass that has least.

    Returns:
        For each pass its groups in their order; none is empty where there are at least `count` groups.
    """
    parts: list[list[int]] = [[] for _ in range(count)]
    for group in sorted(range(len(tokens)), key=lambda i: -tokens[i]):
        min(parts, key=lambda part: (sum(tokens[i] for i in part), len(part))).append(group)
    return [sorted(part) for part in parts]


def group_tokens(inputs: dict[str, Any], group: int) -> list[int]:
    """Of each group of a batch of TRL's the tokens of its packed row: the prompt once, and its completions."""
    prompts = inputs["prompt_mask"][::group].sum(dim=1) - 1
    return (prompts + inputs["completion_mask"].sum(dim=1).view(-1, group).sum(dim=1)).tolist()


def part_of(inputs: dict[str, Any], groups: Sequence[int], group: int) -> dict[str, Any]:
    """The rows of some groups of a batch."""
    rows = torch.cat([torch.arange(i * group, (i + 1) * group) for i in groups])
    return {key: x[rows.to(x.device)] if isinstance(x, torch.Tensor) and x.ndim else x for key, x in inputs.items()}


def share(part: dict[str, Any], whole: dict[str, Any], loss_type: str) -> torch.Tensor | float:
    """What the loss of a part is multiplied with, so that the parts add up to the loss of the whole."""
    if loss_type in SUMMED:
        return 1.0
    if loss_type in BY_TOKENS:
        return part["completion_mask"].sum() / whole["completion_mask"].sum().clamp(min=1)
    return len(part["completion_mask"]) / len(whole["completion_mask"])
