import shutil
from dataclasses import replace

import numpy as np
import pytest
import wfdb

from ecg_r1.ecg.leads import LEADS, canonical_lead, derive_limb_leads
from ecg_r1.ecg.record import SAMPLES, ECGRecord, RecordError, find_records, read_record, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.wfdb_files import write_wfdb


@pytest.fixture
def record() -> ECGRecord:
    return next(iter(simulate(1, seed=1))).record


def test_written_records_are_read_back(record, tmp_path):
    record = replace(record, diagnoses=("atrial fibrillation", "my own words"), report="irregular\nrhythm")
    back = read_record(write_record(record, tmp_path))
    np.testing.assert_allclose(back.signal, record.signal, atol=5.1e-4)
    assert (back.diagnoses, back.age, back.sex) == (record.diagnoses, record.age, record.sex)
    assert back.patient is None
    assert read_record(write_record(replace(record, patient="p 7"), tmp_path)).patient == "p 7"
    assert back.report == "irregular rhythm"
    assert back.quality == ()


@pytest.mark.parametrize("comment", ["<subject_id>: 10000032", "Patient ID: 10000032", "patient: 10000032"])
def test_a_header_may_name_the_patient(record, tmp_path, comment):
    path = write_wfdb(tmp_path / "r", record.signal, list(LEADS), 500, [comment])
    assert read_record(path).patient == "10000032"


def test_wfdb_reads_what_is_written_here(record, tmp_path):
    path = write_record(record, tmp_path)
    theirs = wfdb.rdrecord(str(path))
    assert theirs.sig_name == list(LEADS)
    assert theirs.fs == 500
    np.testing.assert_allclose(theirs.p_signal.T, record.signal, atol=5.1e-4)


@pytest.mark.parametrize("name", ["i", "II", "AVR", "aVR", "avf", "MLII", "Lead V1", "v6", "ECG_II"])
def test_leads_are_found_in_any_spelling(name):
    assert canonical_lead(name) in LEADS


@pytest.mark.parametrize("name", ["vx", "-aVR", "resp", "", "V7", "II+III"])
def test_other_signals_are_no_leads(name):
    assert canonical_lead(name) is None


def test_leads_are_ordered_by_name_and_units_become_millivolts(record, tmp_path):
    order = [0, 1, 2, 3, 5, 4, *range(6, 12)]  # aVF before aVL, as in MIMIC-IV-ECG
    wfdb.wrsamp("mimic", fs=500, units=["uV"] * 12, sig_name=[LEADS[i] for i in order],
                p_signal=1000.0 * record.signal[order].T, fmt=["16"] * 12, write_dir=str(tmp_path))  # fmt: skip
    np.testing.assert_allclose(read_record(tmp_path / "mimic").signal, record.signal, atol=1e-3)


@pytest.mark.parametrize(("rate", "seconds"), [(100, 10), (250, 10), (400, 10), (1000, 10), (500, 7), (500, 30)])
def test_any_rate_and_length_becomes_ten_seconds_at_500_hz(rate, seconds, tmp_path):
    time = np.arange(rate * seconds) / rate
    wave = np.sin(2 * np.pi * 3 * time)
    samples = np.tile(wave, (12, 1)).T
    wfdb.wrsamp(
        "r",
        fs=rate,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        p_signal=samples,
        fmt=["16"] * 12,
        write_dir=str(tmp_path),
    )
    record = read_record(tmp_path / "r")
    assert record.signal.shape == (12, SAMPLES)
    assert record.samples == min(seconds, 10) * 500
    expected = np.sin(2 * np.pi * 3 * np.arange(record.samples) / 500)
    np.testing.assert_allclose(record.signal[0, 50 : record.samples - 50], expected[50:-50], atol=0.02)
    assert not record.signal[:, record.samples :].any()
    assert any("padded" in note or "first 10 s" in note for note in record.quality) == (seconds != 10)


def test_missing_limb_leads_are_derived_and_missing_chest_leads_masked(record, tmp_path):
    mask = np.isin(LEADS, ("I", "II", "V1", "V2", "V5"))
    back = read_record(write_record(replace(record, lead_mask=mask), tmp_path))
    assert back.lead_mask.tolist() == [True] * 8 + [False, False, True, False]
    np.testing.assert_allclose(back.signal[:6], record.signal[:6], atol=2e-3)
    assert not back.signal[8].any()
    assert back.quality[0] == "missing leads: III aVR aVL aVF V3 V4 V6 (derived: III aVR aVL aVF)"


def write_named(folder, record, names):
    rows = np.stack([record.signal[i % 12] for i in range(len(names))])
    return write_wfdb(folder / "named", rows, names, 500, [])


@pytest.mark.parametrize(
    ("name", "said"),
    [("II", "'II' is named twice"), ("XX", "'XX' is no standard lead"), ("", "'' is no standard lead")],
)
def test_a_misnamed_lead_is_refused(record, tmp_path, name, said):
    with pytest.raises(RecordError, match=f"{said}; name the leads I, II"):
        read_record(write_named(tmp_path, record, [name, *LEADS[1:]]))


def test_signals_beside_all_twelve_leads_are_left_out_and_noted(record, tmp_path):
    read = read_record(write_named(tmp_path, record, [*LEADS, "vx", "MLII"]))
    np.testing.assert_allclose(read.signal, record.signal, atol=5.1e-4)
    assert read.quality == ("other signals left out: vx MLII",)


def test_nothing_is_derived_from_one_limb_lead():
    signal, present = np.ones((12, 10)), np.arange(12) == 0
    assert derive_limb_leads(signal, present) == []


def test_gaps_are_bridged_and_noted(record, tmp_path):
    signal = record.signal.astype(float)
    signal[6, 1000:1200] = np.nan
    wfdb.wrsamp(
        "gap",
        fs=500,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        p_signal=signal.T,
        fmt=["16"] * 12,
        write_dir=str(tmp_path),
    )
    back = read_record(tmp_path / "gap")
    assert np.isfinite(back.signal).all()
    assert "gaps bridged: V1 4%" in back.quality


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (lambda s: s.__setitem__(7, 0.0), "flat leads: V2"),
        (lambda s: s.__setitem__(8, s[9]), "identical leads: V3 V4"),
        (lambda s: np.clip(s[10], -0.2, 0.3, out=s[10]), "saturated leads: V5"),
        (
            lambda s: s.__setitem__(slice(6, 12), s[6:] * 1000),
            "implausibly high leads (check the units): V1 V2 V3 V4 V5 V6",
        ),
        (lambda s: s.__setitem__(1, -s[1]), "leads I, II and III do not add up"),
    ],
)
def test_faulty_leads_are_noticed(record, tmp_path, spoil, note):
    signal = record.signal.astype(float)
    spoil(signal)
    np.save(tmp_path / "faulty.npy", signal)
    assert note in read_record(tmp_path / "faulty.npy").quality


def test_swapped_arm_electrodes_are_suspected(tmp_path):
    record = next(iter(simulate(1, seed=1, diagnoses=["left ventricular hypertrophy"]))).record
    swapped = record.signal.copy()
    swapped[0] = -swapped[0]
    swapped[[1, 2]] = swapped[[2, 1]]
    swapped[[3, 4]] = swapped[[4, 3]]
    np.save(tmp_path / "swapped.npy", swapped)
    assert any("swapped" in note for note in read_record(tmp_path / "swapped.npy").quality)
    reversed_limbs = record.signal.copy()
    reversed_limbs[:6] = record.signal[[2, 1, 0, 5, 4, 3]] * np.array([-1, -1, -1, 1, 1, 1])[:, None]
    np.save(tmp_path / "leg.npy", reversed_limbs)
    assert any("right arm and leg" in note for note in read_record(tmp_path / "leg.npy").quality)
    np.save(tmp_path / "right.npy", record.signal)
    assert read_record(tmp_path / "right.npy").quality == ()


def test_code15_exams_lose_their_padding(record, tmp_path):
    h5py = pytest.importorskip("h5py", reason="HDF5 records need h5py")
    tracings = np.zeros((2, 4096, 12), np.float32)
    tracings[1, 648:3448] = record.signal[:, :2800].T
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as file:
        file["tracings"], file["exam_id"] = tracings, np.array([7, 1169160])
    assert [p.name for p in find_records(tmp_path)] == ["exams_part0.hdf5#1169160", "exams_part0.hdf5#7"]
    exam = read_record(tmp_path / "exams_part0.hdf5#1169160")
    assert exam.samples == 3500
    assert exam.source == "code15"
    for name, message in [
        ("#3", "no exam 3"),
        ("", "holds 2 exams"),
        ("#x", "no exam number"),
        ("#7", "all samples are zero"),
    ]:
        with pytest.raises(RecordError, match=message):
            read_record(tmp_path / f"exams_part0.hdf5{name}")


def test_folders_are_searched(record, tmp_path):
    write_record(record, tmp_path / "b")
    np.save(tmp_path / "a.npy", record.signal)
    assert [p.name for p in find_records(tmp_path)] == ["a.npy", record.record_id]
    for folder in (tmp_path / "none", tmp_path / "b" / "empty"):
        with pytest.raises(RecordError, match=folder.name):
            find_records(folder)


@pytest.mark.parametrize(
    ("record", "samples", "note"),
    [("ludb/data/2", 5000, None), ("ptb-xl/records100/00000/00009_lr", 5000, None), ("cinc2021/JS00001", 5000, None),
     ("ptbdb/s0010_re", 5000, "first 10 s of 38.4 s"), ("cpsc2018_raw/A1980.mat", 5000, None)],
)  # fmt: skip
def test_archives_are_read(real_records, record, samples, note):
    read = read_record(real_records / record)
    assert read.samples == samples
    assert read.lead_mask.all()
    assert np.isfinite(read.signal).all()
    assert 0.02 < read.signal.std() < 2
    assert note is None or note in read.quality


def test_archive_labels_are_read(real_records):
    read = read_record(real_records / "cinc2021/JS00001")
    assert read.diagnoses == ("atrial fibrillation", "right bundle branch block", "T-wave abnormality")
    assert (read.age, read.sex) == (85.0, "male")
    assert read_record(real_records / "ludb/data/2").age == 64
    assert read_record(real_records / "sph/SPH00007").patient == "S00007"
    assert read_record(real_records / "cpsc2018_raw/A1980.mat").age == 52


def test_two_lead_records_are_masked(real_records):
    read = read_record(real_records / "qtdb/sel100")
    assert read.leads == ("II", "V5")


def test_format_16_is_decoded_as_wfdb_does(real_records):
    for path in ("ludb/data/4", "cinc2021/E00271"):
        theirs = wfdb.rdrecord(str(real_records / path)).p_signal.T
        np.testing.assert_allclose(read_record(real_records / path).signal, theirs, atol=1e-5)


def test_malformed_georgia_headers_are_read_with_a_warning(real_records, tmp_path):
    headers = [h for h in (real_records / "cinc2021/malformed_headers").glob("*.hea")
               if (real_records / f"cinc2021/{h.stem}.mat").is_file()]  # fmt: skip
    assert headers
    for header in headers:
        shutil.copy(header, tmp_path)
        shutil.copy(real_records / f"cinc2021/{header.stem}.mat", tmp_path)
        read = read_record(tmp_path / header.stem)
        assert f"header names the record '{header.stem}.mat'" in read.quality
        np.testing.assert_array_equal(read.signal, read_record(real_records / f"cinc2021/{header.stem}").signal)


def test_the_checksums_of_all_real_records_agree(real_records):
    doubts = []
    for path in find_records(real_records):
        if path.suffix == "" and path.with_suffix(".hea").is_file() and "ptb-xl-100" not in str(path):
            try:
                doubts += [note for note in read_record(path).doubts if "checksum" in note]
            except RecordError:
                continue  # a header without its signals
    assert doubts == []
