"""Whatever a file holds, reading it takes no more work than a sound file, and ends in a record or a RecordError."""

import io
import os
import zlib

import numpy as np
import pytest
from counted import calls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_r1.ecg.record import ECGRecord, RecordError, read_record, write_record
from ecg_r1.ecg.simulate import simulate

EXAMPLES = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
MANY = settings(EXAMPLES, max_examples=1500)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    return write_record(next(iter(simulate(1, seed=2))).record, folder)


def header(first: str, line: str = "x.dat 16 1000/mV 16 0 0 0 0 II", count: int = 1) -> str:
    return "\n".join([first, *[line] * count])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty header"),
        ("# only a comment", "empty header"),
        (header("x 1 500 1000000000000"), "promises 1000000000000 samples"),
        (header("x 1 500 " + "9" * 5000), "not a WFDB record line"),
        (header("x 999999 500 5000"), "999999 signals"),
        (header("x 2 500 5000"), "promises 2 signals but describes 1"),
        (header("x 1 0 5000"), "0 Hz"),
        (header("x 1 5 5000"), "5 Hz"),
        (header("x 1 999999999 5000"), "Hz"),
        (header("x/3 1 500 5000"), "multi-segment"),
        (header("x 1 500 5000", "../../etc/passwd 16 1000/mV 16 0 0 0 0 II"), "outside the record's folder"),
        (header("x 1 500 5000", "/etc/passwd 16 1000/mV 16 0 0 0 0 II"), "outside the record's folder"),
        (header("x 1 500 5000", ".. 16 1000/mV 16 0 0 0 0 II"), "outside the record's folder"),
        (header("x 1 500 5000", "x.dat 16 1000/furlong 16 0 0 0 0 II"), "furlong"),
        (header("x 1 500 5000", "x.dat 16 1000/mV 16 0 0 0 0 resp"), "none of the 12 standard leads"),
        (header("x 1 500 5000", "x.dat sixteen"), "not a WFDB signal line"),
        (header("x 1 500 5000", "gone.dat 16 1000/mV 16 0 0 0 0 II"), "gone.dat"),
        (header("x 1 500 100"), "0.2 s long"),
        (header("x 1 500 50000"), "truncated"),
        (header("x 1 500 9000", "x.dat 212 1000/mV 16 0 0 0 0 II"), "truncated"),
    ],
)  # fmt: skip
def test_hostile_headers_give_one_clear_error(tmp_path, text, message):
    (tmp_path / "x.hea").write_text(text)
    (tmp_path / "x.dat").write_bytes(bytes(10000))
    with pytest.raises(RecordError, match=message) as error:
        read_record(tmp_path / "x")
    assert str(tmp_path) in str(error.value)
    assert len(str(error.value)) < 600


def test_huge_headers_are_not_read_whole(tmp_path):
    (tmp_path / "x.hea").write_bytes(b"#" * (3 << 20))
    with pytest.raises(RecordError, match="larger than"):
        read_record(tmp_path / "x")


def test_a_compressed_mat_file_is_not_opened_without_limit(tmp_path):
    bomb = zlib.compress(bytes(100 << 20), 9)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    (tmp_path / "x.mat").write_bytes(head + (15).to_bytes(4, "little") + len(bomb).to_bytes(4, "little") + bomb)
    with pytest.raises(RecordError, match="once decompressed"):
        read_record(tmp_path / "x.mat")


def _huge(file):
    file.create_dataset("tracings", (10**9, 4096, 12), "f4", chunks=(1, 4096, 12))
    file.create_dataset("exam_id", (10**9,), "i8", chunks=(1000,))


def _in_huge_chunks(file):
    file.create_dataset("tracings", (1, 10**9, 12), "f4", chunks=(1, 3 * 10**6, 12), compression="gzip")
    file["exam_id"] = np.array([1])


def _elsewhere(file):
    file.create_dataset("tracings", (1, 16, 12), "i1", external=[("/etc/passwd", 0, 192)])
    file["exam_id"] = np.array([1])


@pytest.mark.parametrize(
    ("fill", "message"),
    [(_huge, "exam_id of shape"), (_in_huge_chunks, "in chunks larger"), (_elsewhere, "lies in other files")],
)
def test_hostile_hdf5_files_are_refused_unread(tmp_path, fill, message):
    h5py = pytest.importorskip("h5py", reason="HDF5 records need h5py")
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        fill(file)
    with pytest.raises(RecordError, match=message):
        read_record(tmp_path / "x.hdf5")


@pytest.mark.parametrize("ending", [".hea", ".npy", ".mat", ".hdf5"])
def test_pipes_are_not_waited_for(tmp_path, ending):
    os.mkfifo(tmp_path / f"x{ending}")
    with pytest.raises(RecordError, match="not a regular file"):
        read_record(tmp_path / f"x{ending}")


@pytest.mark.parametrize("path", ["", ".", "a\0b", "x" * 5000])
def test_paths_that_no_file_can_have(path):
    with pytest.raises(RecordError):
        read_record(path)


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"not": "an array"}], dtype=object), allow_pickle=True)
    with pytest.raises(RecordError, match="not a NumPy array"):
        read_record(tmp_path / "x.npy")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The most function calls that it takes to read a sound file of some kind."""
    folder = tmp_path_factory.mktemp("sound")
    files = [write_record(next(iter(simulate(1, seed=2))).record, folder)]
    for ending in KINDS:
        files.append(folder / f"sound{ending}")
        files[-1].write_bytes(_file_of(ending))
    for file in files:
        read_record(file)  # the libraries that read its kind are imported
    return max(calls(lambda file=file: read_record(file)) for file in files)


def read_or_refuse(path, work: int) -> None:
    found = []

    def read():
        try:
            found.append(read_record(path))
        except RecordError as error:
            found.append(error)

    assert calls(read) < 2 * work
    if isinstance(found[0], RecordError):
        assert str(path.parent) in str(found[0])
    else:
        assert isinstance(found[0], ECGRecord)
        assert np.isfinite(found[0].signal).all()


def damaged(content: bytes, cuts: list[tuple[int, bytes]], length: float) -> bytes:
    stream = io.BytesIO(content)
    for place, patch in cuts:
        stream.seek(place % max(1, len(content)))
        stream.write(patch)
    return stream.getvalue()[: int(length * len(content))]


KINDS = (".mat", ".npy", ".hdf5")
DAMAGE = st.tuples(st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=12)), max_size=6), st.floats(0, 1))


def damaged_headers(good, tmp_path, damage, work):
    (tmp_path / "x.dat").write_bytes(good.with_suffix(".dat").read_bytes())
    content = good.with_suffix(".hea").read_bytes().replace(good.name.encode(), b"x")
    (tmp_path / "x.hea").write_bytes(damaged(content, *damage))
    read_or_refuse(tmp_path / "x", work)


@given(damage=DAMAGE)
@EXAMPLES
def test_damaged_headers(good, tmp_path, work, damage):
    damaged_headers(good, tmp_path, damage, work)


@pytest.mark.slow
@given(damage=DAMAGE)
@MANY
def test_many_damaged_headers(good, tmp_path, work, damage):
    damaged_headers(good, tmp_path, damage, work)


@given(text=st.text(alphabet="x 0123456789./+():-#\nImVuAsd", max_size=300))
@EXAMPLES
def test_made_up_headers(tmp_path, work, text):
    (tmp_path / "x.hea").write_text("x " + text)
    (tmp_path / "x.dat").write_bytes(bytes(24000))
    read_or_refuse(tmp_path / "x", work)


@given(ending=st.sampled_from(KINDS), damage=DAMAGE)
@EXAMPLES
def test_damaged_files_of_other_kinds(tmp_path_factory, work, ending, damage):
    folder = tmp_path_factory.mktemp("other")
    (folder / f"x{ending}").write_bytes(damaged(_file_of(ending), *damage))
    read_or_refuse(folder / f"x{ending}", work)


def _file_of(ending: str) -> bytes:
    from scipy.io import savemat

    signal, buffer = next(iter(simulate(1, seed=2))).record.signal[:, :1500], io.BytesIO()
    if ending == ".mat":
        savemat(buffer, {"ECG": {"sex": "Male", "age": 50, "data": signal}}, do_compression=True)
    elif ending == ".npy":
        np.save(buffer, signal)
    else:
        h5py = pytest.importorskip("h5py", reason="HDF5 records need h5py")
        with h5py.File(buffer, "w") as file:
            file["tracings"], file["exam_id"] = signal.T[None], np.array([1])
    return buffer.getvalue()
