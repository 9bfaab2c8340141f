"""An auxiliary loss of SFT: the ECG's tokens are drawn towards the embedded text of their own report (BP-GPT)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ecg_r1.recipe import Align

FEWEST = 2  # rows of a batch that have both; with one there is nothing to tell it from


def contrast(text: torch.Tensor, ecg: torch.Tensor, temperature: float) -> torch.Tensor:
    """BP-GPT's contrastive loss (1994cxy/BP-GPT) of B pairs.

    With S the inner products of [text; ecg], each row divided by its own S_ii: -log(Σ exp(S(t_i, e_i) / T) / Σ exp(S /
    T)), the second sum over all pairs of different rows but those of two texts.

    Args:
        text, ecg: (B, width); no gradient reaches the text.

    Returns:
        A number.
    """
    rows = torch.cat([text.detach(), ecg])
    products = rows @ rows.T
    similar = products / products.diagonal().clamp(min=1e-6).unsqueeze(1) / temperature
    count = len(text)
    counted = ~torch.eye(2 * count, dtype=torch.bool, device=rows.device)
    counted[:count, :count] = False
    own = similar[:count, count:].diagonal()
    return similar[counted].logsumexp(0) - own.logsumexp(0)


class PrefixAlignment:
    """Keeps what the language model of a GEM is given in a forward pass, for the loss after it.

    Args:
        gem: a GEM, or PEFT's model around one.
        align: weight and temperature.
    """

    def __init__(self, gem: Any, align: Align):
        self.align = align
        self.losses: list[float] = []
        base = gem.get_base_model() if hasattr(gem, "get_base_model") else gem
        self._placeholder = base.config.ecg_token_id
        self._embeds: torch.Tensor | None = None
        base.model.language_model.register_forward_pre_hook(self._keep, with_kwargs=True)

    def _keep(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        self._embeds = kwargs["inputs_embeds"]

    def loss(self, input_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | None:
        """The weighted loss of the last forward pass; None where fewer than `FEWEST` rows show an ECG.

        Args:
            input_ids: (B, T) of that pass.
            labels: (B, T), -100 where a token is no part of a response.
        """
        embeds, self._embeds = self._embeds, None
        shown, said = input_ids == self._placeholder, labels != -100
        rows = shown.any(1) & said.any(1)
        if embeds is None or int(rows.sum()) < FEWEST:
            return None
        text, ecg = (_mean(embeds, mask)[rows].float() for mask in (said, shown))
        value = contrast(text, ecg, self.align.temperature)
        self.losses.append(float(value.detach()))
        return self.align.weight * value


def _mean(embeds: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, width): of each row the mean over the tokens that are marked."""
    marked = mask.unsqueeze(-1)
    return (embeds * marked).sum(1) / marked.sum(1).clamp(min=1)
