"""The few letters of the lead names, as bitmaps: a page needs no font on the machine."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# 7 rows a letter.
_LETTERS = {
    "-": ("000", "000", "000", "111", "000", "000", "000"),
    "I": ("111", "010", "010", "010", "010", "010", "111"),
    "V": ("10001", "10001", "10001", "10001", "01010", "01010", "00100"),
    "a": ("0000", "0000", "0110", "0001", "0111", "1001", "0111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "L": ("1000", "1000", "1000", "1000", "1000", "1000", "1111"),
    "F": ("11111", "10000", "10000", "11110", "10000", "10000", "10000"),
    "1": ("010", "110", "010", "010", "010", "010", "111"),
    "2": ("01110", "10001", "00001", "00010", "00100", "01000", "11111"),
    "3": ("11110", "00001", "00001", "01110", "00001", "00001", "11110"),
    "4": ("00010", "00110", "01010", "10010", "11111", "00010", "00010"),
    "5": ("11111", "10000", "11110", "00001", "00001", "10001", "01110"),
    "6": ("00110", "01000", "10000", "11110", "10001", "10001", "01110"),
}


@lru_cache(maxsize=64)
def glyph_rows(text: str, height: int) -> np.ndarray:
    """Draws a text, `height` pixels high, with smooth edges.

    Returns:
        float32 (height, width): the share of each pixel that ink covers, 0 to 1.
    """
    letters = [np.array([[int(bit) for bit in row] for row in _LETTERS[letter]]) for letter in text]
    gap = np.zeros((7, 1), int)
    bitmap = np.concatenate([part for letter in letters for part in (letter, gap)], axis=1)
    width = max(1, round(height * bitmap.shape[1] / 7))
    return _resize(_resize(bitmap.astype(np.float32), height).T, width).T


def _resize(rows: np.ndarray, size: int) -> np.ndarray:
    """Area-averaged along the first axis, through the running sum."""
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    at = np.linspace(0, len(rows), size + 1)
    summed = np.stack([np.interp(at, np.arange(len(total)), column) for column in total.T], axis=1)
    return (np.diff(summed, axis=0) * size / len(rows)).astype(np.float32)
