"""Whatever a record's files hold, reading them takes little, and ends in a record or in a RecordError.

A damaged sample of a WFDB file is never read without a word: its checksum in the header shows it.
"""

import io
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from bounded import Bounded
from damage import CUTS, cut
from ecg import clinical_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_r1.ecg.record import read_record, write_record
from ecg_r1.ecg.simulate import simulate

BOUNDED = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
CLINICAL = ("-aecg.xml", "-muse.xml", "-cardiosoft.xml", "-philips.xml")  # by the names of their writers
ENDINGS = (".hea", ".dat", ".npy", ".mat", ".hdf5", ".dcm", ".edf", *CLINICAL)
WORDS = st.sampled_from(
    ["", "nan", "1e999", "-1", "0", "9" * 30, "\0", "\x1b]0;x\x07", "A" * 5000, "é", "&x;", "<a>", "]]>"]
)
HEADERS = st.text(alphabet="x 0123456789./+():-#\nImVuAsd", max_size=300).map(lambda text: f"x {text}".encode())
INSTEAD = st.sampled_from(["folder", "pipe", "dangling link", "nothing", "empty", "huge"])


@st.composite
def records(draw):
    """The file of a record, and what becomes of it."""
    kind = draw(st.sampled_from(["bytes", "bytes", "bytes", "header", "words", "instead"]))
    if kind == "header":
        return ".hea", kind, draw(HEADERS)
    if kind == "words":
        return (
            draw(st.sampled_from(CLINICAL)),
            kind,
            draw(st.lists(st.tuples(st.integers(0, 10**6), WORDS), max_size=3)),
        )
    return draw(st.sampled_from(ENDINGS)), kind, draw(CUTS if kind == "bytes" else INSTEAD)


SOUND: dict[str, bytes] = {}  # of this worker: the bytes of each kind of file


def sound() -> dict[str, bytes]:
    import h5py
    from scipy.io import savemat

    record = next(iter(simulate(1, seed=2))).record
    with tempfile.TemporaryDirectory() as folder:
        path = write_record(record, Path(folder))
        header = path.with_suffix(".hea").read_bytes().replace(path.stem.encode(), b"x")
        files = {".hea": header, ".dat": path.with_suffix(".dat").read_bytes()}
    buffers = {ending: io.BytesIO() for ending in (".npy", ".mat", ".hdf5")}
    signal = record.signal[:, :1500]
    np.save(buffers[".npy"], signal)
    savemat(buffers[".mat"], {"ECG": {"sex": "Male", "age": 50, "data": signal}}, do_compression=True)
    with h5py.File(buffers[".hdf5"], "w") as file:
        file["tracings"], file["exam_id"] = signal.T[None], np.array([1])
    files |= {ending: buffer.getvalue() for ending, buffer in buffers.items()}
    with tempfile.TemporaryDirectory() as folder:
        for ending, write in {".dcm": clinical_files.dicom, ".edf": clinical_files.edf}.items():
            write(Path(folder, ending), np.rint(record.signal * 1000))
        for ending in CLINICAL:
            getattr(clinical_files, ending[1:-4])(Path(folder, ending), np.rint(record.signal * 1000))
        return files | {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def read(case: tuple[str, str, object]) -> None:
    ending, kind, what = case
    if not SOUND:
        SOUND.update(sound())
    np.seterr(all="raise", under="ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in SOUND.items():
            Path(folder, f"x{name}").write_bytes(content)
        path = Path(folder, f"x{ending}")
        damage(path, kind, what)
        record = read_record(Path(folder, "x") if ending in (".hea", ".dat") else path)
        assert np.isfinite(record.signal).all()
        if ending == ".dat" and _start(path, len(SOUND[ending])) != SOUND[ending]:
            assert record.quality, "samples that differ from their checksum are read without a word"


def _start(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def damage(path: Path, kind: str, what: object) -> None:
    if kind == "bytes":
        path.write_bytes(cut(path.read_bytes(), *what))
        return
    if kind == "header":
        path.write_bytes(what)
        return
    if kind == "words":
        path.write_bytes(reworded(path.read_bytes(), what))
        return
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "dangling link":
        path.symlink_to("/nowhere")
    elif what == "huge":
        path.touch()
        os.truncate(path, 10**12)
    elif what == "empty":
        path.touch()


def reworded(content: bytes, changes: list[tuple[int, str]]) -> bytes:
    """XML with some of its values, texts or names of elements replaced."""
    places = [
        match.span() for match in re.finditer(rb'(?<==")[^"]{0,60}(?=")|(?<=>)[^<>]{1,60}(?=<)|<[a-zA-Z/]+', content)
    ]
    chosen = sorted({places[number % len(places)]: word for number, word in changes}.items(), reverse=True)
    for (start, end), word in chosen:
        content = content[:start] + word.encode() + content[end:]
    return content


@pytest.fixture(scope="module")
def worker():
    with Bounded(read) as worker:
        yield worker


@given(case=records())
@settings(BOUNDED, max_examples=60, derandomize=True)
def test_any_record(worker, case):
    worker.try_(case)


@pytest.mark.slow  # drawn at random: what it finds must not decide whether a change lands
@given(case=records())
@settings(BOUNDED, max_examples=2500)
def test_many_records(worker, case):
    worker.try_(case)
