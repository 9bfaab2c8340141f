"""Damage to sound files and values, drawn by Hypothesis."""

from __future__ import annotations

import copy
import io
from typing import Any

from hypothesis import strategies as st

PATCHES = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=12)), max_size=6)
CUTS = st.tuples(PATCHES, st.just(1.0) | st.floats(0, 1))
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**8, 2**31, 2**63, -(2**63), 10**30, 10**400]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "../..", "/dev/zero", "/etc/passwd", "x" * 5000, "\x1b]0;t\x07", "a\0b", "\ud800", "[b]"]
    ),
    st.sampled_from([[], {}, [[]], [None], {"": None}, {"a": {"b": [1]}}, ["x"] * 300, [1, "x", None]]),
)
PATH = st.lists(st.integers(0, 40), min_size=1, max_size=5)  # which key, then which key of its value, and so on


def cut(content: bytes, cuts: list[tuple[int, bytes]], length: float) -> bytes:
    """Some bytes replaced, then the end cut off."""
    stream = io.BytesIO(content)
    for place, patch in cuts:
        stream.seek(place % max(1, len(content)))
        stream.write(patch)
    return stream.getvalue()[: int(length * len(content))]


def replaced(values: Any, path: list[int], value: Any, key: str | None = None) -> Any:
    """A copy in which one value is another, or a key is added beside it.

    Args:
        path: the numbers of the keys, modulo how many there are; it ends where there are no more keys.
        key: added in place of replacing.
    """
    values = copy.deepcopy(values)
    inner = values
    for depth, number in enumerate(path):
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        if not keys:
            return value
        chosen = keys[number % len(keys)]
        if depth + 1 < len(path) and isinstance(inner[chosen], dict | list) and inner[chosen]:
            inner = inner[chosen]
            continue
        if key is not None and isinstance(inner, dict):
            inner[key] = value
        else:
            inner[chosen] = value
        break
    return values
