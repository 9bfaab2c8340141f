"""Answers on the connection of a worker process: each is tagged with its batch and call, and sealed with a secret.

Rewards run in the process that answers, and may write on any file descriptor that they find. So the parent takes a
frame only if it answers the call that it waits for, and its seal (HMAC-SHA256 with that process's own secret) is right.
"""

from __future__ import annotations

import hmac
from struct import Struct

HEADER = Struct("!QII")  # batch, call, length of what follows the seal
SEAL = 32  # bytes
LARGEST = 64 * 2**20  # bytes of one answer: the scores, explanations and evidence of one call
READY = (0, 0)  # batch and call of the first frame, which says that the rewards are loaded


class ForeignBytes(Exception):
    """What has come on the connection is no answer to the call that is waited for."""


def sealed(secret: bytes, batch: int, call: int, content: bytes) -> bytes:
    """A frame, ready to be sent.

    Args:
        secret: of the process that answers.
        batch, call: which call it answers.
        content: the answer, of at most LARGEST bytes.
    """
    header = HEADER.pack(batch, call, len(content))
    return header + _seal(secret, header, content) + content


def _seal(secret: bytes, header: bytes, content: bytes | bytearray) -> bytes:
    return hmac.digest(secret, header + content, "sha256")


class Frames:
    """Cuts the bytes that a process sends into the contents of its frames.

    Args:
        secret: of that process.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._bytes = bytearray()

    def feed(self, received: bytes) -> None:
        """Add what was received."""
        self._bytes += received

    def take(self, batch: int, call: int) -> bytes | None:
        """The content of the next frame; None while it is not complete.

        Args:
            batch, call: of the call that is waited for.

        Raises:
            ForeignBytes: the next bytes are no frame, answer another call, or their seal is wrong.
        """
        start = HEADER.size + SEAL
        if len(self._bytes) < start:
            return None
        header = bytes(self._bytes[: HEADER.size])
        *tag, length = HEADER.unpack(header)
        if tag != [batch, call] or length > LARGEST:
            raise ForeignBytes
        if len(self._bytes) < start + length:
            return None
        content = bytes(self._bytes[start : start + length])
        if not hmac.compare_digest(self._bytes[HEADER.size : start], _seal(self._secret, header, content)):
            raise ForeignBytes
        del self._bytes[: start + length]
        return content
