"""The content of a record's files as one hash: the same content is the same record, wherever it lies."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from ecg_r1.ecg.raw import RecordError, size_of
from ecg_r1.ecg.record import read_raw, reader_of, without_ending
from ecg_r1.ecg.wfdb_files import signal_file
from ecg_r1.ecg.wfdb_header import header_bytes, header_file, named_files

LARGEST = 64 << 20  # bytes of files that are hashed as they are; of larger ones, what is read of them


class Content(NamedTuple):
    """What a record is read from.

    Attributes:
        digest: 64 hexadecimal digits.
        files: those that it is read from.
    """

    digest: str
    files: tuple[Path, ...]


def content(path: Path) -> Content:
    """Hash what a record is read from.

    The name of the record and of its folder count too, because they are part of what is read of it.

    Args:
        path: of the record, with or without its ending.

    Raises:
        RecordError: a file is missing, or its header is malformed.
    """
    path = without_ending(path)
    whole = hashlib.sha256(repr((path.parent.name, path.name)).encode())
    held = _files(path)
    files = tuple(file for file, _ in held)
    one_of_many = "#" in path.name and reader_of(path) is not None
    if one_of_many or sum(map(size_of, files)) > LARGEST:
        raw = read_raw(path)
        said = (raw.names, raw.units, raw.rate, raw.seconds, raw.comments, raw.source, raw.warnings, raw.gains)
        whole.update(repr((said, raw.signal.shape, str(raw.signal.dtype))).encode())
        whole.update(raw.signal.tobytes())
        return Content(whole.hexdigest(), files)
    for file, read in held:
        try:
            data = file.read_bytes() if read is None else read
        except OSError as error:
            raise RecordError(f"{file}: {error.strerror or error}") from None
        whole.update(repr((file.name, len(data))).encode())
        whole.update(data)
    return Content(whole.hexdigest(), files)


def _files(path: Path) -> list[tuple[Path, bytes | None]]:
    """The files of a record, and what was read of them already."""
    if reader_of(path) is not None:
        return [(path.with_name(path.name.partition("#")[0]), None)]
    header = header_file(path) or path.with_name(path.name + ".hea")
    read = header_bytes(header)
    return [(header, read), *((signal_file(path, name, []), None) for name in named_files(read))]
