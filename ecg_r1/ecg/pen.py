"""A pen on paper: which pixels a page's lines cover and how much of each, without a plotting library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

SLICES = 3  # of a pixel's width; in each, a line covers one vertical span


class Pen:
    """A square pen for lines whose x positions are known beforehand, as those of a page are.

    Args:
        lines: for each line the x of its points in pixels, not falling.
        thickness: pixels.
        shape: height and width of the page in pixels.
    """

    def __init__(self, lines: Sequence[np.ndarray], thickness: float, shape: tuple[int, int]):
        self.thickness, self.shape = thickness, shape
        margin = int(np.ceil(thickness)) + 1  # columns left empty beside a line, which the pen's own width reaches into
        places, shares, columns, vertices, self._line_ends = [], [], [], [], []
        points = slices = 0
        for line in lines:
            x = np.asarray(line) * SLICES
            left, right = (int(np.floor(line[0])) - margin), int(np.ceil(line[-1])) + margin
            edges = np.arange(left * SLICES, right * SLICES)
            before = np.searchsorted(x, edges, "right") - 1
            inside = (before >= 0) & (before < len(x) - 1)
            before = np.where(inside, before, 0)
            step = np.where(inside, x[before + 1] - x[before], 1)
            places.append(before + points)
            shares.append(np.where(inside, (edges - x[before]) / step, np.nan))
            columns.append(np.arange(left, right))
            vertices.append(x.astype(int) - left * SLICES + slices)
            points, slices = points + len(x), slices + len(edges)
            self._line_ends.append(slices // SLICES)
        # A slice reaches from its edge to the next one's; y there lies between two points, at a share of the way.
        self._place, self._share = np.concatenate(places), np.concatenate(shares).astype(np.float32)
        self._column = np.concatenate(columns)
        self._slice, self._first_point = np.unique(np.concatenate(vertices), return_index=True)

    def touched(self, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Line by line: the pixels that the pen touches, by their place in the flattened page, and their ink, 0 to 1.

        Args:
            y: of all lines' points, in pixels, one line after the other; NaN where there is no trace.
        """
        low, high = self._spans(np.asarray(y, np.float32))
        top = np.fmin.reduce(low)
        drawn = np.flatnonzero((top == top) & (self._column >= 0) & (self._column < self.shape[1]))
        low, high = (np.nan_to_num(side[:, drawn].clip(0, self.shape[0] - 0.01)) for side in (low, high))
        first = top[drawn].clip(0, self.shape[0] - 0.01).astype(np.int32)
        rows = high.max(axis=0).astype(np.int32) - first + 1
        row = np.arange(rows.sum(), dtype=np.int32) + np.repeat(first - np.cumsum(rows, dtype=np.int32) + rows, rows)
        upper = row.astype(np.float32)
        ink = np.zeros(len(row), np.float32)
        for begin, end in zip(low, high, strict=True):
            shared = np.minimum(np.repeat(end, rows), upper + 1) - np.maximum(np.repeat(begin, rows), upper)
            ink += np.maximum(shared, 0)
        ink /= SLICES
        place = row * self.shape[1] + np.repeat(self._column[drawn], rows)
        ends = np.concatenate([[0], np.cumsum(rows)])[np.searchsorted(drawn, [0, *self._line_ends])]
        for a, b in pairwise(ends):
            yield place[a:b], ink[a:b]

    def _spans(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Upper and lower end of the pen in each slice of each column: (SLICES, columns) each, NaN for nothing."""
        at = y[self._place]
        at += self._share * (y[self._place + 1] - at)
        pen = max(1, round(self.thickness * SLICES))
        spans = []
        for extreme, side in ((np.fmin, -0.5), (np.fmax, 0.5)):
            # y at the slices' edges, and every vertex within a slice, decide the slice's span
            span = extreme(at, np.append(at[1:], np.float32(np.nan)))
            span[self._slice] = extreme(span[self._slice], extreme.reduceat(y, self._first_point))
            # a square pen: as wide in a steep stroke as it is high in a level one
            wide = span.copy()
            for shift in range(1, pen):
                by = (shift + 1) // 2
                if shift % 2:
                    extreme(wide[by:], span[:-by], out=wide[by:])
                else:
                    extreme(wide[:-by], span[by:], out=wide[:-by])
            spans.append((wide + np.float32(side * self.thickness)).reshape(-1, SLICES).T)
        return spans[0], spans[1]
