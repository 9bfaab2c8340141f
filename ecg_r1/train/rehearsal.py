"""Rehearsal: GRPO goes on learning the reports of the prompts that it asks, so that it does not forget them.

GRPO makes what a policy says already more or less likely; a statement that it never samples gets no reward. The term
is that of PPO-ptx in InstructGPT (arXiv 2203.02155, equation 2), on the reports of the batch instead of other texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ecg_r1.recipe import RecipeError
from ecg_r1.scoring import Completion
from ecg_r1.train.advantages import token_spans
from ecg_r1.train.dropout import Shown
from ecg_r1.train.media import Media
from ecg_r1.train.sft import IGNORED, SFTCollator


class RehearsalLoss:
    """The supervised loss on the reports of a batch's prompts.

    Args:
        media: signals and pages of the training split, as they are shown.
        weight: of the loss.
        of: "report", or "answer" for its answer alone (`Completion.answer`).
    """

    def __init__(self, media: Media, weight: float, of: str = "report"):
        self.media, self.weight, self.of = media, weight, of

    def loss(self, model: Any, shown: Sequence[Shown], moment: int, device: torch.device) -> torch.Tensor:
        """Mean negative log-likelihood of a learned token, then the mean over the reports, without its weight.

        Each report counts the same, so that passes over a part of the rows add up to the pass over all.

        Args:
            shown: of the rows of the batch; a prompt that stands in several is read once.
            moment: at which it was drawn what is shown.

        Raises:
            RecipeError: an example has no report, or no answer in it; the message names it.
        """
        names = list(dict.fromkeys(one.example for one in shown))
        for name in names:
            if not self.media.store.example(name).response:
                raise RecipeError(f"rehearsal: the example {name} has no response to learn from; leave `rehearsal` out")
        batch = SFTCollator(self.media, moment)([{"example": name} for name in names])
        batch = {key: tensor.to(device) for key, tensor in batch.items()}
        labels = batch.pop("labels")[:, 1:]
        if self.of == "answer":
            for name, row in zip(names, labels, strict=True):
                self._keep_answer(name, row)
        logits = model(**batch, use_cache=False).logits[:, :-1].float()
        of_tokens = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
        return (of_tokens.sum(dim=1) / (labels >= 0).sum(dim=1)).mean()

    def _keep_answer(self, name: str, labels: torch.Tensor) -> None:
        """Ignore the labels outside the answer of a report, in place. What ends the answer is learned too."""
        learned = (labels >= 0).nonzero().squeeze(1)
        tokenizer = self.media.processor.tokenizer
        ids = labels[learned].tolist()
        text = tokenizer.decode(ids, skip_special_tokens=True)
        (spans,) = token_spans([ids], [text], tokenizer)
        answers = [(start, end) for start, end, place in Completion.parse(text).sections if place == "answer"]
        inside = [any(left < end and right > start for start, end in answers) for left, right in spans]
        if not any(inside):
            raise RecipeError(f"rehearsal: the example {name} has no answer to learn from; use `of: report`")
        kept = [now or before for now, before in zip(inside, [False, *inside], strict=False)]
        labels[learned[~torch.tensor(kept, device=labels.device)]] = IGNORED
