"""Attention over a packed row of prefixes and their branches: what `ecg_r1.train.shared_prefix` has a model read.

Neither the keys of a prefix are repeated nor is a mask of the whole row built. On a CPU a branch's attention to its
prefix and its attention to itself are computed apart and merged by their log-sum-exps, as the parts of ring attention
are (Liu et al. 2023, arXiv 2310.01889). On a GPU it is one call of FlexAttention with a block mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "ecg_r1_shared_prefix"
Attended = tuple[torch.Tensor, torch.Tensor | None]


@dataclass(frozen=True)
class Layout:
    """A packed row: the prefixes of all groups, then the branches of all groups, without padding.

    Attributes:
        prefixes: tokens of each group's prefix.
        branches: for each group the tokens of its branches.
        masks: FlexAttention's, which all layers share.
    """

    prefixes: tuple[int, ...]
    branches: tuple[tuple[int, ...], ...]
    masks: dict[torch.device, BlockMask] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def start(self) -> int:
        """Where the branches begin."""
        return sum(self.prefixes)

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of every branch, group after group."""
        return [length for group in self.branches for length in group]

    @cached_property
    def length(self) -> int:
        """Tokens of the whole row."""
        return self.start + sum(self.lengths)

    def groups(self) -> Iterator[tuple[slice, slice]]:
        """For each group the places of its prefix and those of its branches."""
        prefix, branch = 0, self.start
        for tokens, lengths in zip(self.prefixes, self.branches, strict=True):
            yield slice(prefix, prefix + tokens), slice(branch, branch + sum(lengths))
            prefix, branch = prefix + tokens, branch + sum(lengths)

    @cached_property
    def padded(self) -> tuple[int, torch.Tensor]:
        """The longest branch, and of each token of a branch its place in (branches * longest)."""
        longest = max(self.lengths)
        places = [torch.arange(length) + i * longest for i, length in enumerate(self.lengths)]
        return longest, torch.cat(places)

    def block_mask(self, device: torch.device) -> BlockMask:
        """Which blocks of the row see which, for FlexAttention; made once for all layers."""
        if device not in self.masks:
            group, branch = self.owners(device)

            def visible(b: torch.Tensor, h: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
                own = (branch[q] == branch[k]) | (branch[k] < 0)
                return (k <= q) & (group[q] == group[k]) & own

            length = self.length
            self.masks[device] = create_block_mask(visible, None, None, length, length, device=str(device))
        return self.masks[device]

    def owners(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each token its group, and its branch or -1 where it belongs to a prefix."""
        group, branch = torch.empty(2, self.length, dtype=torch.int32, device=device)
        for i, (prefix, tail) in enumerate(self.groups()):
            group[prefix] = group[tail] = i
        branch[: self.start] = -1
        lengths = torch.tensor(self.lengths, device=device)
        branch[self.start :] = torch.arange(len(lengths), dtype=torch.int32, device=device).repeat_interleave(lengths)
        return group, branch


class _Merged(torch.autograd.Function):
    """Both attentions of every branch with torch's CPU kernel, which gives the log-sum-exp and takes it back.

    The gradient of a part needs nothing but the merged output and log-sum-exp: with these, the kernel's backward pass
    recomputes the part's share of the probabilities.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float | None
    ) -> torch.Tensor:
        out, lse = torch.empty_like(query), query.new_empty(query.shape[:3], dtype=torch.float32)
        tail = slice(layout.start, None)
        apart = (_apart(x[:, :, tail], layout) for x in (query, key, value))
        own, own_lse = _kernel(*apart, causal=True, scale=scale)
        out[:, :, tail], lse[:, :, tail] = _together(own, layout), _together(own_lse.unsqueeze(3), layout).squeeze(3)
        for prefix, branches in layout.groups():
            if prefix.stop == prefix.start:
                continue
            keys, values = key[:, :, prefix], value[:, :, prefix]
            out[:, :, prefix], lse[:, :, prefix] = _kernel(query[:, :, prefix], keys, values, causal=True, scale=scale)
            if branches.stop > branches.start:
                seen, seen_lse = _kernel(query[:, :, branches], keys, values, causal=False, scale=scale)
                total = torch.logaddexp(lse[:, :, branches], seen_lse)
                out[:, :, branches] *= (lse[:, :, branches] - total).exp().unsqueeze(3).to(out.dtype)
                out[:, :, branches] += seen * (seen_lse - total).exp().unsqueeze(3).to(out.dtype)
                lse[:, :, branches] = total
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.layout, ctx.scale = layout, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (grad,), (query, key, value, out, lse) = grads, ctx.saved_tensors
        layout, tail = ctx.layout, slice(ctx.layout.start, None)
        found = [torch.zeros_like(x) for x in (query, key, value)]
        apart = [_apart(x[:, :, tail], layout) for x in (grad, query, key, value, out)]
        own_lse = _apart(lse[:, :, tail].unsqueeze(3), layout).squeeze(3)
        for into, own in zip(found, _kernel_backward(*apart, own_lse, causal=True, scale=ctx.scale), strict=True):
            into[:, :, tail] = _together(own, layout)
        for prefix, branches in layout.groups():
            for rows, causal in ((prefix, True), (branches, False)):
                if rows.stop > rows.start and prefix.stop > prefix.start:
                    part: tuple[torch.Tensor, ...] = (
                        grad[:, :, rows],
                        query[:, :, rows],
                        key[:, :, prefix],
                        value[:, :, prefix],
                    )
                    part += out[:, :, rows], lse[:, :, rows]
                    of_query, of_key, of_value = _kernel_backward(*part, causal=causal, scale=ctx.scale)
                    found[0][:, :, rows] += of_query
                    found[1][:, :, prefix] += of_key
                    found[2][:, :, prefix] += of_value
        return *found, None, None


def _kernel(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, causal: bool, scale: float | None) -> Any:
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return op(query, key, value, 0.0, causal, scale=scale)


def _kernel_backward(*tensors: torch.Tensor, causal: bool, scale: float | None) -> Any:
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    return op(*tensors, 0.0, causal, scale=scale)


def _apart(x: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(1, heads, tokens of all branches, width) -> (branches, heads, longest, width), zeros behind the shorter ones."""
    longest, places = layout.padded
    padded = x.new_zeros(x.shape[1], len(layout.lengths) * longest, x.shape[3])
    padded[:, places] = x[0]
    return padded.unflatten(1, (-1, longest)).transpose(0, 1)


def _together(x: torch.Tensor, layout: Layout) -> torch.Tensor:
    """The inverse of `_apart`."""
    return x.transpose(0, 1).flatten(1, 2)[:, layout.padded[1]].unsqueeze(0)


def merged_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float | None = None
) -> torch.Tensor:
    """Attention of a packed row on a CPU.

    Args:
        query, key, value: (1, heads, layout.length, width), of one number of heads.
        scale: of the scores; width ** -0.5 unless given.

    Returns:
        (1, heads, layout.length, width).
    """
    return _Merged.apply(query, key, value, layout, scale)


def flex_branching_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: Layout, scale: float | None = None
) -> torch.Tensor:
    """As `merged_attention`, with FlexAttention; keys and values may have fewer heads. Compiled on a GPU."""
    attend = _compiled_flex() if query.is_cuda else flex_attention
    mask = layout.block_mask(query.device)
    return attend(query, key, value, block_mask=mask, scale=scale, enable_gqa=key.shape[1] != query.shape[1])


@cache
def _compiled_flex() -> Any:
    return torch.compile(flex_attention)


def branching_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    branches: Layout | None = None,
    scaling: float | None = None,
    **kwargs: Any,
) -> Attended:
    """SDPA; with `branches`, over the packed row that it describes.

    Args:
        query: (N, heads, tokens, width); N is 1 with `branches`.
        key, value: as `query`, of the same number of heads or a divisor of it.
        attention_mask: of SDPA; nothing is read from it with `branches`.

    Returns:
        (N, tokens, heads, width), None.
    """
    if branches is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    if query.is_cuda:
        attended = flex_branching_attention(query, key, value, branches, scaling)
    else:
        times = query.shape[1] // key.shape[1]
        attended = merged_attention(query, repeat_kv(key, times), repeat_kv(value, times), branches, scaling)
    return attended.transpose(1, 2).contiguous(), None


def use_branching_attention(language_model: PreTrainedModel) -> None:
    """Without branches it is SDPA, so it can stay: gradient checkpointing asks for it again in the backward pass."""
    AttentionInterface.register(ATTENTION, branching_attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    language_model.set_attn_implementation(ATTENTION)
