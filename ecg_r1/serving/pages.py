"""How many pixels a page has, read from its header: a small file can hold an image that fills the memory."""

from __future__ import annotations

import struct

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
SEGMENTS = 256  # before the pixels; files of cameras and scanners have fewer than 50
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's markers that state a size
_START_OF_SCAN = 0xDA


class PageError(ValueError):
    """The bytes are no page that the server reads; the message says why."""


def pixels(page: bytes) -> int:
    """Count the pixels of a PNG or JPEG without decoding them.

    A file whose header is unusual is refused, so that no decoder can read another size from it than this function.

    Args:
        page: the file's bytes.

    Raises:
        PageError: the file is neither PNG nor JPEG, is cut off, or states its size not at all or twice.
    """
    try:
        if page.startswith(PNG):
            return _png(page)
        if page.startswith(JPEG):
            return _jpeg(page)
    except (struct.error, IndexError):
        raise PageError("the image is cut off") from None
    raise PageError("the image is neither PNG nor JPEG")


def scans(page: bytes) -> int:
    """How many scans a JPEG has; 0 for a PNG."""
    return page.count(bytes((0xFF, _START_OF_SCAN))) if page.startswith(JPEG) else 0


def _png(page: bytes) -> int:
    sizes, at = [], len(PNG)
    for _ in range(SEGMENTS):
        length, kind = struct.unpack_from(">I4s", page, at)
        if kind == b"IDAT":
            break
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", page, at + 8)
            sizes.append(width * height)
        at += 12 + length
    else:
        raise PageError(f"the image has more than {SEGMENTS} chunks before its pixels")
    return _only(sizes)


def _jpeg(page: bytes) -> int:
    sizes, at = [], len(JPEG)
    for _ in range(SEGMENTS):
        start, marker, length = struct.unpack_from(">BBH", page, at)
        if start != 0xFF or marker == 0xFF or length < 2:
            raise PageError("the image's header is damaged")
        if marker == _START_OF_SCAN:
            break
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", page, at + 5)
            sizes.append(width * height)
        at += 2 + length
    else:
        raise PageError(f"the image has more than {SEGMENTS} segments before its pixels")
    return _only(sizes)


def _only(sizes: list[int]) -> int:
    if len(sizes) != 1 or sizes[0] == 0:
        raise PageError("the image states no size, or more than one")
    return sizes[0]
