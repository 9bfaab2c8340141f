"""Advantages: what each token of a completion is credited with. `credit:` in a recipe names an entry of `ADVANTAGES`.

A new one is a function here, or anywhere that is imported, and an entry in the table. Torch is not imported, so that a
recipe's `credit:` is checked without it; tensors are made from those of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ecg_r1.scoring.judgement import Judgement
from ecg_r1.train.domains import scales

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

Claims = Sequence[Judgement]


@dataclass(frozen=True)
class Batch:
    """The completions of one process, of which the rows of a group stand together.

    Attributes:
        totals: (B,) advantages of the total reward, as TRL computed them.
        token_ids: of each completion, as sampled: without padding, and empty where TRL masks a truncated one.
        claims: for each completion the weighted rewards' judgements of one quoted value each. Those of one `claim`
            share one advantage.
        length: T, tokens of the padded completions.
        group: G, completions of a prompt.
        scale: TRL's `scale_rewards`: "group", "batch" or "none".
        tokenizer: of the policy.
        rewards: (B,) weighted sums of the rewards that apply; NaN where none does.
        domains: of each completion, the domain of its case (`domains.domain_of`).
    """

    totals: torch.Tensor
    token_ids: Sequence[Sequence[int]]
    claims: Sequence[Claims]
    length: int
    group: int
    scale: str
    tokenizer: PreTrainedTokenizerBase
    rewards: torch.Tensor
    domains: Sequence[str] = ()

    @cached_property
    def texts(self) -> list[str]:
        """The completions without special tokens."""
        return self.tokenizer.batch_decode(self.token_ids, skip_special_tokens=True)

    @cached_property
    def token_spans(self) -> list[list[tuple[int, int]]]:
        """For each completion the characters (start, end) of each token."""
        return token_spans(self.token_ids, self.texts, self.tokenizer)


def sequence(batch: Batch) -> torch.Tensor:
    """Plain GRPO: every token of a completion carries the advantage of its total reward.

    Returns:
        (B,) advantages.
    """
    return batch.totals


def claim(batch: Batch) -> torch.Tensor:
    """Claim-level credit: the tokens of each verified value carry the group advantage of that value's own score.

    A completion quotes several values; each is held against the measurement on its own, and its characters are known.
    With one advantage for the whole sequence, a right PR beside a wrong QT is pushed down with it. Here the tokens of
    a quoted value carry that value's advantage among the G completions of its prompt, every other token the total's.
    A claim's scores are normalised as the total rewards are, by `batch.scale`.

    Returns:
        (B, T) advantages.
    """
    return _by_claim(batch, batch.totals, normalised=False)


def claim_normalised(batch: Batch) -> torch.Tensor:
    """As `claim`, and a claim has the same weight whatever the number of its tokens.

    The advantage of a claim with k tokens is multiplied with m / k, m the mean number of tokens of the batch's claims:
    so the claims together weigh against the other tokens as much as before.

    Returns:
        (B, T) advantages.
    """
    return _by_claim(batch, batch.totals, normalised=True)


def claim_alone(batch: Batch) -> torch.Tensor:
    """As `claim`, and every other token has an advantage of 0: what is not verified by itself is left as it is.

    The answer then changes by nothing but `rehearsal`, and no reward is paid for what is said or left out.

    Returns:
        (B, T) advantages.
    """
    return _by_claim(batch, batch.totals.new_zeros(batch.totals.shape), normalised=False)


def rloo(batch: Batch) -> torch.Tensor:
    """REINFORCE with leave-one-out (arXiv 2402.14740): the reward less the mean of the group's other rewards.

    Returns:
        (B,) advantages; 0 where no reward applies, or to no other completion of the group.
    """
    grouped = batch.rewards.view(-1, batch.group)
    others = (~grouped.isnan()).sum(dim=1, keepdim=True) - 1
    centred = (grouped - grouped.nanmean(dim=1, keepdim=True)) * (others + 1) / others
    return centred.nan_to_num(0.0, 0.0, 0.0).view(-1)


def max_rl(batch: Batch) -> torch.Tensor:
    """Maximum-likelihood RL (arXiv 2602.02710): the reward less the group's mean, divided by that mean.

    The rarer a reward, the larger the step towards it. Written for rewards that are 0 or 1; others of at least 0 work
    too, and a group whose mean is not above 0 teaches nothing.

    Returns:
        (B,) advantages; 0 where no reward applies.
    """
    grouped = batch.rewards.view(-1, batch.group)
    mean = grouped.nanmean(dim=1, keepdim=True)
    return ((grouped - mean) / mean).where(mean > 0, 0.0).nan_to_num(0.0).view(-1)


def drpo(batch: Batch) -> torch.Tensor:
    """Domain-aware relative policy optimisation (QoQ-Med, arXiv 2506.00711): rare and hard questions count more.

    The group's z-scores are divided by `domains.scales`, then by the deviation of the batch. Written for rewards of at
    least 0; a group with a completion to which no reward applies teaches nothing.

    Returns:
        (B,) advantages.
    """
    grouped = batch.rewards.view(-1, batch.group)
    sorted_rewards = grouped.nan_to_num(0.0).sort(dim=1).values.float().cpu().numpy()
    factors = grouped.new_tensor(scales(sorted_rewards, batch.domains[:: batch.group])).unsqueeze(1)
    z = (grouped - grouped.mean(dim=1, keepdim=True)) / (grouped.std(dim=1, keepdim=True) + 1e-6)
    scaled = (z / factors).nan_to_num(0.0).view(-1)
    return scaled / (scaled.std() + 1e-6)


Advantages = Callable[[Batch], "torch.Tensor"]  # (B,), or (B, T) where tokens of a completion differ
ADVANTAGES: dict[str, Advantages] = {
    "sequence": sequence, "claim": claim, "claim_normalised": claim_normalised, "claim_alone": claim_alone,
    "rloo": rloo, "max_rl": max_rl, "drpo": drpo,
}  # fmt: skip
# Here a claim has an advantage of its own, scaled as TRL's options say.
CLAIMED = ("claim", "claim_normalised", "claim_alone")
FROM_REWARDS = ("rloo", "max_rl", "drpo")  # TRL's options that shape its own advantages do nothing beside these


def _by_claim(batch: Batch, rest: torch.Tensor, *, normalised: bool) -> torch.Tensor:
    """(B, T): the claims' own advantages, and `rest` (B,) at every other token."""
    spread = rest.unsqueeze(1).repeat(1, batch.length)
    places = [(i, tokens, own) for i, tokens, own in _claimed(batch) if tokens]
    mean = sum(len(tokens) for _, tokens, _ in places) / max(1, len(places))
    for i, tokens, own in places:
        spread[i, tokens] = own * (mean / len(tokens) if normalised else 1)
    return spread


def _claimed(batch: Batch) -> Iterator[tuple[int, list[int], torch.Tensor]]:
    """Of each claim that can be judged: its completion, the tokens of its characters, and its advantage."""
    for name in sorted({judged.claim for rows in batch.claims for judged in rows}):
        scores = batch.totals.new_tensor([_score(rows, name) for rows in batch.claims])
        own = _normalise(scores, batch.group, batch.scale)
        unknown = own.isnan().tolist()
        for i, rows in enumerate(batch.claims):
            for judged in rows:
                if judged.claim == name and judged.span and not unknown[i]:
                    start, end = judged.span
                    spans = batch.token_spans[i][: batch.length]
                    yield i, [t for t, (left, right) in enumerate(spans) if left < end and right > start], own[i]


def _score(claims: Claims, name: str) -> float:
    """The claim's graded score in one completion; NaN where it is not made or cannot be verified."""
    scores = [judged.score for judged in claims if judged.claim == name and judged.score is not None]
    return min(scores) if scores else float("nan")


def _normalise(scores: torch.Tensor, group: int, scale: str) -> torch.Tensor:
    grouped = scores.view(-1, group)
    centred = (grouped - grouped.nanmean(dim=1, keepdim=True)).view(-1)
    if scale == "none":
        return centred
    if scale == "batch":
        return centred / (_std(scores) + 1e-4)
    deviations = scores.new_tensor([float(_std(row)) for row in grouped])
    return (centred.view(-1, group) / (deviations.unsqueeze(1) + 1e-4)).view(-1)


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
