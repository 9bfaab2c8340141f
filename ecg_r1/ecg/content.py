"""The content of a record's files as one hash: the same content is the same record, wherever it lies."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ecg_r1.ecg.raw import RecordError, size_of
from ecg_r1.ecg.record import read_raw, reader_of, without_ending
from ecg_r1.ecg.wfdb_files import signal_file
from ecg_r1.ecg.wfdb_header import header_bytes, header_file, named_files

LARGEST = 64 << 20  # bytes of files that are hashed as they are; of larger ones, what is read of them


def content(path: Path) -> str:
    """Hash what a record is read from.

    The name of the record and of its folder count too, because they are part of what is read of it.

    Args:
        path: of the record, with or without its ending.

    Returns:
        64 hexadecimal digits.

    Raises:
        RecordError: a file is missing, or its header is malformed.
    """
    path = without_ending(path)
    whole = hashlib.sha256(repr((path.parent.name, path.name)).encode())
    files = _files(path)
    if not files or sum(size_of(file) for file, _ in files) > LARGEST:
        raw = read_raw(path)
        said = (raw.names, raw.units, raw.rate, raw.seconds, raw.comments, raw.source, raw.warnings, raw.gains)
        whole.update(repr((said, raw.signal.shape, str(raw.signal.dtype))).encode())
        whole.update(raw.signal.tobytes())
        return whole.hexdigest()
    for file, read in files:
        try:
            data = file.read_bytes() if read is None else read
        except OSError as error:
            raise RecordError(f"{file}: {error.strerror or error}") from None
        whole.update(repr((file.name, len(data))).encode())
        whole.update(data)
    return whole.hexdigest()


def _files(path: Path) -> list[tuple[Path, bytes | None]]:
    """The files of a record, and what was read of them already; none where it is one of many in a file."""
    if reader_of(path) is not None:
        return [] if "#" in path.name else [(path, None)]
    header = header_file(path) or path.with_name(path.name + ".hea")
    read = header_bytes(header)
    return [(header, read), *((signal_file(path, name, []), None) for name in named_files(read))]
