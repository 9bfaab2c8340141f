"""A bit of a signal file that is flipped is said wherever the header's checksum shows it, in every format."""

import shutil

import numpy as np
import pytest
import wfdb
from wfdb_kinds import FORMATS, write

from ecg_r1.ecg.record import RecordError, read_record, write_record
from ecg_r1.ecg.simulate import simulate

FLIPS = 30  # of each format


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    return {kind: write(folder, kind) for kind in FORMATS}


def copied(path, folder):
    for file in (path.with_suffix(".hea"), signal_file(path)):
        shutil.copy(file, folder)
    return folder / path.name


def signal_file(path):
    return path.parent / wfdb.rdheader(str(path)).file_name[0]


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_read_as_wfdb_reads_it_and_its_checksums_agree(sound, kind):
    record = read_record(sound[kind])
    assert record.doubts == ()
    theirs = wfdb.rdrecord(str(sound[kind])).p_signal.T
    np.testing.assert_allclose(record.signal, theirs, atol=1e-5)
    assert record.lead_mask.all()


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if not kind.startswith("5")])
def test_a_header_without_a_sample_count(sound, kind, tmp_path):
    path = copied(sound[kind], tmp_path)
    text = path.with_suffix(".hea").read_text()
    path.with_suffix(".hea").write_text(text.replace("12 500 5000\n", "12 500\n", 1))
    record, counted = read_record(path), read_record(sound[kind])
    np.testing.assert_array_equal(record.signal, counted.signal)
    assert (record.quality, record.samples) == (counted.quality, 5000)


def flipped_silently(path, folder, flips: int, seed: int) -> list[str]:
    """Flips of a bit that wfdb's own reading shows and ours does not, or the other way round."""
    target = copied(path, folder)
    file = signal_file(target)
    content, rng = file.read_bytes(), np.random.default_rng(seed)
    given = [checksum % 65536 for checksum in wfdb.rdheader(str(path)).checksum]
    silent = []
    for place, bit in zip(rng.integers(len(content), size=flips), rng.integers(8, size=flips), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        file.write_bytes(damaged)
        try:
            theirs = wfdb.rdrecord(str(target), physical=False).d_signal
        except Exception:  # a FLAC block that cannot be decoded
            with pytest.raises(RecordError):
                read_record(target)
            continue
        shown = len(theirs) != 5000 or any(theirs.astype(np.int64).sum(axis=0) % 65536 != given)
        try:
            said = any("checksum" in note for note in read_record(target).doubts)
        except RecordError:
            said = True
        if said != shown:
            silent.append(f"{path.name}: bit {bit} of byte {place}: shown {shown}, said {said}")
    return silent


@pytest.mark.parametrize("kind", FORMATS)
def test_no_flip_that_the_checksum_shows_is_silent(sound, kind, tmp_path):
    assert flipped_silently(sound[kind], tmp_path, FLIPS, seed=1) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_no_flip_of_thousands_is_silent(sound, kind, tmp_path):
    assert flipped_silently(sound[kind], tmp_path, 500, seed=2) == []


def test_the_lead_is_named_and_the_option_refuses_it(tmp_path):
    path = write_record(next(iter(simulate(1, seed=3))).record, tmp_path)
    content = bytearray(path.with_suffix(".dat").read_bytes())
    content[24 * 1000 + 2 * 7] ^= 16  # the eighth lead, V2, of sample 1000
    path.with_suffix(".dat").write_bytes(content)
    record = read_record(path)
    assert record.quality == ("doubtful: the header's checksum contradicts the samples of V2",)
    with pytest.raises(RecordError, match=r"checksum contradicts the samples of V2"):
        read_record(path, refuse_doubtful=True)


@pytest.mark.parametrize("kind", ["16", "212"])
def test_what_lies_behind_the_first_ten_seconds_counts_too(kind, tmp_path):
    path = write(tmp_path, kind, seconds=60)
    assert read_record(path).doubts == ()
    content = bytearray(path.with_suffix(".dat").read_bytes())
    content[-40] ^= 4
    path.with_suffix(".dat").write_bytes(content)
    assert "checksum contradicts" in read_record(path).doubts[0]


@pytest.mark.parametrize("said", ["0", ""])
def test_a_writer_that_gives_no_checksums_raises_no_alarm(said, tmp_path):
    path = write(tmp_path, "16")
    lines = path.with_suffix(".hea").read_text().splitlines()
    for i in range(1, 13):
        words = lines[i].split(maxsplit=8)
        lines[i] = " ".join([*words[:6], said, *words[7:]] if said else words[:6])
    path.with_suffix(".hea").write_text("\n".join(lines))
    if said:
        assert read_record(path).quality == ()
    else:
        with pytest.raises(RecordError, match="none of the 12 standard leads"):
            read_record(path)  # the name stands behind the checksum
