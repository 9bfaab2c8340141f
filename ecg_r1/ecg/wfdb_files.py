"""WFDB records. Format 16 is decoded here, with bounds on what a header may promise; other formats by `wfdb`.

The header's checksums are held against the whole recording, of which the beginning is returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from os.path import lexists
from pathlib import Path

import numpy as np

from ecg_r1.ecg.doubts import checksum_doubts
from ecg_r1.ecg.raw import RawRecord, RecordError, size_of
from ecg_r1.ecg.wfdb_header import UNCALIBRATED, Header, SignalLine, header_file, read_header
from ecg_r1.files import write_atomically

WINDOW = 12.0  # seconds returned of a longer recording
# What wfdb raises on damaged files; its HeaderSyntaxError is a ValueError.
_LIBRARY_ERRORS = (
    ValueError, OSError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RuntimeError, MemoryError,
)  # fmt: skip
# Bits of a sample, by format; 0 for FLAC, which compresses.
BITS = {
    "8": 8, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12, "310": 32 / 3, "311": 32 / 3,
    "508": 0, "516": 0, "524": 0,
}  # fmt: skip
FLAC = ("508", "516", "524")
# The mark of a missing sample; format 8 has none.
INVALID = {
    "16": -(1 << 15), "61": -(1 << 15), "160": -(1 << 15), "516": -(1 << 15), "212": -(1 << 11), "310": -(1 << 9),
    "311": -(1 << 9), "80": -(1 << 7), "508": -(1 << 7), "24": -(1 << 23), "524": -(1 << 23), "32": -(1 << 31),
}  # fmt: skip
BLOCK = 8 << 20  # bytes read at a time
# Samples, of all signals together, whose checksums are computed: 100 ms of work. wfdb takes 8 to 20 bytes for each.
CHECKED, CHECKED_BY_LIBRARY = 128_000_000, 8_000_000


def read_wfdb(path: Path) -> RawRecord:
    """Reads the record `path` (without ending): its header and the beginning of its signals, up to `WINDOW` seconds.

    Raises:
        RecordError: missing or truncated files, or a header that is not one.
    """
    header_path = header_file(path) or path.with_name(path.name + ".hea")
    header = read_header(header_path)
    warnings = list(header.warnings)
    files = {name: signal_file(path, name, warnings) for name in dict.fromkeys(line.file for line in header.signals)}
    formats = {line.format for line in header.signals}
    read = _read_format_16 if formats == {"16"} else _read_by_library
    digital, samples, sums = read(header, files, header_path)
    names = tuple(line.name for line in header.signals)
    if sums is None:
        if any(line.checksum for line in header.signals):
            warnings.append("checksums not compared: a very long recording")
    else:
        warnings += checksum_doubts(names, [line.checksum for line in header.signals], sums)
    marks = [[INVALID.get(line.format, np.iinfo(np.int64).min)] for line in header.signals]
    invalid = np.array(marks, digital.dtype)
    gain = np.array([[line.gain or UNCALIBRATED] for line in header.signals])
    baseline = np.array([[line.baseline] for line in header.signals])
    return RawRecord(
        signal=np.where(digital == invalid, np.nan, (digital - baseline) / gain),
        names=names,
        units=tuple(line.units or "mV" for line in header.signals),
        rate=header.rate,
        seconds=samples / header.rate,
        comments=header.comments,
        source=path.parent.name or None,
        warnings=tuple(warnings),
        gains=tuple((line.gain, line.units) for line in header.signals),
    )


def signal_file(path: Path, name: str, warnings: list[str]) -> Path:
    """The signal file that a header names; the one beside it of the same name where only the ending or case differs."""
    named = path.parent / name
    if lexists(named):
        return named
    wanted = {f"{name}{ending}".lower() for ending in ("", ".mat", ".dat")}
    try:
        beside = sorted(file for file in path.parent.iterdir() if file.name.lower() in wanted)
    except OSError:
        beside = []
    if len(beside) != 1:
        return named
    warnings.append(f"header names the signal file {name[:40]!r}, read is {beside[0].name[:40]!r}")
    return beside[0]


def _by_file(header: Header) -> dict[str, list[int]]:
    """Which signals each file interleaves."""
    files: dict[str, list[int]] = {}
    for place, line in enumerate(header.signals):
        files.setdefault(line.file, []).append(place)
    return files


def _held(header: Header, files: dict[str, Path], header_path: Path) -> int:
    """Samples a signal: those that the header promises, or those that all files hold.

    Raises:
        RecordError: a file is shorter than the header promises, or of an unknown format.
    """
    samples = header.samples
    for file, places in _by_file(header).items():
        first, path = header.signals[places[0]], files[file]
        if first.format not in BITS:
            raise RecordError(f"{header_path}: format {first.format} is unknown; {', '.join(BITS)} are read")
        size = max(0, size_of(path) - first.offset_bytes)
        if first.format in FLAC:
            held = _flac_samples(path) - first.offset_bytes  # FLAC counts its offset in samples
        else:
            held = int(size * 8 / (BITS[first.format] * len(places)) + 1e-6)
        if header.samples is None:
            samples = held if samples is None else min(samples, held)
        elif held < header.samples:
            raise RecordError(f"{path}: truncated: {held} of {header.samples} samples")
    return samples or 0


def _flac_samples(path: Path) -> int:
    import soundfile

    try:
        return int(soundfile.info(str(path)).frames)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise RecordError(f"{path}: not a FLAC file ({str(error)[:80]})") from None


def _read_format_16(
    header: Header, files: dict[str, Path], header_path: Path
) -> tuple[np.ndarray, int, list[int] | None]:
    """int16 (signals, wanted), how many samples a signal the recording holds, and the sum of each signal."""
    samples, count = _held(header, files, header_path), len(header.signals)
    wanted, summed = min(samples, int(WINDOW * header.rate)), samples * count <= CHECKED
    digital, sums = np.empty((count, wanted), np.int16), [0] * count
    for file, places in _by_file(header).items():
        done = 0
        for block in _blocks(files[file], header.signals[places[0]], len(places), samples if summed else wanted):
            if done < wanted:
                digital[places, done : done + len(block)] = block[: wanted - done].T
            done += len(block)
            for place, total in zip(places, _sums(block) if summed else (), strict=False):
                sums[place] = (sums[place] + int(total)) % 65536
    return digital, samples, sums if summed else None


def _blocks(path: Path, line: SignalLine, signals: int, samples: int) -> Iterator[np.ndarray]:
    """The samples of a file in pieces: int16 (samples, signals)."""
    most = max(1, BLOCK // (2 * signals))
    try:
        with path.open("rb") as stream:
            stream.seek(line.offset_bytes)
            for start in range(0, samples, most):
                count = min(most, samples - start)
                block = np.frombuffer(stream.read(2 * signals * count), "<i2")
                if block.size < signals * count:
                    raise RecordError(f"{path}: truncated while it was read")
                yield block.reshape(count, signals)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from None


def _sums(block: np.ndarray) -> np.ndarray:
    """Sums of int16 (samples, signals) over the samples, modulo 65536: in wide rows, which are added much faster."""
    fold = 64
    whole = len(block) // fold * fold
    wide = block[:whole].reshape(-1, fold * block.shape[1]).sum(axis=0, dtype=np.int16)
    return wide.reshape(fold, -1).sum(axis=0, dtype=np.int64) + block[whole:].sum(axis=0, dtype=np.int64)


def _read_by_library(
    header: Header, files: dict[str, Path], header_path: Path
) -> tuple[np.ndarray, int, list[int] | None]:
    """As `_read_format_16`, int64, by wfdb: from our own reading of the header, which bounds what it may promise."""
    from wfdb.io._signal import _rd_segment

    samples, lines = _held(header, files, header_path), header.signals
    wanted, summed = min(samples, int(WINDOW * header.rate)), samples * len(lines) <= CHECKED_BY_LIBRARY
    asked = samples if summed else wanted
    try:
        signals = _rd_segment(
            file_name=[files[line.file].name for line in lines],
            dir_name=str(header_path.parent),
            pn_dir=None,
            fmt=[line.format for line in lines],
            n_sig=len(lines),
            sig_len=samples,
            byte_offset=[line.offset_bytes for line in lines],
            samps_per_frame=[1] * len(lines),
            skew=[0] * len(lines),
            init_value=[line.initial for line in lines],
            sampfrom=0,
            sampto=asked,
            channels=list(range(len(lines))),
            ignore_skew=True,
        )
        digital = np.stack(signals).astype(np.int64)
    except _LIBRARY_ERRORS as error:
        raise RecordError(f"{header_path}: wfdb cannot read its signals: {str(error)[:120]}") from None
    if digital.shape[1] < asked:
        raise RecordError(f"{header_path}: truncated: wfdb reads {digital.shape[1]} of {asked} samples")
    sums = [int(total) % 65536 for total in digital.sum(axis=1)] if summed else None
    return digital[:, :wanted], samples, sums


def write_wfdb(path: Path, signal: np.ndarray, names: list[str], rate: int, comments: list[str]) -> Path:
    """Writes `path`.hea and `path`.dat: format 16, 1 µV a unit.

    Args:
        signal: (leads, T) mV, NaN where nothing was recorded; beyond ±32.7 mV it is clipped.
    """
    digital = np.clip(np.rint(np.nan_to_num(signal * 1000)), -32767, 32767).astype("<i2")
    digital[np.isnan(signal)] = INVALID["16"]
    lines = [f"{path.name} {len(names)} {rate} {digital.shape[1]}"]
    for name, row in zip(names, digital, strict=True):
        checksum = int((int(row.sum(dtype=np.int64)) + 32768) % 65536 - 32768)
        lines.append(f"{path.name}.dat 16 1000(0)/mV 16 0 {row[0]} {checksum} 0 {name}")
    lines += [f"#{comment}" for comment in comments]
    write_atomically(path.with_name(path.name + ".dat"), np.ascontiguousarray(digital.T).tobytes())
    write_atomically(path.with_name(path.name + ".hea"), "\n".join(lines) + "\n")  # last: it makes the record
    return path
