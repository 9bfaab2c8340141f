"""What frozen towers say of a signal or a page, kept so that each is encoded once in a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

NEVER = 0  # the key of what is not kept


class FeatureCache:
    """Features of towers whose weights do not change, in this process's memory.

    What is kept is encoded by itself: in a batch the last bits would depend on what else is in it, and a run that was
    killed and resumed, whose memory is empty, would end in other weights. What came first stays: with an order of
    examples that is drawn anew each epoch, a full cache is then of use as often as its share of the corpus.

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
        fresh = dict[int, torch.Tensor]()
        never = [i for i, key in enumerate(keys.tolist()) if key == NEVER]
        with torch.no_grad():
            for i, key in enumerate(keys.tolist()):
                if key != NEVER and key not in fresh and (tower, key) not in self._kept:
                    fresh[key] = encode(values[i : i + 1])[0]
                    self._keep((tower, key), fresh[key])
            of_never = dict(zip(never, encode(values[never]), strict=True)) if never else {}
        self.encoded[tower] += len(fresh) + len(never)
        rows = [
            of_never[i] if key == NEVER else fresh[key] if key in fresh else self._kept[tower, key].to(values.device)
            for i, key in enumerate(keys.tolist())
        ]
        return torch.stack(rows)

    def _keep(self, key: tuple[str, int], features: torch.Tensor) -> None:
        size = features.numel() * features.element_size()
        if self.used + size <= self.limit:
            self._kept[key] = features.to("cpu", copy=True)
            self.used += size
