"""Claim-level credit: the tokens of each verified value get the group advantage of that value's own reward.

A completion quotes several values; each is held against the measurement on its own, and its characters are known.
With one advantage for the whole sequence, a right PR beside a wrong QT is pushed down with it. Here the tokens of a
quoted value carry that value's advantage among the G completions of its prompt, every other token the total's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase

from ecg_r1.scoring.judgement import Judgement

Claims = Sequence[Judgement]


def claim_advantages(
    advantages: torch.Tensor,
    claims: Sequence[Claims],
    token_spans: Sequence[Sequence[tuple[int, int]]],
    length: int,
    group: int,
    scale: str,
) -> torch.Tensor:
    """Spread sequence advantages over tokens and put each claim's own advantage on the claim's tokens.

    Args:
        advantages: (B,) of the total reward; rows of a group stand together.
        claims: for each completion the judgements of its quoted values; those of one `claim` share one advantage.
        token_spans: for each completion the characters of each token.
        length: T, tokens of the padded completions.
        group: G, completions of a prompt.
        scale: TRL's `scale_rewards`: "group", "batch" or "none", applied to each claim's scores as to the total's.

    Returns:
        (B, T) advantages.
    """
    spread = advantages.unsqueeze(1).repeat(1, length)
    for claim in sorted({judged.claim for rows in claims for judged in rows}):
        scores = torch.tensor([_score(rows, claim) for rows in claims], device=advantages.device)
        own = _normalise(scores, group, scale)
        for i, rows in enumerate(claims):
            for judged in rows:
                if judged.claim == claim and judged.span and not torch.isnan(own[i]):
                    start, end = judged.span
                    for t, (left, right) in enumerate(token_spans[i][:length]):
                        if left < end and right > start:
                            spread[i, t] = own[i]
    return spread


def _score(claims: Claims, claim: str) -> float:
    """The claim's graded score in one completion; NaN where it is not made or cannot be verified."""
    scores = [judged.score for judged in claims if judged.claim == claim and judged.score is not None]
    return min(scores) if scores else float("nan")


def _normalise(scores: torch.Tensor, group: int, scale: str) -> torch.Tensor:
    grouped = scores.view(-1, group)
    centred = (grouped - grouped.nanmean(dim=1, keepdim=True)).view(-1)
    if scale == "none":
        return centred
    if scale == "batch":
        return centred / (_std(scores) + 1e-4)
    return (centred.view(-1, group) / (torch.stack([_std(row) for row in grouped]).unsqueeze(1) + 1e-4)).view(-1)


def _std(scores: torch.Tensor) -> torch.Tensor:
    known = scores[~scores.isnan()]
    return known.std() if len(known) > 1 else scores.new_zeros(())


def token_spans(
    token_ids: Sequence[Sequence[int]], texts: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> list[list[tuple[int, int]]]:
    """Characters each token of a completion covers in its decoded text (special tokens cover none).

    The tokenizer's own offsets where it splits the text as it was sampled, else the growth of the decoded prefix.
    """
    special = set(tokenizer.all_special_ids)
    encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    spans = []
    for ids, text, again, offsets in zip(
        token_ids, texts, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        kept = [i for i in ids if i not in special]
        covered = list(offsets) if again == kept else _prefix_spans(kept, text, tokenizer)
        known = iter(covered)
        spans.append([(0, 0) if i in special else tuple(next(known)) for i in ids])
    return spans


def _prefix_spans(ids: Sequence[int], text: str, tokenizer: PreTrainedTokenizerBase) -> list[tuple[int, int]]:
    ends = [min(len(text), len(tokenizer.decode(ids[: n + 1]))) for n in range(len(ids))]
    return list(zip([0, *ends[:-1]], ends, strict=True))
