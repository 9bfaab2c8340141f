"""The correction between the engine that sampled and the policy that learns, without a pass of its own.

TRL computes the log-probs of the rollouts in one more pass over the batch. Where a batch is learned from before the
weights change, the update's own pass gives the same ones.
"""

from __future__ import annotations

import torch


def importance_ratio(
    difference: torch.Tensor, mode: str, low: float | None = None, high: float | None = None
) -> torch.Tensor:
    """The ratio of policy to engine, truncated or masked (TRL's `vllm_importance_sampling_mode`).

    Args:
        difference: (B, T), the policy's log-probs less the engine's; 0 where a completion is padded, NaN where the
            engine gave none.
        mode: "token_truncate", "token_mask", "sequence_truncate" or "sequence_mask".
        low, high: between which a ratio is kept as it is.

    Returns:
        (B, T), or (B, 1) of a whole completion.
    """
    difference = difference.nan_to_num(nan=0.0)
    if mode.startswith("sequence"):
        difference = difference.sum(dim=-1, keepdim=True)
    ratio = difference.exp()
    if mode.endswith("truncate"):
        return ratio.clamp(min=low, max=high)
    outside = torch.zeros_like(ratio, dtype=torch.bool)
    if low is not None:
        outside |= ratio < low
    if high is not None:
        outside |= ratio > high
    return ratio.masked_fill(outside, 0.0)


def facts(difference: torch.Tensor, ratio: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """What TRL logs of the correction, by its names, of the completions of one process.

    Args:
        difference: (B, T), as in `importance_ratio`.
        ratio: its result.
        mask: (B, T), the tokens of the completions.
    """
    apart = difference[mask & ~difference.isnan()].abs()
    ratios = ratio.flatten() if ratio.shape[1] == 1 else ratio[mask]
    zero = difference.new_zeros(1)
    apart, ratios = (values if len(values) else zero for values in (apart, ratios))
    return {
        "sampling/sampling_logp_difference/mean": apart.mean(),
        "sampling/sampling_logp_difference/max": apart.max(),
        "sampling/importance_sampling_ratio/min": ratios.min(),
        "sampling/importance_sampling_ratio/mean": ratios.mean(),
        "sampling/importance_sampling_ratio/max": ratios.max(),
    }
