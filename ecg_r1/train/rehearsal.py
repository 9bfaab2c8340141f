"""Rehearsal: GRPO goes on learning the reports of the prompts that it asks, so that it does not forget them.

GRPO makes what a policy says already more or less likely; a statement that it never samples gets no reward. The term
is that of PPO-ptx in InstructGPT (arXiv 2203.02155, equation 2), on the reports of the batch instead of other texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ecg_r1.recipe import RecipeError
from ecg_r1.train.dropout import Shown
from ecg_r1.train.media import Media
from ecg_r1.train.sft import SFTCollator


class Rehearsal:
    """The supervised loss on the reports of a batch's prompts.

    Args:
        media: signals and pages of the training split, as they are shown.
        weight: of the loss.
    """

    def __init__(self, media: Media, weight: float):
        self.media, self.weight = media, weight

    def loss(self, model: Any, shown: Sequence[Shown], moment: int, device: torch.device) -> torch.Tensor:
        """Mean negative log-likelihood of a token of a report, then the mean over the reports, without its weight.

        Each report counts the same, so that passes over a part of the rows add up to the pass over all.

        Args:
            shown: of the rows of the batch; a prompt that stands in several is read once.
            moment: at which it was drawn what is shown.

        Raises:
            RecipeError: an example has no report; the message names it.
        """
        names = list(dict.fromkeys(one.example for one in shown))
        for name in names:
            if not self.media.store.example(name).response:
                raise RecipeError(f"rehearsal: the example {name} has no response to learn from; leave `rehearsal` out")
        batch = SFTCollator(self.media, moment)([{"example": name} for name in names])
        batch = {key: tensor.to(device) for key, tensor in batch.items()}
        labels = batch.pop("labels")[:, 1:]
        logits = model(**batch, use_cache=False).logits[:, :-1].float()
        of_tokens = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
        return (of_tokens.sum(dim=1) / (labels >= 0).sum(dim=1)).mean()
