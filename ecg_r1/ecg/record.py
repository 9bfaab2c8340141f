"""ECGRecord: twelve leads, 500 Hz, 10 s, mV, whatever file they came from; or a RecordError that says why not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from os.path import isdir  # pathlib's raise where a name is too long
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from ecg_r1.ecg.dicom import read_dicom
from ecg_r1.ecg.doubts import DOUBT, gain_doubts, is_doubt
from ecg_r1.ecg.edf import read_edf
from ecg_r1.ecg.leads import LEADS, canonical_lead, derive_limb_leads, recorded_beside, standard_leads
from ecg_r1.ecg.other_files import exams, read_hdf5, read_mat, read_numpy
from ecg_r1.ecg.quality import alive, notes
from ecg_r1.ecg.raw import NOT_MILLIVOLTS, RawRecord, RecordError, millivolts
from ecg_r1.ecg.text import printable
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.ecg.wfdb_files import read_wfdb, write_wfdb
from ecg_r1.ecg.wfdb_header import header_file
from ecg_r1.ecg.windows import bridged, described, first_and_last, mark_padding
from ecg_r1.ecg.xml_files import read_xml

__all__ = [
    "SAMPLES",
    "SAMPLING_RATE",
    "ECGRecord",
    "RecordError",
    "find_records",
    "read_raw",
    "read_record",
    "reader_of",
    "record_id",
    "refuse_doubts",
    "require_signal",
    "without_ending",
    "write_record",
]

SAMPLING_RATE = 500
SAMPLES = 5000
SLOWEST, FASTEST = 100, 1000  # Hz: below, QRS bounds are lost; above, no archive of 12-lead ECGs goes
SHORTEST = 1.0  # seconds
LARGEST = 1e12  # mV: the square of a larger one, summed over a record, leaves float32
WFDB_ENDINGS = (".hea", ".dat", ".mat")
READERS = {
    ".mat": read_mat, ".h5": read_hdf5, ".hdf5": read_hdf5, ".npy": read_numpy,
    ".dcm": read_dicom, ".edf": read_edf, ".bdf": read_edf, ".xml": read_xml,
}  # fmt: skip


@dataclass(frozen=True)
class ECGRecord:
    """One 12-lead ECG.

    Attributes:
        signal: float32 (12, 5000) mV, rows in the order of `LEADS`, finite; zero where there is no signal.
        lead_mask: bool (12,); False where a lead is missing.
        windows: int (12, 2): of each lead the first sample that was recorded and the one after the last, where that
            differs among the leads (a page that was digitised shows 2.5 s of each); None: every lead over the whole
            record.
        samples: length before padding; `signal[:, samples:]` is zero.
        patient: as the file names the person; records of one person are not independent of each other.
        diagnoses: canonical names where the vocabulary knows them, the file's own codes where not.
        quality: what was noticed or repaired while reading, in words.
    """

    record_id: str
    signal: np.ndarray
    lead_mask: np.ndarray
    sampling_rate: int = SAMPLING_RATE
    samples: int = SAMPLES
    diagnoses: tuple[str, ...] = ()
    report: str | None = None
    age: float | None = None
    sex: str | None = None
    source: str | None = None
    patient: str | None = None
    quality: tuple[str, ...] = ()
    windows: np.ndarray | None = None

    @property
    def leads(self) -> tuple[str, ...]:
        """The leads that are there, in the order of `LEADS`."""
        return tuple(lead for lead, there in zip(LEADS, self.lead_mask, strict=True) if there)

    @property
    def doubts(self) -> tuple[str, ...]:
        """The notes of `quality` that say why the signal itself cannot be trusted: its checksum or its gain."""
        return tuple(filter(is_doubt, self.quality))

    def recorded(self) -> np.ndarray:
        """bool (12, samples): where a lead was recorded."""
        there = np.repeat(self.lead_mask[:, None], self.samples, axis=1)
        if self.windows is not None:
            time = np.arange(self.samples)
            there &= (time >= self.windows[:, :1]) & (time < self.windows[:, 1:])
        return there

    def showing(self, leads: Collection[str]) -> ECGRecord:
        """The record with these of its leads; the others are missing, and zero in the signal."""
        there = self.lead_mask & np.isin(LEADS, list(leads))
        return replace(self, signal=self.signal * there[:, None], lead_mask=there)


def read_record(path: str | Path, *, unit_mv: float | None = None, refuse_doubtful: bool = False) -> ECGRecord:
    """Reads one record; `path` with or without its ending.

    Args:
        unit_mv: mV that one unit of the samples stands for, of a file that does not say (HDF5, `.mat`, `.npy`).
        refuse_doubtful: refuse a record whose checksum or gain says that its signal is wrong; see `ecg_r1.ecg.doubts`.

    Raises:
        RecordError: missing, truncated, malformed, doubtful where that is refused, or without any standard lead; or the
            file names its units and `unit_mv` is given all the same.
    """
    path = Path(path)
    if printable(path) != str(path):
        raise RecordError(f"{printable(path)}: the name is not UTF-8; rename the file")
    if not path.name or (isdir(path) and header_file(path) is None):
        cannot = isdir(path) and not os.access(path, os.R_OK | os.X_OK)
        raise RecordError(f"{path}: a folder {'that cannot be opened' if cannot else 'without records'}")
    path = without_ending(path)
    record = canonical(read_raw(path), path, unit_mv)
    if refuse_doubtful:
        refuse_doubts(record, path)
    return record


def refuse_doubts(record: ECGRecord, path: Path) -> None:
    """Refuse a record whose checksum or gain says that its signal is wrong; see `ecg_r1.ecg.doubts`.

    Raises:
        RecordError: it does; the message names the path.
    """
    if record.doubts:
        raise RecordError(f"{without_ending(path)}: {'; '.join(record.doubts)}")


def read_raw(path: Path) -> RawRecord:
    """A record as its file holds it: its own rate, leads and units.

    Raises:
        RecordError: missing, truncated or malformed.
    """
    path = without_ending(path)
    return (reader_of(path) or read_wfdb)(path)


def without_ending(path: Path) -> Path:
    """WFDB's records are named without it."""
    is_wfdb = reader_of(path) is None and header_file(path) is None and path.suffix.lower() in WFDB_ENDINGS
    return path.with_suffix("") if is_wfdb else path


def require_signal(record: ECGRecord) -> ECGRecord:
    """The record as it is, for those who would show or read it.

    Raises:
        RecordError: every lead is flat or made of gaps.
    """
    if not alive(record.signal[:, : record.samples], record.lead_mask).any():
        raise RecordError(f"{record.record_id}: no signal: every lead is flat or made of gaps")
    return record


def reader_of(path: Path) -> Callable[[Path], RawRecord] | None:
    """The reader of a file that is not WFDB's; None for WFDB, whose `.mat` files have a header beside them."""
    ending = Path(path.name.partition("#")[0]).suffix.lower()
    if ending not in READERS or header_file(path) or header_file(path.with_suffix("")):
        return None
    return READERS[ending]


def find_records(folder: str | Path) -> list[Path]:
    """The records of a folder and its subfolders, sorted: WFDB's without ending, an HDF5 file's exams as `file#ID`.

    A file that cannot be opened is among them: reading it says why, and the others are read.

    Raises:
        RecordError: the folder is missing or holds no record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RecordError(f"{printable(folder)}: no such folder")
    found: set[Path] = set()
    for root, _, names in os.walk(folder, onerror=lambda error: found.add(Path(error.filename))):
        for name in names:
            ending = os.path.splitext(name)[1].lower()
            if ending == ".hea":
                found.add(Path(root, name).with_suffix(""))
            elif ending in READERS and (reader := reader_of(path := Path(root, name))) is not None:
                found.update(exams(path) if reader is read_hdf5 else [path])
    if not found:
        raise RecordError(f"{folder}: no records here (looked for .hea, {', '.join(READERS)})")
    return sorted(found)


def write_record(record: ECGRecord, folder: str | Path) -> Path:
    """Writes WFDB format 16 at 1 µV; missing leads are left out. Returns the path without ending."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    comments = []
    if record.age is not None:
        comments.append(f"Age: {record.age:g}")
    if record.sex is not None:
        comments.append(f"Sex: {record.sex}")
    if record.patient is not None:
        comments.append(f"Patient: {record.patient}")
    if record.diagnoses:
        comments.append("Dx: " + ",".join(_code(name) for name in record.diagnoses))
    if record.report:
        comments.append("Report: " + " ".join(record.report.split()))
    return write_wfdb(
        folder / record.record_id,
        np.where(record.recorded(), record.signal[:, : record.samples], np.nan)[record.lead_mask],
        list(record.leads),
        record.sampling_rate,
        comments,
    )


def canonical(raw: RawRecord, path: Path, unit_mv: float | None = None) -> ECGRecord:
    """Leads by name into `LEADS`' order, units into mV, the rate into 500 Hz, the length into 10 s.

    Args:
        raw: as its reader found it; path: named in errors.
        unit_mv: see `read_record`.

    Raises:
        RecordError: see `read_record`.
    """
    if not SLOWEST <= raw.rate <= FASTEST:
        raise RecordError(f"{path}: sampled at {raw.rate:g} Hz; between {SLOWEST} and {FASTEST} Hz are read")
    quality = list(raw.warnings)
    places, others = _leads(raw, path)
    recorded = np.array([lead in places for lead in LEADS])
    if others:
        quality.append(f"other signals left out: {' '.join(others)[:80]}")
    if raw.gains:
        given = [raw.gains[place] for place in places.values()]
        quality += gain_doubts(list(places), [gain for gain, _ in given], [unit for _, unit in given])
    length = raw.signal.shape[1]
    if length < SHORTEST * raw.rate:
        raise RecordError(f"{path}: {length / raw.rate:.2g} s long; at least {SHORTEST:g} s are needed")
    signal = np.zeros((len(LEADS), length))
    for lead, place in places.items():
        signal[LEADS.index(lead)] = raw.signal[place] * _millivolts(raw, place, path, unit_mv)
    if unit_mv is None and NOT_MILLIVOLTS in raw.units:
        quality.append(f"{DOUBT}the file names no unit (mV taken); give `unit_mv`")
    mark_padding(signal, raw.rate)
    windows = first_and_last(signal, raw.rate)
    quality += bridged(signal, windows)
    signal = _resample(signal, raw.rate)
    if not (np.abs(signal) <= LARGEST).all():  # also NaN
        raise RecordError(f"{path}: samples beyond {LARGEST:g} mV; check gain and units")
    if raw.seconds > SAMPLES / SAMPLING_RATE + 0.05:
        quality.append(f"first {SAMPLES / SAMPLING_RATE:g} s of {raw.seconds:.4g} s")
    samples = min(signal.shape[1], SAMPLES)
    padded = np.zeros((len(LEADS), SAMPLES), np.float32)
    padded[:, :samples] = signal[:, :samples]
    if samples < SAMPLES:
        quality.append(f"{samples / SAMPLING_RATE:.3g} s, padded to {SAMPLES / SAMPLING_RATE:g} s")
    if windows is not None:
        windows = np.rint(windows * (SAMPLING_RATE / raw.rate)).astype(int).clip(0, samples)
        recorded &= windows[:, 1] > windows[:, 0]
    missing = [lead for lead, there in zip(LEADS, recorded, strict=True) if not there]
    derived = derive_limb_leads(padded, recorded)
    if missing:
        quality.append(f"missing leads: {' '.join(missing)}" + (f" (derived: {' '.join(derived)})" if derived else ""))
    mask = recorded | np.isin(LEADS, derived)
    record = ECGRecord(record_id(path), padded, mask, samples=samples, source=raw.source, **_header_notes(raw.comments))
    if windows is not None:
        shared = max(windows[0, 0], windows[1, 0]), min(windows[0, 1], windows[1, 1])  # of I and II
        windows[np.isin(LEADS, derived)] = shared if shared[0] < shared[1] else (0, 0)
        mask &= windows[:, 1] > windows[:, 0]
        record = replace(record, windows=windows, lead_mask=mask)
        padded[:, :samples][~record.recorded()] = 0
        if parts := described(windows, mask, samples):
            quality.append(f"leads recorded in part: {parts}")
        else:
            record = replace(record, windows=None)
    return replace(record, quality=tuple(quality + notes(padded[:, :samples], record.lead_mask, record.windows)))


def _leads(raw: RawRecord, path: Path) -> tuple[dict[str, int], list[str]]:
    """Where each standard lead stands among the signals, and the names of the others.

    Raises:
        RecordError: there is none, or a lead is missing that another signal may be.
    """
    places: dict[str, int] = {}
    others = []
    for place, lead in enumerate(standard_leads(raw.names)):
        if lead is None or lead in places:
            others.append(place)
        else:
            places[lead] = place
    if not places:
        raise RecordError(f"{path}: none of the 12 standard leads among {', '.join(raw.names)[:80]}")
    unknown = [raw.names[place] for place in others if not recorded_beside(raw.names[place], raw.units[place])]
    if unknown and len(places) < len(LEADS):
        raise RecordError(f"{path}: {_misnamed(unknown)}; name the leads {', '.join(LEADS)}, each once")
    return places, [raw.names[place] for place in others]


def _millivolts(raw: RawRecord, place: int, path: Path, unit_mv: float | None) -> float:
    unit = raw.units[place]
    if unit_mv is not None:
        if unit not in (NOT_MILLIVOLTS, ""):
            raise RecordError(f"{path}: the file names its units, {unit[:16]!r}; leave `unit_mv` out")
        return unit_mv
    of_unit = 1.0 if unit == NOT_MILLIVOLTS else millivolts(unit)
    if of_unit is None:
        raise RecordError(f"{path}: lead {raw.names[place][:16]} is in {unit[:16]!r}; mV, µV, nV and V are read")
    return of_unit


def _misnamed(names: list[str]) -> str:
    why = ("is no standard lead", "is named twice")
    return ", ".join(f"{name[:16]!r} {why[canonical_lead(name) is not None]}" for name in names[:3])


def record_id(path: Path) -> str:
    """The id of the record that `read_record` reads at a path."""
    return path.name.replace("#", "_") if "#" in path.name or path.suffix.lower() not in READERS else path.stem


def _resample(signal: np.ndarray, rate: float) -> np.ndarray:
    if rate == SAMPLING_RATE:
        return signal
    ratio = (Fraction(SAMPLING_RATE) / Fraction(rate).limit_denominator(1000)).limit_denominator(1000)
    # padtype "line" keeps a baseline offset from ringing at the edges.
    return resample_poly(signal, ratio.numerator, ratio.denominator, axis=1, padtype="line")


_COMMENT = re.compile(
    r"<?(?P<key>age|sex|dx|report|(?P<patient>patient|subject)(?:[ _]id)?)>?\s*:\s*(?P<value>.*)", re.IGNORECASE
)

_BETWEEN_CODES = re.compile(r"\s?[,;|]\s*|(?<=\d)\s+(?=\d)")


def _header_notes(comments: Iterable[str]) -> dict:
    """Age, sex, patient, diagnoses and report from `#` comments as the PhysioNet archives write them."""
    found: dict[str, str] = {}
    for comment in comments:
        match = _COMMENT.fullmatch(comment.strip())
        if match:
            key = "patient" if match["patient"] else match["key"].lower()
            if key == "dx" and key in found:  # a second line goes on with the first
                found[key] += "," + match["value"].strip()
            found.setdefault(key, match["value"].strip())
    age = re.match(r"\d{1,3}(?:\.\d+)?", found.get("age", ""))
    return {
        "age": float(age[0]) if age else None,
        "sex": {"m": "male", "f": "female", "w": "female"}.get(found.get("sex", "")[:1].lower()),
        "patient": found.get("patient") or None,
        "diagnoses": tuple(dict.fromkeys(_name(code) for code in _BETWEEN_CODES.split(found.get("dx", "")) if code)),
        "report": found.get("report"),
    }


def _name(code: str) -> str:
    statement = vocabulary().find(code)
    return statement.name if statement else code


def _code(name: str) -> str:
    """The SNOMED code that is read back as `name`, or the name itself."""
    statement = vocabulary().find(name)
    codes = [code for code in statement.snomed if _name(code) == name] if statement else []
    return codes[0] if codes else name
