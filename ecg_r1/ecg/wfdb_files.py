"""WFDB records. Format 16 is decoded here, with bounds on what a header may promise; other formats by `wfdb`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecg_r1.ecg.raw import RawRecord, RecordError, size_of
from ecg_r1.ecg.wfdb_header import Header, SignalLine, read_header
from ecg_r1.files import write_atomically

WINDOW = 12.0  # seconds decoded of a longer recording
# What wfdb raises on damaged files; its HeaderSyntaxError is a ValueError.
_LIBRARY_ERRORS = (
    ValueError, OSError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError,
)  # fmt: skip
BITS = {"8": 8, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12}  # a sample, by format
INVALID = -32768  # format 16's mark for a missing sample


def read_wfdb(path: Path) -> RawRecord:
    """Reads the record `path` (without ending): its header and the beginning of its signals, up to `WINDOW` seconds.

    Raises:
        RecordError: missing or truncated files, or a header that is not one.
    """
    header_path = path.with_name(path.name + ".hea")
    header = read_header(header_path)
    wanted = int(WINDOW * header.rate) if header.samples is None else min(header.samples, int(WINDOW * header.rate))
    if {line.format for line in header.signals} == {"16"}:
        digital, samples = _read_format_16(header, path, wanted)
        gain = np.array([[line.gain] for line in header.signals])
        baseline = np.array([[line.baseline] for line in header.signals])
        signal = np.where(digital == INVALID, np.nan, (digital - baseline) / gain)
    else:
        signal, samples = _read_by_library(header, path, wanted)
    return RawRecord(
        signal=signal,
        names=tuple(line.name for line in header.signals),
        units=tuple(line.units for line in header.signals),
        rate=header.rate,
        seconds=samples / header.rate,
        comments=header.comments,
        source=path.parent.name or None,
        warnings=header.warnings,
    )


def _read_format_16(header: Header, path: Path, wanted: int) -> tuple[np.ndarray, int]:
    """int16 (signals, wanted), and how many samples a signal the recording holds."""
    rows: list[np.ndarray] = []
    promised = header.samples
    for file, lines in _by_file(header).items():
        signal_path = path.parent / file
        held = max(0, size_of(signal_path) - lines[0].offset_bytes) // (2 * len(lines))
        if promised is None:
            promised, wanted = held, min(held, wanted)
        if held < promised:
            raise RecordError(f"{signal_path}: truncated: {held} of {promised} samples")
        try:
            with signal_path.open("rb") as stream:
                stream.seek(lines[0].offset_bytes)
                block = np.frombuffer(stream.read(2 * len(lines) * wanted), "<i2")
        except OSError as error:
            raise RecordError(f"{signal_path}: {error.strerror or error}") from None
        rows.extend(block.reshape(wanted, len(lines)).T)
    return np.stack(rows), promised or 0


def _by_file(header: Header) -> dict[str, list[SignalLine]]:
    """Signals of one file stand together in a header and are interleaved in the file."""
    files: dict[str, list[SignalLine]] = {}
    for line in header.signals:
        files.setdefault(line.file, []).append(line)
    return files


def _read_by_library(header: Header, path: Path, wanted: int) -> tuple[np.ndarray, int]:
    import wfdb

    for file, lines in _by_file(header).items():
        signal_path = path.parent / file
        size = size_of(signal_path)
        bits = sum(BITS.get(line.format, 0) for line in lines)
        if header.samples and size * 8 < header.samples * bits:
            raise RecordError(f"{signal_path}: truncated: not room for {header.samples} samples")
    try:
        record = wfdb.rdrecord(str(path), sampto=wanted)
    except _LIBRARY_ERRORS as error:
        raise RecordError(f"{path}.hea: wfdb cannot read it: {str(error)[:120]}") from None
    if record.p_signal is None or record.p_signal.shape[1] != len(header.signals):
        raise RecordError(f"{path}.hea: wfdb reads no signals of one rate from it")
    return record.p_signal.T, header.samples or len(record.p_signal)


def write_wfdb(path: Path, signal: np.ndarray, names: list[str], rate: int, comments: list[str]) -> Path:
    """Writes `path`.hea and `path`.dat: format 16, 1 µV a unit.

    Args:
        signal: (leads, T) mV; beyond ±32.7 mV it is clipped.
    """
    digital = np.clip(np.rint(signal * 1000), -32767, 32767).astype("<i2")
    lines = [f"{path.name} {len(names)} {rate} {digital.shape[1]}"]
    for name, row in zip(names, digital, strict=True):
        checksum = int((int(row.sum(dtype=np.int64)) + 32768) % 65536 - 32768)
        lines.append(f"{path.name}.dat 16 1000(0)/mV 16 0 {row[0]} {checksum} 0 {name}")
    lines += [f"#{comment}" for comment in comments]
    write_atomically(path.with_name(path.name + ".dat"), np.ascontiguousarray(digital.T).tobytes())
    write_atomically(path.with_name(path.name + ".hea"), "\n".join(lines) + "\n")  # last: it makes the record
    return path
