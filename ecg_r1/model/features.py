"""What frozen towers say of a signal or a page, kept so that each is encoded once in a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

NEVER = 0  # the key of what is not kept


class FeatureCache:
    """Features of towers whose weights do not change, in this process's memory.

    What came first stays: with an order of examples that is drawn anew each epoch, a full cache is then of use as often
    as its share of the corpus.

    Args:
        towers: names of the towers that are frozen; the others are always run.
        limit: bytes.

    Attributes:
        encoded: signals and pages that were encoded, of each tower.
    """

    def __init__(self, towers: Sequence[str], limit: int):
        self.towers, self.limit, self.used = set(towers), limit, 0
        self.encoded = dict.fromkeys(towers, 0)
        self._kept: dict[tuple[str, int], torch.Tensor] = {}

    def take(
        self, tower: str, keys: torch.Tensor, values: torch.Tensor, encode: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """The features of a batch: from memory, or encoded now.

        Args:
            tower: its name.
            keys: (N,), one for each content; `NEVER` where it is not to be kept.
            values: (N, ...), what the tower reads.
            encode: the tower.

        Returns:
            (N, tokens, width).
        """
        if tower not in self.towers:
            return encode(values)
        wanted = [(tower, key) for key in keys.tolist()]
        missing = [i for i, key in enumerate(wanted) if key not in self._kept]
        found: dict[int, torch.Tensor] = {}
        if missing:
            with torch.no_grad():
                encoded = encode(values[missing])
            found = dict(zip(missing, encoded, strict=True))
            self.encoded[tower] += len(missing)
            for i, features in found.items():
                self._keep(wanted[i], features)
        rows = [found[i] if i in found else self._kept[key].to(values.device) for i, key in enumerate(wanted)]
        return torch.stack(rows)

    def _keep(self, key: tuple[str, int], features: torch.Tensor) -> None:
        size = features.numel() * features.element_size()
        if key[1] != NEVER and key not in self._kept and self.used + size <= self.limit:
            self._kept[key] = features.to("cpu", copy=True)
            self.used += size
