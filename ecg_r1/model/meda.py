"""MEDA: a cache of transformers' interface that keeps the ECG and page tokens which each layer needs.

Wan et al., 2025, "MEDA: Dynamic KV Cache Allocation for Efficient Multimodal Long-Context Inference", arXiv 2502.17599.
A layer whose attention between text and media is spread wide (high entropy) keeps more of the media's tokens than one
that looks at a few. What is evicted is merged into what stays. Text tokens always stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "ecg_r1_meda"
LEAST, MOST = 0.01, 1.0  # shares of its media tokens that a layer keeps
RECENT = 0.5  # share of the tokens that stay which are the latest; the others are those that text attends to most
_active: ContextVar[MEDACache] = ContextVar("meda_cache")


def attention_of_text(query: torch.Tensor, key: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> Any:
    """The attention of some tokens to others alone: softmax(Q K^T / sqrt(width)), without a causal mask, as in MEDA.

    Args:
        query, key: (heads, tokens, width), of one number of heads.
        rows, columns: bool (tokens,), whose queries and whose keys.

    Returns:
        (heads, rows, columns).
    """
    scores = query[:, rows].float() @ key[:, columns].float().transpose(1, 2) * query.shape[-1] ** -0.5
    return scores.softmax(dim=-1)


def mean_entropy(attention: torch.Tensor) -> float:
    """The mean over heads and rows of H = -sum p log p, in nats.

    Args:
        attention: (heads, rows, columns), each row a distribution.
    """
    return float(torch.special.entr(attention).sum(dim=-1).mean())


def budgets(entropies: torch.Tensor, budget: float) -> torch.Tensor:
    """Allocate a budget to layers: w = softmax over layers of the entropies, and layer l keeps w_l * L * budget.

    Args:
        entropies: (layers,), of each layer that of text to media plus that of media to text.
        budget: share of the media's tokens that all layers together keep.

    Returns:
        (layers,), each between `LEAST` and `MOST`.
    """
    return (entropies.softmax(dim=0) * len(entropies) * budget).clamp(LEAST, MOST)


def kept_places(attended: torch.Tensor, count: int) -> torch.Tensor:
    """Which media tokens stay: the latest, and of the others those that text attends to most.

    Args:
        attended: (heads, media tokens), the attention that each has received.
        count: how many stay.

    Returns:
        (heads, count), rising.
    """
    heads, tokens = attended.shape
    latest = int(count * RECENT)
    heavy = attended[:, : tokens - latest].topk(count - latest, dim=1).indices
    last = torch.arange(tokens - latest, tokens, device=attended.device).expand(heads, -1)
    return torch.cat([heavy, last], dim=1).sort(dim=1).values


def merge(keys: torch.Tensor, values: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Average each evicted token into the kept one whose key is most similar by the cosine.

    Args:
        keys, values: (heads, tokens, width).
        kept: (heads, count), places of the tokens that stay.

    Returns:
        Keys and values of those that stay, (heads, count, width).
    """
    heads, _, width = keys.shape
    if not kept.numel():
        return keys, values
    there = kept.unsqueeze(2).expand(-1, -1, width)
    direction = torch.nn.functional.normalize(keys.float(), dim=-1)
    nearest = (direction @ direction.gather(1, there).transpose(1, 2)).argmax(dim=2)
    own = torch.arange(kept.shape[1], device=kept.device).expand(heads, -1)
    nearest.scatter_(1, kept, own)  # a kept token belongs to itself, even beside one with the same key
    members = torch.nn.functional.one_hot(nearest, kept.shape[1]).to(keys.dtype).transpose(1, 2)
    shares = members / members.sum(dim=2, keepdim=True)
    return shares @ keys, shares @ values


class MEDALayer(DynamicLayer):
    """Keys and values of a layer, of which some have been evicted.

    Attributes:
        seen: tokens that have been given to it; the position of the next.
        valid: (B, tokens), False at what pads a row; None before any eviction.
    """

    is_croppable = False
    keys: Any  # (B, heads, tokens, width)
    values: Any

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.valid: torch.Tensor | None = None

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        self.seen += key_states.shape[-2]
        if self.valid is not None:
            self.valid = torch.cat([self.valid, self.valid.new_ones(len(self.valid), key_states.shape[-2])], dim=1)
        return super().update(key_states, value_states)

    def get_seq_length(self) -> int:
        return self.seen

    def evict(self, media: torch.Tensor, text: torch.Tensor, kept: list[torch.Tensor]) -> None:
        """Keep of each row its text tokens, and of its media tokens those in `kept` with the others merged in.

        Args:
            media, text: bool (B, tokens).
            kept: of each row (heads, count), places among its media tokens.
        """
        rows = []
        for keys, values, is_media, is_text, places in zip(self.keys, self.values, media, text, kept, strict=True):
            merged = merge(keys[:, is_media], values[:, is_media], places)
            rows.append([torch.cat([x[:, is_text], y], dim=1) for x, y in zip((keys, values), merged, strict=True)])
        longest = max(keys.shape[1] for keys, _ in rows)
        shape = len(rows), self.keys.shape[1], longest, self.keys.shape[3]
        self.keys, self.values = self.keys.new_zeros(shape), self.values.new_zeros(shape)
        self.valid = torch.zeros(len(rows), longest, dtype=torch.bool, device=self.keys.device)
        for row, (keys, values) in enumerate(rows):
            self.keys[row, :, -keys.shape[1] :], self.values[row, :, -keys.shape[1] :] = keys, values
            self.valid[row, -keys.shape[1] :] = True


class MEDACache(Cache):
    """The cache of one call of `generate`; the prompt's pass fills it, and the first token after it evicts.

    Args:
        layers: of the language model.
        media: bool (B, T), True at the placeholders of ECGs and pages.
        attention_mask: (B, T), 0 at padding.
        budget: share of the media's tokens that is kept, over all layers.

    Attributes:
        entropies: (layers, B), once the prompt has been read. shares: (layers, B), of the media tokens kept.
    """

    def __init__(self, layers: int, media: torch.Tensor, attention_mask: torch.Tensor, budget: float):
        super().__init__(layers=[MEDALayer() for _ in range(layers)])
        self.media = media.bool()
        self.text = attention_mask.bool() & ~self.media
        self.budget = budget
        self.entropies = torch.zeros(layers, len(media))
        self.shares = torch.ones(layers, len(media))
        self._attended: list[list[torch.Tensor]] = [[] for _ in range(layers)]

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values."""
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in self.layers)  # type: ignore[union-attr]

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any):  # type: ignore[no-untyped-def]
        if layer_idx == 0 and any(self._attended):
            self._evict()
        return super().update(key_states, value_states, layer_idx, *args, **kwargs)

    def observe(self, layer: int, query: torch.Tensor, key: torch.Tensor) -> None:
        """Keep what the prompt's pass says of a layer: its entropy, and which media tokens text attends to.

        Args:
            layer: its number.
            query: (B, heads, T, width).
            key: as `query`, of the same number of heads or a divisor of it.
        """
        group = query.shape[1] // key.shape[1]
        for row, (queries, keys) in enumerate(zip(query, key.repeat_interleave(group, dim=1), strict=True)):
            media, text = self.media[row], self.text[row]
            if not bool(media.any()):
                self._attended[layer].append(keys.new_zeros(key.shape[1], 0))
                continue
            of_text = attention_of_text(queries, keys, text, media)
            of_media = attention_of_text(queries, keys, media, text)
            self.entropies[layer, row] = mean_entropy(of_text) + mean_entropy(of_media)
            self._attended[layer].append(of_text.sum(dim=1).unflatten(0, (-1, group)).sum(dim=1))

    def _evict(self) -> None:
        self.shares = torch.stack([budgets(of_row, self.budget) for of_row in self.entropies.T], dim=1)
        for layer, shares, attended in zip(self.layers, self.shares, self._attended, strict=True):
            kept = [
                kept_places(received, max(1, round(float(share) * received.shape[1])) if received.shape[1] else 0)
                for share, received in zip(shares, attended, strict=True)
            ]
            layer.evict(self.media, self.text, kept)  # type: ignore[union-attr]
            attended.clear()

    @contextmanager
    def attending(self, language_model: PreTrainedModel) -> Iterator[None]:
        """While it lasts, the language model's attention is one that fills and reads this cache.

        Args:
            language_model: its layers are those of the cache.
        """
        AttentionInterface.register(ATTENTION, _attention)
        AttentionMaskInterface.register(ATTENTION, sdpa_mask)
        before = language_model.config._attn_implementation
        language_model.set_attn_implementation(ATTENTION)
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)
            language_model.set_attn_implementation(before)


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """SDPA over what a layer has kept."""
    cache: MEDACache = _active.get()
    layer: Any = cache.layers[module.layer_idx]  # type: ignore[index]
    if layer.valid is None:
        cache.observe(module.layer_idx, query, key)  # type: ignore[arg-type]
    else:
        attention_mask = None if bool(layer.valid.all()) else layer.valid[:, None, None]
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
