"""Shared-prefix policy passes: the G completions of a prompt are scored with the prompt read once.

The rows of a group, [prompt, completion] each, become one row [prefix, branch 1 … branch G]. The prefix is the prompt
without its last token; every branch begins with that token, so that each position has one token to predict. A branch
sees the prefix and itself, at the positions it would have alone: log-probs and gradients are those of the plain pass.
P + G C tokens are read instead of G (P + C). The idea is PrefixGrouper's (Liu et al. 2025, arXiv 2506.05433).
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "ecg_r1_shared_prefix"
Attended = tuple[torch.Tensor, torch.Tensor | None]


def branching_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    branches: int | None = None,
    **kwargs: Any,
) -> Attended:
    """SDPA; with `branches`, over rows of a prefix and so many branches.

    Args:
        query, key, value: (N, heads, P + branches * C, width).
        attention_mask: with `branches` (N, 1, C, P + C), what a branch sees of the prefix and of itself.

    Returns:
        (N, P + branches * C, heads, width), None.
    """
    if branches is None or attention_mask is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    length, seen = attention_mask.shape[2:]
    prefix = seen - length
    causal = torch.ones(prefix, prefix, dtype=torch.bool, device=query.device).tril()
    # Padding on the left sees itself: a row of nothing but masked keys would be NaN.
    own = attention_mask[:, :, -1:, :prefix] & causal | torch.eye(prefix, dtype=torch.bool, device=query.device)
    head, _ = sdpa_attention_forward(module, *(x[:, :, :prefix] for x in (query, key, value)), own, **kwargs)

    def apart(x: torch.Tensor) -> torch.Tensor:  # (N, heads, branches * C, width) -> (N * branches, heads, C, width)
        return x[:, :, prefix:].unflatten(2, (branches, length)).transpose(1, 2).flatten(0, 1)

    def after_prefix(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, :, :prefix].repeat_interleave(branches, dim=0), apart(x)], dim=2)

    mask = attention_mask.repeat_interleave(branches, dim=0)
    tail, _ = sdpa_attention_forward(module, apart(query), after_prefix(key), after_prefix(value), mask, **kwargs)
    return torch.cat([head, tail.unflatten(0, (-1, branches)).flatten(1, 2)], dim=1), None


def use_branching_attention(language_model: PreTrainedModel) -> None:
    """Without branches it is SDPA, so it can stay: gradient checkpointing asks for it again in the backward pass."""
    AttentionInterface.register(ATTENTION, branching_attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    language_model.set_attn_implementation(ATTENTION)


class SharedPrefix:
    """Stands in for the policy in TRL's log-prob pass.

    Args:
        model: called once for each row of groups, with TRL's fused head.
        group: G, completions of a prompt; they stand together.
        completion: C, tokens of the padded completions.
    """

    def __init__(self, model: Callable[..., Any], group: int, completion: int):
        self.model, self.group, self.completion = model, group, completion

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **kwargs: Any
    ) -> SimpleNamespace:
        """`input_ids`, `attention_mask`, `labels`: (N * G, P + C), prompts padded on the left. Returns log_probs and
        entropy (N * G, C).

        Raises:
            ValueError: the rows of a group do not have one prompt.
        """
        group, length = self.group, self.completion
        prefix = input_ids.shape[1] - length - 1
        prompts = input_ids[:, : prefix + 1].unflatten(0, (-1, group))
        if not torch.equal(prompts, prompts[:, :1].expand_as(prompts)):
            raise ValueError(f"the completions of a prompt do not stand together in groups of {group}")
        rows = len(prompts)
        device = input_ids.device
        branch = prefix + torch.arange(length, device=device)
        positions = torch.cat([torch.arange(prefix, device=device), branch.repeat(group)])
        visible = attention_mask[::group, None, None, :prefix].bool().expand(rows, 1, length, prefix)
        own = torch.ones(length, length, dtype=torch.bool, device=device).tril().expand(rows, 1, length, length)
        targets = labels[:, -length:].reshape(rows, -1)
        output = self.model(
            input_ids=torch.cat([prompts[:, 0, :prefix], input_ids[:, prefix:-1].reshape(rows, -1)], dim=1),
            attention_mask=torch.cat([visible, own], dim=3),
            position_ids=positions.expand(rows, -1),
            shift_labels=torch.cat([targets.new_full((rows, prefix), -100), targets], dim=1),
            branches=group,
            **kwargs,
        )
        return SimpleNamespace(
            log_probs=output.log_probs[:, prefix:].reshape(-1, length),
            entropy=None if output.entropy is None else output.entropy[:, prefix:].reshape(-1, length),
            aux_loss=output.aux_loss,
        )
