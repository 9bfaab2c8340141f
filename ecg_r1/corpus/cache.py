"""What was measured and drawn before, by the content of the record's files: a change of wording measures nothing again.

    <cache>/<version of the code>/<first two digits>/<key>.record        the record as stored, and its measurements
                                                     <key>-<size>.page   its page
                                                     <hash>.content      what the files at a path held; see `unchanged`

An entry is read as any file that is not ours: bounded, with a checksum, and checked. A damaged one is as none: its
record is measured again. Two processes may write the same entry: each writes a file of its own and moves it into place.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from ecg_r1.disk import writing
from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import NO_FINDINGS, Findings, Key
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import SAMPLES, ECGRecord
from ecg_r1.ecg.version import code_version
from ecg_r1.errors import UserError
from ecg_r1.files import PART, read_bounded

MICROVOLT = 1e-3  # mV
LARGEST = 64 << 20  # bytes of an entry: a page of 4,096 pixels that cannot be compressed
LARGEST_FACTS = 1 << 20
_ZSTD = pa.Codec("zstd", compression_level=1)  # a page takes a twentieth
_LZ4 = pa.Codec("lz4_raw")  # a signal takes a third more than by zstd, and is there in a fifth of the time
_CHECKSUM, _LENGTH = 4, 4
_LENGTHS = 4 * _LENGTH  # of the facts, the measurements twice, and all of these when they are compressed


class Damaged(UserError):
    """An entry is cut short, is not what its hash says, or holds what no record can have."""


@dataclass(frozen=True)
class Measured:
    """A record and its measurements.

    Attributes:
        record: without its signal.
        signal: int16 (12, 5000) µV, as the store keeps it.
        measurements: those that `text`, their JSON, holds.
    """

    record: ECGRecord
    signal: np.ndarray
    measurements: Measurements
    text: str

    @property
    def whole(self) -> ECGRecord:
        """The record with its signal as the store gives it back."""
        return replace(self.record, signal=millivolts(self.signal))


def without_signal(record: ECGRecord) -> ECGRecord:
    """What is told of a record but its samples."""
    return replace(record, signal=np.empty((len(LEADS), 0), np.float32))


Lead = Annotated[list[int], Field(min_length=2, max_length=2)]


class _Facts(BaseModel):
    """A record but for its signal, and its findings in the order of `_keys`.

    values, margins: of each finding; 0 where there is none. reasons: why there is none, by its place.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    record_id: str
    lead_mask: Annotated[list[bool], Field(min_length=len(LEADS), max_length=len(LEADS))]
    samples: int = Field(ge=1, le=SAMPLES)
    diagnoses: list[str]
    report: str | None
    age: float | None
    sex: str | None
    source: str | None
    patient: str | None
    quality: list[str]
    windows: Annotated[list[Lead], Field(min_length=len(LEADS), max_length=len(LEADS))] | None
    values: list[float]
    margins: list[float]
    reasons: dict[int, str]


class Cache:
    """The entries of this version of the code. Made where it is missing, when the first entry is written.

    Args:
        folder: of all versions.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.entries = folder / code_version()[:16]

    def measured(self, key: str) -> Measured | None:
        """The record of this key with its measurements; None where there is no sound entry."""
        try:
            return _unpacked(self.read(f"{key}.record", LARGEST))
        except Damaged:
            return None

    def keep(self, key: str, made: Measured) -> None:
        """Write a record with its measurements.

        Raises:
            DiskError: the folder cannot be written to.
        """
        self.write(f"{key}.record", _packed(made))

    def page(self, key: str, size: int) -> np.ndarray | None:
        """The page of a record: uint8 (size, size, 3); None where there is no sound entry."""
        try:
            return np.frombuffer(
                _decompressed(_ZSTD, self.read(f"{key}-{size}.page", LARGEST), size * size * 3), np.uint8
            ).reshape(size, size, 3)
        except Damaged:
            return None

    def keep_page(self, key: str, page: np.ndarray) -> None:
        """Write the page of a record: uint8 (S, S, 3).

        Raises:
            DiskError: the folder cannot be written to.
        """
        self.write(f"{key}-{page.shape[0]}.page", _ZSTD.compress(page.tobytes(), asbytes=True))

    def _place(self, name: str) -> Path:
        return self.entries / name[:2] / name

    def read(self, name: str, largest: int) -> memoryview:
        """What an entry of at most so many bytes holds.

        Raises:
            Damaged: it is missing, or not what its checksum says.
        """
        content = read_bounded(self._place(name), largest + _CHECKSUM, Damaged)
        said, held = content[:_CHECKSUM], memoryview(content)[_CHECKSUM:]
        if said != _checksum(name, held):
            raise Damaged(f"{self._place(name)}: damaged")
        return held

    def write(self, name: str, content: bytes) -> None:
        """Write an entry.

        Raises:
            DiskError: the folder cannot be written to.
        """
        place = self._place(name)
        part = place.with_name(f"{name}.{secrets.token_hex(4)}{PART}")
        with writing(self.folder, "what was measured is not measured again"):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(_checksum(name, content) + content)
                os.replace(part, place)
            finally:
                part.unlink(missing_ok=True)


def _checksum(name: str, content: bytes | memoryview) -> bytes:
    """CRC-32 of an entry with its name, so that an entry under another one's name is noticed.

    It tells damage, and is there in a third of SHA-256's time. Neither tells what somebody wrote on purpose.
    """
    return zlib.crc32(content, zlib.crc32(name.encode())).to_bytes(_CHECKSUM, "little")


@cache
def _keys() -> tuple[Key, ...]:
    """Of all that is measured as a finding."""
    return tuple((name, lead) for name, lead in NO_FINDINGS if lead or not definitions()[name].per_lead)


def _findings(facts: _Facts) -> Findings:
    """
    Raises:
        ValueError: there are more or fewer than the table has.
    """
    cells: list[tuple[float, float] | str] = list(zip(facts.values, facts.margins, strict=True))
    for place, reason in facts.reasons.items():
        cells[place] = reason
    return Findings(dict(zip(_keys(), cells, strict=True)))


def _without_findings(measurements: str) -> str:
    """The JSON of measurements but for the findings, which are most of it."""
    data = json.loads(measurements)
    data.pop("findings")
    return json.dumps(data)


def _packed(made: Measured) -> bytes:
    record = made.record
    findings = [made.measurements.findings.measured[key] for key in _keys()]
    cells = [(0.0, 0.0) if isinstance(cell, str) else cell for cell in findings]
    facts = _Facts(
        record_id=record.record_id,
        lead_mask=record.lead_mask.tolist(),
        samples=record.samples,
        diagnoses=list(record.diagnoses),
        report=record.report,
        age=record.age,
        sex=record.sex,
        source=record.source,
        patient=record.patient,
        quality=list(record.quality),
        windows=None if record.windows is None else record.windows.tolist(),
        values=[value for value, _ in cells],
        margins=[margin for _, margin in cells],
        reasons={place: cell for place, cell in enumerate(findings) if isinstance(cell, str)},
    )
    parts = facts.model_dump_json().encode(), _without_findings(made.text).encode(), made.text.encode()
    small = _LZ4.compress(b"".join(parts), asbytes=True)
    signal = np.ascontiguousarray(made.signal[:, : record.samples])
    lengths = [len(part).to_bytes(_LENGTH, "little") for part in (*parts, small)]
    return b"".join([*lengths, small, _LZ4.compress(signal.tobytes(), asbytes=True)])


def _unpacked(content: memoryview) -> Measured:
    lengths = (content[at : at + _LENGTH] for at in range(0, _LENGTHS, _LENGTH))
    of_facts, of_rest, of_text, small = (int.from_bytes(length, "little") for length in lengths)
    if of_facts + of_rest + of_text > LARGEST_FACTS:
        raise Damaged(f"facts of {of_facts}, {of_rest} and {of_text} bytes")
    end = _LENGTHS + small
    try:
        said = bytes(_decompressed(_LZ4, content[_LENGTHS:end], of_facts + of_rest + of_text))
        facts = _Facts.model_validate_json(said[:of_facts])
        rest = from_json(said[of_facts : of_facts + of_rest], allow_inf_nan=False)
        measurements = replace(Measurements.from_json(rest), findings=_findings(facts))
        text = said[of_facts + of_rest :].decode()
    except (ValidationError, ValueError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(str(error)) from None
    shape = len(LEADS), facts.samples
    stored = np.frombuffer(_decompressed(_LZ4, content[end:], 2 * shape[0] * shape[1]), np.int16).reshape(shape)
    signal = stored
    if facts.samples < SAMPLES:
        signal = np.zeros((len(LEADS), SAMPLES), np.int16)
        signal[:, : facts.samples] = stored
    record = ECGRecord(
        record_id=facts.record_id,
        signal=np.empty((len(LEADS), 0), np.float32),
        lead_mask=np.array(facts.lead_mask),
        samples=facts.samples,
        diagnoses=tuple(facts.diagnoses),
        report=facts.report,
        age=facts.age,
        sex=facts.sex,
        source=facts.source,
        patient=facts.patient,
        quality=tuple(facts.quality),
        windows=None if facts.windows is None else np.array(facts.windows),
    )
    return Measured(record, signal, measurements, text)


def _decompressed(codec: pa.Codec, content: memoryview, size: int) -> memoryview:
    try:
        return memoryview(codec.decompress(content, decompressed_size=size))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(str(error)) from None


def microvolts(signal: np.ndarray) -> np.ndarray:
    """A signal in mV as the store keeps it: int16 µV, up to ±32.767 mV."""
    scaled = signal / np.float32(MICROVOLT)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -32768, 32767, out=scaled).astype(np.int16)


def millivolts(signal: np.ndarray) -> np.ndarray:
    """What the store gives back: float32 mV of int16 µV."""
    return signal.astype(np.float32) * np.float32(MICROVOLT)


def as_stored(record: ECGRecord) -> ECGRecord:
    """The record with its signal as the store gives it back."""
    return replace(record, signal=millivolts(microvolts(record.signal)))
