"""Records that are not WFDB: `.mat` of CPSC2018 and CODE-15%, HDF5 of CODE-15% and SPH, NumPy arrays."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING

import numpy as np

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.raw import NOT_MILLIVOLTS, RawRecord, RecordError, size_of

if TYPE_CHECKING:
    import h5py

LARGEST = 64 << 20  # bytes of a .mat or .npy file, also once decompressed: an hour of 12 leads at 500 Hz
MOST_EXAMS = 5_000_000  # in one HDF5 file; CODE-15% has 20,000
SECONDS = 12.0  # read of a longer recording
# What SciPy raises on damaged MAT-files, beside its own MatReadError.
_MAT_ERRORS = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, EOFError, OverflowError, MemoryError,
    NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
# What h5py raises on damaged files.
_HDF5_ERRORS = (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError)
COMPRESSED = 15  # MAT-file element type (MathWorks, MAT-file format, level 5)


def read_mat(path: Path) -> RawRecord:
    """A MAT-file: CPSC2018's or CODE-15%'s.

    CPSC2018's hold a struct `ECG` with `data` (12, T) or (T, 12) in mV at 500 Hz and, where they are known, `sex` and
    `age`; CODE-15%'s, as ECG-FM publishes them, `feats` (12, T) at `curr_sample_rate`, in no unit that is known.

    Raises:
        RecordError: no MAT-file, or neither of these.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    _refuse_bombs(path)
    try:
        held = loadmat(path, variable_names=["ECG", "feats", "curr_sample_rate", "val"])
        if "val" in held:
            raise RecordError(f"{path}: the signals of a WFDB record, whose header {path.stem}.hea is missing")
        if "feats" in held:
            rate = float(np.ravel(held["curr_sample_rate"])[0])
            return _twelve_leads(np.asarray(held["feats"], float), path, rate, unit=NOT_MILLIVOLTS)
        ecg = held["ECG"][0, 0]
        signal = np.asarray(ecg["data"], float)
        said = {title: np.ravel(ecg[title.lower()]) for title in ("Sex", "Age") if title.lower() in ecg.dtype.names}
        comments = tuple(f"{title}: {values[0]}" for title, values in said.items() if len(values))
    except RecordError:
        raise
    except (*_MAT_ERRORS, MatReadError) as error:
        raise RecordError(f"{path}: not a record of CPSC2018 or CODE-15% ({str(error)[:80]})") from None
    signal = signal.T if signal.ndim == 2 and signal.shape[0] != len(LEADS) == signal.shape[1] else signal
    return _twelve_leads(signal, path, 500.0, unit="mV", comments=comments, source="cpsc2018")


def _refuse_bombs(path: Path) -> None:
    """A compressed element is opened as far as `LARGEST` before SciPy opens it altogether."""
    if size_of(path) > LARGEST:
        raise RecordError(f"{path}: larger than {LARGEST >> 20} MiB")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror or error}") from None
    position = 128  # behind the descriptive header
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, position)
        if kind == COMPRESSED:
            try:
                opened = zlib.decompressobj().decompress(content[position + 8 : position + 8 + size], LARGEST + 1)
            except zlib.error as error:
                raise RecordError(f"{path}: damaged ({error})") from None
            if len(opened) > LARGEST:
                raise RecordError(f"{path}: larger than {LARGEST >> 20} MiB once decompressed")
        position += 8 + size


def read_hdf5(path: Path) -> RawRecord:
    """An HDF5 file: an exam of CODE-15% or a record of SPH.

    CODE-15%'s hold `tracings` (N, 4096, 12) at 400 Hz, zero-padded at both ends and in no unit that is known, and
    `exam_id` (N,); SPH's hold `ecg` (12, T) in mV at 500 Hz.

    Args:
        path: `exams_part0.hdf5#1169160` names the exam; without `#`, the file must hold one exam only.

    Raises:
        RecordError: not such a file, or no such exam.
    """
    import h5py

    file, exam = _exam(path)
    size_of(file)
    try:
        with h5py.File(file, "r") as content:
            if "tracings" not in content and "ecg" in content:
                return _sph(content, path)
            signal = _tracing(content, file, exam)
    except RecordError:
        raise
    except _HDF5_ERRORS as error:
        raise RecordError(f"{file}: not a file of CODE-15% or SPH ({str(error)[:80]})") from None
    alive = np.flatnonzero((signal != 0).any(axis=0))
    if not len(alive):
        raise RecordError(f"{path}: all samples are zero")
    return _twelve_leads(signal[:, alive[0] : alive[-1] + 1], path, 400.0, unit=NOT_MILLIVOLTS, source="code15")


def _sph(content: h5py.File, path: Path) -> RawRecord:
    """A record of SPH (Shandong Provincial Hospital): float16 in mV."""
    ecg = _dataset(content, "ecg")
    if ecg.ndim != 2 or ecg.shape[0] != len(LEADS) or ecg.dtype.kind not in "fiu":
        raise RecordError(f"{path}: ecg of shape {ecg.shape} and type {ecg.dtype}; (12, samples) are read")
    return _twelve_leads(ecg, path, 500.0, unit="mV", source="sph")


def _tracing(content: h5py.File, file: Path, exam: int | None) -> np.ndarray:
    """The samples of an exam of CODE-15%: (12, T)."""
    tracings, ids = _dataset(content, "tracings"), _exam_ids(content)
    if tracings.ndim != 3 or tracings.shape[2] != 12 or tracings.shape[0] != len(ids):
        raise RecordError(f"{file}: tracings of shape {tracings.shape}; (exams, samples, 12) are read")
    if exam is None and len(ids) != 1:
        raise RecordError(f"{file}: holds {len(ids)} exams; name one as {file.name}#{ids[0] if len(ids) else 'ID'}")
    places = np.arange(1) if exam is None else np.flatnonzero(ids == exam)
    if not len(places):
        raise RecordError(f"{file}: no exam {exam}")
    return np.asarray(tracings[int(places[0]), : 60 * 400], float).T


def exams(file: Path) -> list[Path]:
    """`file#ID` for each exam of a CODE-15% file; the file itself for any other, which reading it may explain."""
    import h5py

    try:
        size_of(file)
        with h5py.File(file, "r") as content:
            return [file.with_name(f"{file.name}#{int(i)}") for i in _exam_ids(content)] or [file]
    except (RecordError, *_HDF5_ERRORS):
        return [file]


def _dataset(content: h5py.File, name: str) -> h5py.Dataset:
    """A dataset whose samples lie in this very file, in chunks of bounded size.

    Raises:
        ValueError: it is not such a file; the message says why.
    """
    import h5py

    if not isinstance(content.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"no dataset {name}")
    dataset = content[name]
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} lies in other files")
    if np.prod(dataset.chunks or (1,), dtype=float) * dataset.dtype.itemsize > LARGEST:
        raise ValueError(f"{name} is in chunks larger than {LARGEST >> 20} MiB")
    return dataset


def _exam_ids(content: h5py.File) -> np.ndarray:
    ids = _dataset(content, "exam_id")
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or len(ids) > MOST_EXAMS:
        raise ValueError(f"exam_id of shape {ids.shape} and type {ids.dtype}")
    return np.asarray(ids)


def _exam(path: Path) -> tuple[Path, int | None]:
    name, mark, exam = path.name.partition("#")
    if mark and not (exam.isascii() and exam.isdigit() and len(exam) < 19):
        raise RecordError(f"{path}: {exam!r} is no exam number")
    return path.with_name(name), int(exam) if mark else None


def read_numpy(path: Path) -> RawRecord:
    """A `.npy` array (12, T) or (T, 12) of mV at 500 Hz, leads in the standard order; never unpickles.

    Raises:
        RecordError: not such an array.
    """
    size_of(path)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError, TokenError) as error:
        raise RecordError(f"{path}: not a NumPy array ({str(error)[:80]})") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or 12 not in array.shape or array.dtype.kind not in "fiu":
        raise RecordError(f"{path}: an array of 12 leads by samples of mV is read")
    leads_first = array if array.shape[0] == 12 else array.T
    return _twelve_leads(leads_first, path, 500.0)


def _twelve_leads(
    signal: np.ndarray | h5py.Dataset,
    path: Path,
    rate: float,
    *,
    unit: str = "",
    comments: tuple[str, ...] = (),
    source: str | None = None,
) -> RawRecord:
    if signal.ndim != 2 or signal.shape[0] != len(LEADS):
        raise RecordError(f"{path}: signals of shape {signal.shape}; 12 leads are read")
    if not 0 < rate <= 1e6:
        raise RecordError(f"{path}: sampled at {rate:g} Hz")
    seconds = signal.shape[1] / rate
    window = np.asarray(signal[:, : int(SECONDS * rate)], float)
    return RawRecord(window, LEADS, (unit,) * len(LEADS), rate, seconds, comments, source or path.parent.name or None)
