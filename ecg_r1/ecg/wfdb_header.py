"""WFDB headers (`.hea`), read with the bounds that a file from anywhere needs.

Format: https://physionet.org/physiotools/wag/header-5.htm
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from os.path import isfile
from pathlib import Path

from ecg_r1.ecg.raw import RecordError, size_of
from ecg_r1.ecg.text import decoded

HEADER_BYTES = 1 << 20
HEADER_ENDINGS = (".hea", ".HEA", ".Hea")
UNCALIBRATED = 200.0  # units a mV where a header gives no gain, or 0, by the format
MAX_SIGNALS = 64
MAX_RATE = 100_000  # Hz: what is read of a longer recording is bounded by it
MAX_SAMPLES = 500_000_000  # a channel; a week at 800 Hz


@dataclass(frozen=True)
class SignalLine:
    """One line of a header: where a signal lies and how its integers become physical units.

    Attributes:
        gain: units of the file in one physical unit; None where the header gives none, or 0.
        units: None where the header names none.
        initial: the first sample, from which format 8 counts.
        checksum: sum of all samples modulo 65536; None where the header gives none.
    """

    file: str
    format: str
    offset_bytes: int
    gain: float | None
    baseline: float
    units: str | None
    initial: int
    checksum: int | None
    name: str


@dataclass(frozen=True)
class Header:
    rate: float
    samples: int | None
    signals: tuple[SignalLine, ...]
    comments: tuple[str, ...]
    warnings: tuple[str, ...] = ()


_RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?:/(?P<segments>\d+))?\s+(?P<signals>\d{1,9})"
    r"(?:\s+(?P<rate>\d{1,9}(?:\.\d{0,9})?)(?:[(/]\S*)?(?:\s+(?P<samples>\d{1,18})(?:\s.*)?)?)?"
)

_FORMAT = re.compile(r"(?P<format>\d{1,4})(?:x(?P<frames>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d{1,12}))?")
_GAIN = re.compile(r"(?P<gain>[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)(?:\((?P<baseline>[-+]?\d{1,12})\))?(?:/(?P<units>\S+))?")


def header_file(path: Path) -> Path | None:
    """The header of the record `path` (without ending), however its ending is written; None where there is none."""
    named = (path.with_name(path.name + ending) for ending in HEADER_ENDINGS) if path.name else ()
    return next((header for header in named if isfile(header)), None)


def named_files(header: bytes) -> list[str]:
    """The signal files that a header names, in its order, whatever else is wrong with it."""
    fields = [line for line in decoded(header).splitlines() if line.strip() and not line.startswith("#")]
    return list(dict.fromkeys(line.split(maxsplit=1)[0] for line in fields[1:]))


def read_header(path: Path) -> Header:
    """Reads `path` (with its `.hea`).

    Raises:
        RecordError: missing, too large, or not a WFDB header of a single segment; the line is quoted.
    """
    lines = decoded(header_bytes(path)).splitlines()
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    fields = [line for line in lines if line.strip() and not line.startswith("#")]
    if not fields:
        raise RecordError(f"{path}: empty header")
    record = _RECORD_LINE.fullmatch(fields[0].strip())
    if record is None:
        raise RecordError(f"{path}: not a WFDB record line: {_short(fields[0])}")
    if record["segments"]:
        raise RecordError(f"{path}: a multi-segment record; give the header of one segment")
    count, samples = int(record["signals"]), record["samples"]
    rate = float(record["rate"] or 250)  # the format's own default
    if not 1 <= count <= MAX_SIGNALS:
        raise RecordError(f"{path}: {count} signals; between 1 and {MAX_SIGNALS} are read")
    if not 0 < rate <= MAX_RATE:
        raise RecordError(f"{path}: sampled at {rate:g} Hz")
    if samples is not None and int(samples) > MAX_SAMPLES:
        raise RecordError(f"{path}: promises {samples} samples; at most {MAX_SAMPLES} are read")
    if len(fields) - 1 < count:
        raise RecordError(f"{path}: promises {count} signals but describes {len(fields) - 1}")
    warnings: tuple[str, ...] = ()
    if record["name"] != path.stem:
        warnings = (f"header names the record {record['name']!r}",)
    signals = tuple(_signal_line(line, path) for line in fields[1 : count + 1])
    return Header(rate, int(samples or 0) or None, signals, comments, warnings)


def header_bytes(path: Path) -> bytes:
    """What a header holds; `path` with its `.hea`.

    Raises:
        RecordError: missing or too large.
    """
    if size_of(path) > HEADER_BYTES:
        raise RecordError(f"{path}: larger than {HEADER_BYTES} bytes; not a header")
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from None


def _signal_line(line: str, path: Path) -> SignalLine:
    words = line.split(maxsplit=8)
    layout = _FORMAT.fullmatch(words[1]) if len(words) > 1 else None
    gain = _GAIN.fullmatch(words[2]) if len(words) > 2 else None
    if layout is None or (len(words) > 2 and gain is None):
        raise RecordError(f"{path}: not a WFDB signal line: {_short(line)}")
    if "/" in words[0] or "\\" in words[0] or words[0] in ("..", "."):
        raise RecordError(f"{path}: signal file {_short(words[0])} lies outside the record's folder")
    if (layout["frames"] or "1") != "1" or (layout["skew"] or "0") != "0":
        raise RecordError(f"{path}: several samples a frame or skewed signals are not read: {_short(line)}")
    zero, initial, checksum = (_integer(words[i]) if len(words) > i else None for i in (4, 5, 6))
    value = float(gain["gain"]) if gain else 0.0
    if not math.isfinite(value):
        raise RecordError(f"{path}: {_short(words[2])} is no gain")
    return SignalLine(
        file=words[0],
        format=layout["format"],
        offset_bytes=int(layout["offset"] or 0),
        gain=value or None,
        baseline=float(gain["baseline"]) if gain and gain["baseline"] else float(zero or 0),
        units=gain["units"] if gain else None,
        initial=initial or 0,
        checksum=None if checksum is None else checksum % 65536,
        name=words[8].strip() if len(words) > 8 else "",
    )


def _integer(word: str) -> int | None:
    return int(word) if re.fullmatch(r"[-+]?\d{1,12}", word) else None


def _short(text: str) -> str:
    return repr(text[:60])
