"""The content of a record, without reading its files again while they are as they were when it was hashed.

As in git's index, a file is unchanged while its size, its times and its inode are. Its folder counts too: a header that
appears beside a file changes how that is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from pydantic_core import from_json

from ecg_r1.corpus.cache import Cache, Damaged
from ecg_r1.ecg.content import content

FRESH = 2.0  # seconds, the coarsest times that file systems keep: a younger file may change again and look the same
LARGEST = 1 << 16  # bytes of an entry; of more, nothing is known


def content_of(path: Path, cache: Cache | None) -> str:
    """`content(path).digest`; from the cache where no file of the record has changed.

    Raises:
        RecordError: a file is missing, or its header is malformed.
        DiskError: the cache cannot be written to.
    """
    if cache is None:
        return content(path).digest
    name = hashlib.sha256(os.path.abspath(path).encode(errors="surrogateescape")).hexdigest() + ".content"
    if (known := _unchanged(name, cache)) is not None:
        return known
    began = time.time()
    found = content(path)
    files = [os.path.abspath(file) for file in (path.parent, *found.files)]
    try:
        states = _states(files)
    except OSError:  # gone meanwhile
        return found.digest
    if all(max(state[1:3]) < (began - FRESH) * 1e9 for state in states):
        cache.write(name, json.dumps([found.digest, files, states]).encode())
    return found.digest


def _unchanged(name: str, cache: Cache) -> str | None:
    """The content that was noted, if its files are still as they were."""
    try:
        digest, files, states = from_json(bytes(cache.read(name, LARGEST)))
        return str(digest) if files and _states(files) == states else None
    except (Damaged, ValueError, TypeError, OSError):
        return None


def _states(files: Iterable[str]) -> list[list[int]]:
    """Of each file its bytes, times of change of the content and of anything, inode and device."""
    found = map(os.stat, files)
    return [[s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_dev] for s in found]
