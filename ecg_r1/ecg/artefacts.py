"""What happens to a page between the recorder and the reader: paper, folds, stains, light, lens and file.

The kinds are those of PULSE's image synthesis (Liu et al., arXiv:2410.19008, after ecg-image-kit: Shivashankara et al.,
Physiol Meas 2024;45:055019), without handwriting. OpenCV does what costs time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

cv2.setNumThreads(1)  # its threads do not survive a fork, and pages are drawn in forked workers
DARK, LIGHT = (40, 30, 25), (235, 230, 225)  # what a photographed page lies on is between them


def stains(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three brown spots or rings, as of coffee."""
    height, width = page.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        wet = np.zeros((height, width), np.float32)
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        radius = rng.uniform(0.03, 0.12) * width
        ring = rng.random() < 0.5
        axes = (max(2, int(radius)), max(2, int(radius * rng.uniform(0.8, 1.0))))
        thickness = max(1, int(0.08 * radius)) if ring else -1
        cv2.ellipse(wet, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, thickness, cv2.LINE_AA)
        soaked = np.asarray(cv2.GaussianBlur(wet, (0, 0), max(0.5, 0.06 * radius)))
        tint = rng.uniform(0.1, 0.35) * np.array([0.35, 0.6, 1.0], np.float32)  # less blue is left than red
        page = page * (1 - soaked[..., None] * tint)
    return page


def crease(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One to three folds across the page: a bright ridge beside a dark valley."""
    rows, columns = _places(page)
    for _ in range(int(rng.integers(1, 4))):
        angle, where = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8, 2) * page.shape[:2]
        across = (rows - where[0]) * np.cos(angle) + (columns - where[1]) * np.sin(angle)
        width = max(1.0, 0.003 * page.shape[1])
        light = np.exp(-((across / width) ** 2)) - np.exp(-(((across - 2 * width) / width) ** 2))
        page = page + np.float32(rng.uniform(10, 30)) * light[..., None]
    return page


def wrinkles(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light and dark patches of crumpled paper."""
    patches = rng.normal(size=(9, 9)).astype(np.float32)
    smooth = cv2.resize(patches, (page.shape[1], page.shape[0]), interpolation=cv2.INTER_CUBIC)
    return page + np.float32(rng.uniform(8, 20)) * smooth[..., None]


def rotation(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by up to 3 degrees, and made smaller so that none of the page is lost."""
    height, width = page.shape[:2]
    degrees = float(rng.uniform(-3, 3))
    sine, cosine = abs(np.sin(np.deg2rad(degrees))), abs(np.cos(np.deg2rad(degrees)))
    scale = min(width / (width * cosine + height * sine), height / (height * cosine + width * sine))
    turned = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    return cv2.warpAffine(page, turned, (width, height), flags=cv2.INTER_AREA, borderValue=_ground(rng))


def perspective(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Photographed from aside: each corner moves inwards by up to 6% of the side, so that none of the page is lost."""
    height, width = page.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * rng.uniform(0, 0.06, (4, 2)) * [width, height]
    seen = cv2.getPerspectiveTransform(corners, (corners + inwards).astype(np.float32))
    return cv2.warpPerspective(page, seen, (width, height), flags=cv2.INTER_LINEAR, borderValue=_ground(rng))


def shadow(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unequal light: one side down to two thirds of the other."""
    rows, columns = _places(page)
    angle = rng.uniform(0, 2 * np.pi)
    slope = (rows / page.shape[0] - 0.5) * np.sin(angle) + (columns / page.shape[1] - 0.5) * np.cos(angle)
    return page * (1 - np.float32(rng.uniform(0.1, 0.35)) * (slope / (2 * np.abs(slope).max()) + 0.5))[..., None]


def blur(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, up to a thousandth of the page."""
    return cv2.GaussianBlur(page, (0, 0), float(rng.uniform(0.3, 1.0)) * page.shape[1] / 1000)


def noise(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The grain of a scanner or a camera: a standard deviation of 2 to 10 of 255."""
    return page + np.float32(rng.uniform(2, 10)) * rng.standard_normal(page.shape, np.float32)


def jpeg(page: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Saved as JPEG, quality 30 to 90."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 91))]
    _, stored = cv2.imencode(".jpg", cv2.cvtColor(_bytes(page), cv2.COLOR_RGB2BGR), quality)
    read = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))
    return read[..., ::-1].astype(np.float32)


# In the order in which they happen: handling, photographing, saving.
ARTEFACTS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "stains": stains, "wrinkles": wrinkles, "crease": crease, "rotation": rotation, "perspective": perspective,
    "shadow": shadow, "blur": blur, "noise": noise, "jpeg": jpeg,
}  # fmt: skip


def distort(page: np.ndarray, *, seed: int, kinds: Sequence[str] = tuple(ARTEFACTS), chance: float = 0.5) -> np.ndarray:
    """Applies each of `kinds` with the given chance.

    Args:
        page: uint8 (H, W, 3), as `render` draws it.

    Returns:
        uint8, of the page's shape; the same for the same seed.

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
    return _bytes(drawn)


def _bytes(page: np.ndarray) -> np.ndarray:
    return np.rint(page).clip(0, 255).astype(np.uint8)


def _places(page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column of each pixel, as arrays that broadcast."""
    height, width = page.shape[:2]
    return np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]


def _ground(rng: np.random.Generator) -> tuple[float, float, float]:
    """What lies around the page: the white of a scanner, or a table."""
    if rng.random() < 0.5:
        return 255.0, 255.0, 255.0
    red, green, blue = rng.uniform(DARK, LIGHT)
    return float(red), float(green), float(blue)
