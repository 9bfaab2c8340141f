"""What happens to a page between the recorder and the reader: paper, folds, light and lens.

The kinds are those of PULSE's image synthesis (Liu et al., arXiv:2410.19008, after ecg-image-kit: Shivashankara et al.,
Physiol Meas 2024;45:055019), without handwriting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter, rotate, zoom

WHITE = 255.0


def rotation(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by up to 3 degrees; the corners that come into sight are white, and none of the page is lost."""
    return rotate(page, rng.uniform(-3, 3), reshape=True, order=1, mode="constant", cval=WHITE)


def crease(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three folds across the page: a bright ridge beside a dark valley."""
    rows, columns = np.mgrid[: page.shape[0], : page.shape[1]]
    for _ in range(int(rng.integers(1, 4))):
        angle, where = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8, 2) * page.shape[:2]
        across = (rows - where[0]) * np.cos(angle) + (columns - where[1]) * np.sin(angle)
        width = max(1.0, 0.003 * page.shape[1])
        light = np.exp(-((across / width) ** 2)) - np.exp(-(((across - 2 * width) / width) ** 2))
        page = page + rng.uniform(10, 30) * light[..., None]
    return page


def wrinkles(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light and dark patches of crumpled paper."""
    return page + rng.uniform(8, 20) * _clouds(page.shape[:2], 9, rng)[..., None]


def grid_colour(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The red grid becomes green, blue, grey or another red; ink and white paper stay."""
    colour = page.max(axis=2, keepdims=True) - page.min(axis=2, keepdims=True)
    bright = page.max(axis=2, keepdims=True)
    target = np.array([[0.3, 1, 0.4], [0.4, 0.5, 1], [0.6, 0.6, 0.6], [1, 0.45, 0.2]])[rng.integers(4)]
    return bright - colour * (1 - target)


def blur(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, up to a thousandth of the page."""
    sigma = rng.uniform(0.3, 1.0) * page.shape[1] / 1000
    return gaussian_filter(page, (sigma, sigma, 0))


def shadow(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unequal light: one side down to two thirds of the other."""
    ys, xs = np.mgrid[0 : 1 : page.shape[0] * 1j, 0 : 1 : page.shape[1] * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    slope = (ys - 0.5) * np.sin(angle) + (xs - 0.5) * np.cos(angle)
    return page * (1 - rng.uniform(0.1, 0.35) * (slope / (2 * np.abs(slope).max()) + 0.5))[..., None]


# In the order in which they happen: printing, handling, photographing.
ARTEFACTS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "grid_colour": grid_colour, "wrinkles": wrinkles, "crease": crease, "rotation": rotation, "shadow": shadow,
    "blur": blur,
}  # fmt: skip


def distort(page: np.ndarray, *, seed: int, kinds: Sequence[str] = tuple(ARTEFACTS), chance: float = 0.5) -> np.ndarray:
    """Applies each of `kinds` with the given chance.

    Args:
        page: uint8 (H, W, 3), as `render` draws it.

    Returns:
        uint8, of the page's shape; the same for the same seed. A turned page is scaled back to fit.

    Raises:
        ValueError: an unknown kind.
    """
    unknown = set(kinds) - set(ARTEFACTS)
    if unknown:
        raise ValueError(f"unknown artefact {min(unknown)!r}; there are: {', '.join(ARTEFACTS)}")
    rng, drawn = np.random.default_rng(seed), page.astype(np.float32)
    for name, artefact in ARTEFACTS.items():
        if name in kinds and rng.random() < chance:
            drawn = artefact(drawn, rng)
    return np.clip(np.rint(_fitted(drawn, page.shape[:2])), 0, 255).astype(np.uint8)


def _fitted(page: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Scaled down to fit into `shape`, on white."""
    if page.shape[:2] == shape:
        return page
    scale = min(shape[0] / page.shape[0], shape[1] / page.shape[1])
    small = zoom(page, (scale, scale, 1), order=1)[: shape[0], : shape[1]]
    fitted = np.full((*shape, 3), WHITE, np.float32)
    y, x = (shape[0] - small.shape[0]) // 2, (shape[1] - small.shape[1]) // 2
    fitted[y : y + small.shape[0], x : x + small.shape[1]] = small
    return fitted


def _clouds(shape: tuple[int, ...], cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of about unit variance, `cells` patches along each side."""
    coarse = rng.normal(size=(cells, cells))
    smooth = zoom(coarse, (shape[0] / cells, shape[1] / cells), order=3, mode="nearest", grid_mode=True)
    return smooth[: shape[0], : shape[1]]
