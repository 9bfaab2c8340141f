"""A page as an image file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ecg_r1.disk import fault
from ecg_r1.errors import UserError
from ecg_r1.files import write_atomically


def write_page(page: np.ndarray, path: Path) -> None:
    """Write a page atomically: a reader finds the old image or the whole new one.

    Args:
        page: uint8 (H, W, 3).
        path: its ending says which kind of image.

    Raises:
        UserError: no kind of image that can be written has this ending, or the file cannot be written.
    """
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise UserError(f"{path}: name it .png, .jpg or another kind of image")
    content = io.BytesIO()
    try:
        Image.fromarray(page).save(content, kind)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: a page cannot be written as {kind}: {error}") from None
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        raise UserError(fault(error, path.parent) or f"{path}: {error.strerror or error}") from None
