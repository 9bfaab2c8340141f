"""Shared-prefix policy passes: the G completions of a prompt are scored with the prompt read once, without padding.

The rows of a batch, [prompt, completion] each, become one packed row [prefixes of all groups, branches of all groups].
A prefix is the prompt without its last token; every branch begins with that token, so that each position of a branch
has one token to predict. A branch sees the prefix of its group and itself, at the positions it would have alone:
log-probs and gradients are those of the plain pass. Per group, P + (sum of the completions' lengths) tokens are read
instead of G (longest P + longest C). The idea is PrefixGrouper's (Liu et al. 2025, arXiv 2506.05433).
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from ecg_r1.train.branching import Layout


class SharedPrefix:
    """Stands in for the policy in TRL's log-prob pass.

    Args:
        model: called once, with TRL's fused head.
        group: G, completions of a prompt; they stand together.
        completion: C, tokens of the padded completions.
    """

    def __init__(self, model: Callable[..., Any], group: int, completion: int):
        self.model, self.group, self.completion = model, group, completion

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor, **kwargs: Any
    ) -> SimpleNamespace:
        """`input_ids`, `attention_mask`, `labels`: (N * G, P + C), prompts padded on the left. Returns log_probs and
        entropy (N * G, C), 0 where a completion is padded.

        Raises:
            ValueError: the rows of a group do not have one prompt.
        """
        group, length = self.group, self.completion
        prompts = input_ids[:, :-length].unflatten(0, (-1, group))
        if not torch.equal(prompts, prompts[:, :1].expand_as(prompts)):
            raise ValueError(f"the completions of a prompt do not stand together in groups of {group}")
        seen = attention_mask.bool()
        in_prefix = seen[::group, :-length].clone()
        in_prefix[:, -1] = False  # the last token of a prompt begins its branches
        scored = seen[:, -length:]
        if not scored.any():  # every completion is left out: one token, whose label is -100, keeps the pass whole
            scored = torch.zeros_like(scored)
            scored[0, 0] = True
        prefixes, lengths = in_prefix.sum(dim=1), scored.sum(dim=1)
        layout = Layout(tuple(prefixes.tolist()), tuple(map(tuple, lengths.view(-1, group).tolist())))
        first = prefixes.repeat_interleave(group).unsqueeze(1)
        positions = [(in_prefix.cumsum(dim=1) - 1)[in_prefix], (first + scored.cumsum(dim=1) - 1)[scored]]
        output = self.model(
            input_ids=torch.cat([prompts[:, 0][in_prefix], input_ids[:, -length - 1 : -1][scored]]).unsqueeze(0),
            attention_mask=seen.new_ones(1, 1, 1, 1),  # one of 4 dimensions: transformers builds none in its place
            position_ids=torch.cat(positions).unsqueeze(0),
            shift_labels=labels[:, -length:][scored].unsqueeze(0),
            branches=layout,
            unscored=layout.start,
            **kwargs,
        )

        def unpacked(x: torch.Tensor | None) -> torch.Tensor | None:
            return None if x is None else x.new_zeros(scored.shape).masked_scatter(scored, x)

        return SimpleNamespace(
            log_probs=unpacked(output.log_probs), entropy=unpacked(output.entropy), aux_loss=output.aux_loss
        )
