"""Text of files from anywhere: headers and tables that were saved in another encoding."""

from __future__ import annotations

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Surrogates that stand for no byte: none comes from a file system, but a caller may give one.
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8, UTF-16 where its byte order mark or its zero bytes say so, else Latin-1.

    Latin-1 gives every byte a character, so this never fails.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    head = content[:1000]
    if head.count(0) * 3 > len(head) > 3:  # plain letters in UTF-16 are zero in every second byte
        return content.decode("utf-16-be" if head[0] == 0 else "utf-16-le", errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def printable(name: object) -> str:
    """A file's name in characters that every terminal and file can hold: bytes that are not UTF-8 as `\\xNN`."""
    shown = _LONE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", str(name))
    return shown.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
