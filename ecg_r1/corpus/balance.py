"""Sampling that is balanced by entity: rare statements are drawn as often as frequent ones, as far as records go.

Liu et al., 2025 (arXiv 2410.13523) balance the entities of their synthetic reports; here it is the records of a source.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def balanced_sample(labels: Sequence[Sequence[str]], count: int, draw: np.random.Generator) -> list[int]:
    """Draw records one by one, each with the statement that has been drawn least often so far.

    Args:
        labels: of each record; a record without any is drawn when the others are used up.
        count: how many records.
        draw: the order of the records of a statement.

    Returns:
        Places of the records drawn, in their order; all of them where there are no more than `count`.
    """
    if count >= len(labels):
        return list(range(len(labels)))
    waiting: dict[str, list[int]] = {}
    for place in draw.permutation(len(labels)).tolist():
        for name in set(labels[place]):
            waiting.setdefault(name, []).append(place)
    drawn = dict.fromkeys(sorted(waiting), 0)
    taken: set[int] = set()
    while drawn and len(taken) < count:
        name = min(drawn, key=drawn.__getitem__)  # of equals the first by name
        while waiting[name] and waiting[name][-1] in taken:
            waiting[name].pop()
        if not waiting[name]:
            del drawn[name]
            continue
        place = waiting[name].pop()
        taken.add(place)
        for other in set(labels[place]) & drawn.keys():
            drawn[other] += 1
    rest = [place for place in draw.permutation(len(labels)).tolist() if place not in taken]
    return sorted([*taken, *rest[: count - len(taken)]])
