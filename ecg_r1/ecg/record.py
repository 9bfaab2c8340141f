"""ECGRecord: twelve leads, 500 Hz, 10 s, mV, whatever file they came from; or a RecordError that says why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from os.path import isdir, isfile  # pathlib's raise where a name is too long
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from ecg_r1.ecg.leads import LEADS, canonical_lead, derive_limb_leads
from ecg_r1.ecg.other_files import exams, read_cpsc, read_hdf5, read_numpy
from ecg_r1.ecg.quality import alive, notes
from ecg_r1.ecg.raw import RawRecord, RecordError
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.ecg.wfdb_files import read_wfdb, write_wfdb

__all__ = [
    "SAMPLES",
    "SAMPLING_RATE",
    "ECGRecord",
    "RecordError",
    "find_records",
    "read_record",
    "record_id",
    "require_signal",
    "write_record",
]

SAMPLING_RATE = 500
SAMPLES = 5000
SLOWEST, FASTEST = 100, 1000  # Hz: below, QRS bounds are lost; above, no archive of 12-lead ECGs goes
SHORTEST = 1.0  # seconds
MILLIVOLTS = {"mv": 1.0, "v": 1e3, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6, "": 1.0}
WFDB_ENDINGS = (".hea", ".dat", ".mat")
READERS = {".mat": read_cpsc, ".h5": read_hdf5, ".hdf5": read_hdf5, ".npy": read_numpy}


@dataclass(frozen=True)
class ECGRecord:
    """One 12-lead ECG.

    signal: float32 (12, 5000) mV, rows in the order of `LEADS`, finite; zero where there is no signal.
    lead_mask: bool (12,); False where a lead is missing.
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


def read_record(path: str | Path) -> ECGRecord:
    """Reads one record; `path` with or without its ending.

    Raises:
        RecordError: missing, truncated, malformed, or without any standard lead.
    """
    path = Path(path)
    if not path.name or (isdir(path) and not isfile(f"{path}.hea")):
        raise RecordError(f"{path}: a folder without records")
    reader = _reader(path)
    if reader is not None:
        return canonical(reader(path), path)
    if path.suffix.lower() in WFDB_ENDINGS:
        path = path.with_suffix("")
    return canonical(read_wfdb(path), path)


def require_signal(record: ECGRecord) -> ECGRecord:
    """The record as it is, for those who would show or read it.

    Raises:
        RecordError: every lead is flat or made of gaps.
    """
    if not alive(record.signal[:, : record.samples], record.lead_mask).any():
        raise RecordError(f"{record.record_id}: no signal: every lead is flat or made of gaps")
    return record


def _reader(path: Path) -> Callable[[Path], RawRecord] | None:
    """The reader of a file that is not WFDB's; None for WFDB, whose `.mat` files have a header beside them."""
    ending = Path(path.name.partition("#")[0]).suffix.lower()
    return None if isfile(path.with_suffix(".hea")) else READERS.get(ending)


def find_records(folder: str | Path) -> list[Path]:
    """The records of a folder and its subfolders, sorted: WFDB's without ending, an HDF5 file's exams as `file#ID`.

    Raises:
        RecordError: the folder is missing or holds no record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RecordError(f"{folder}: no such folder")
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = [path.with_suffix("") for path in files if path.suffix == ".hea"]
    for path in files:
        reader = _reader(path)
        if reader is not None:
            found += exams(path) if reader is read_hdf5 else [path]
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
    present = np.flatnonzero(record.lead_mask)
    return write_wfdb(
        folder / record.record_id,
        record.signal[present, : record.samples],
        [LEADS[i] for i in present],
        record.sampling_rate,
        comments,
    )


def canonical(raw: RawRecord, path: Path) -> ECGRecord:
    """Leads by name into `LEADS`' order, units into mV, the rate into 500 Hz, the length into 10 s."""
    if not SLOWEST <= raw.rate <= FASTEST:
        raise RecordError(f"{path}: sampled at {raw.rate:g} Hz; between {SLOWEST} and {FASTEST} Hz are read")
    quality = list(raw.warnings)
    rows: dict[str, np.ndarray] = {}
    others = []
    for name, units, row in zip(raw.names, raw.units, raw.signal, strict=True):
        lead = canonical_lead(name)
        if lead is None or lead in rows:
            others.append(name)
            continue
        if units.lower() not in MILLIVOLTS:
            raise RecordError(f"{path}: lead {name} is in {units!r}; mV, µV, nV and V are read")
        rows[lead] = row * MILLIVOLTS[units.lower()]
    if not rows:
        raise RecordError(f"{path}: none of the 12 standard leads among {', '.join(raw.names)[:80]}")
    recorded = np.array([lead in rows for lead in LEADS])
    if others:
        if not recorded.all():
            raise RecordError(f"{path}: {_misnamed(others)}; name the leads {', '.join(LEADS)}, each once")
        quality.append(f"other signals left out: {' '.join(others)[:80]}")
    length = raw.signal.shape[1]
    if length < SHORTEST * raw.rate:
        raise RecordError(f"{path}: {length / raw.rate:.2g} s long; at least {SHORTEST:g} s are needed")
    signal = np.zeros((len(LEADS), length))
    for lead, row in rows.items():
        signal[LEADS.index(lead)] = row
    quality += _bridge_gaps(signal)
    signal = _resample(signal, raw.rate)
    if raw.seconds > SAMPLES / SAMPLING_RATE + 0.05:
        quality.append(f"first {SAMPLES / SAMPLING_RATE:g} s of {raw.seconds:.4g} s")
    samples = min(signal.shape[1], SAMPLES)
    padded = np.zeros((len(LEADS), SAMPLES), np.float32)
    padded[:, :samples] = signal[:, :samples]
    if not np.isfinite(padded).all():
        raise RecordError(f"{path}: samples beyond what float32 holds; check gain and units")
    if samples < SAMPLES:
        quality.append(f"{samples / SAMPLING_RATE:.3g} s, padded to {SAMPLES / SAMPLING_RATE:g} s")
    missing = [lead for lead, there in zip(LEADS, recorded, strict=True) if not there]
    derived = derive_limb_leads(padded, recorded)
    if missing:
        quality.append(f"missing leads: {' '.join(missing)}" + (f" (derived: {' '.join(derived)})" if derived else ""))
    mask = recorded | np.isin(LEADS, derived)
    record = ECGRecord(record_id(path), padded, mask, samples=samples, source=raw.source, **_header_notes(raw.comments))
    return replace(record, quality=tuple(quality + notes(padded[:, :samples], mask)))


def _misnamed(names: list[str]) -> str:
    why = ("is no standard lead", "is named twice")
    return ", ".join(f"{name[:16]!r} {why[canonical_lead(name) is not None]}" for name in names[:3])


def record_id(path: Path) -> str:
    """The id of the record that `read_record` reads at a path."""
    return path.name.replace("#", "_") if "#" in path.name or path.suffix.lower() not in READERS else path.stem


def _bridge_gaps(signal: np.ndarray) -> list[str]:
    """NaN and infinite samples become straight lines between their neighbours, in place."""
    bad = ~np.isfinite(signal)
    for row in np.flatnonzero(bad.any(axis=1)):
        good = np.flatnonzero(~bad[row])
        signal[row] = np.interp(np.arange(signal.shape[1]), good, signal[row, good]) if len(good) else 0.0
    gaps = [f"{LEADS[i]} {100 * bad[i].mean():.0f}%" for i in np.flatnonzero(bad.any(axis=1))]
    return [f"gaps bridged: {', '.join(gaps)}"] if gaps else []


def _resample(signal: np.ndarray, rate: float) -> np.ndarray:
    if rate == SAMPLING_RATE:
        return signal
    ratio = (Fraction(SAMPLING_RATE) / Fraction(rate).limit_denominator(1000)).limit_denominator(1000)
    # padtype "line" keeps a baseline offset from ringing at the edges.
    return resample_poly(signal, ratio.numerator, ratio.denominator, axis=1, padtype="line")


_COMMENT = re.compile(
    r"<?(?P<key>age|sex|dx|report|(?P<patient>patient|subject)(?:[ _]id)?)>?\s*:\s*(?P<value>.*)", re.IGNORECASE
)


def _header_notes(comments: Iterable[str]) -> dict:
    """Age, sex, patient, diagnoses and report from `#` comments as the PhysioNet archives write them."""
    found: dict[str, str] = {}
    for comment in comments:
        match = _COMMENT.fullmatch(comment.strip())
        if match:
            key = "patient" if match["patient"] else match["key"].lower()
            found.setdefault(key, match["value"].strip())
    age = re.match(r"\d{1,3}(?:\.\d+)?", found.get("age", ""))
    return {
        "age": float(age[0]) if age else None,
        "sex": {"m": "male", "f": "female"}.get(found.get("sex", "")[:1].lower()),
        "patient": found.get("patient") or None,
        "diagnoses": tuple(_name(code) for code in re.split(r"\s*,\s*", found.get("dx", "")) if code),
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
