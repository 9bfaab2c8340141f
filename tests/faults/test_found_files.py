"""Files as they are found: damaged, foreign, saved again, with leads and units as their makers write them."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.folder import record_entries
from ecg_r1.ecg.batch import measure_paths
from ecg_r1.ecg.leads import LEADS, canonical_lead
from ecg_r1.ecg.record import RecordError, find_records, read_record, write_record
from ecg_r1.ecg.simulate import simulate

CASES = Path(__file__).parents[2] / "../shared/cases"


@pytest.fixture(scope="module")
def record():
    return next(iter(simulate(1, seed=4, diagnoses=["normal ECG"]))).record


@pytest.fixture
def sound(record, tmp_path):
    return write_record(record, tmp_path / "records")


def changed(path: Path, *changes: tuple[str, str], encoding: str = "utf-8") -> Path:
    """The record with other text in its header."""
    text = path.with_suffix(".hea").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.with_suffix(".hea").write_bytes(text.encode(encoding))
    return path


# Gains


def with_gains(path: Path, gains: dict[str, str]) -> Path:
    lines = path.with_suffix(".hea").read_text().splitlines()
    for i, line in enumerate(lines):
        words = line.split()
        if len(words) == 9 and words[-1] in gains:
            words[2] = gains[words[-1]]
            lines[i] = " ".join(words)
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ({"V2": "0/mV"}, "no gain for V2 (200 units a mV taken)"),
        ({"V2": "0"}, "no gain for V2 (200 units a mV taken)"),
        (dict.fromkeys(LEADS, "0/mV"), "no gain for I II III"),
        ({"V3": "-1000(0)/mV"}, "negative gain turns V3 upside down"),
        ({"I": "1000"}, "gain without a unit for I (mV taken)"),
        ({"V6": "100(0)/mV"}, "gain of V6 is far from the other leads'"),
        ({"V6": "1(0)/mV"}, "gain of V6 is far from the other leads'"),
        ({"V6": "5000(0)/mV", "V5": "9000(0)/mV"}, "gain of V5 V6 is far from the other leads'"),
        ({"V6": "1000(0)/V"}, "gain of V6 is far from the other leads'"),
    ],
)
def test_a_gain_that_cannot_be_right_is_said_and_refused(sound, gains, said):
    path = with_gains(sound, gains)
    assert f"doubtful: {said}" in " | ".join(read_record(path).doubts)
    with pytest.raises(RecordError, match="doubtful: "):
        read_record(path, refuse_doubtful=True)


@pytest.mark.parametrize(
    "gains",
    [
        {"V1": "1(0)/uV"},  # the same gain in another unit
        {
            lead: f"{gain}(0)/mV" for lead, gain in zip(LEADS, np.geomspace(700, 3000, 12).round(), strict=True)
        },  # LUDB's
    ],
)
def test_gains_that_differ_for_a_reason_raise_no_doubt(sound, gains):
    assert read_record(with_gains(sound, gains)).doubts == ()


def test_the_options_leave_doubtful_records_out(ecg_r1, sound, record, tmp_path):
    write_record(next(iter(simulate(1, seed=9))).record, tmp_path / "records" / "other")
    with_gains(sound, {"V2": "0/mV"})
    rows = list(measure_paths([sound.parent], refuse_doubtful=True))
    assert sorted("error" in row for row in rows) == [False, True]
    said = ecg_r1("measure", sound.parent, "--jsonl", "--refuse-doubtful")
    assert said.code == 1
    assert "no gain for V2" in said.out
    assert ecg_r1("measure", sound.parent, "--jsonl").code == 0
    for refuse, records in ((False, 2), (True, 1)):
        recipe = tmp_path / f"{refuse}.yaml"
        splits = {"train": [{"records": str(sound.parent)}]}
        recipe.write_text(
            json.dumps({"stage": "corpus", "out": str(tmp_path / f"{refuse}"), "workers": 1, "splits": splits}
                       | ({"refuse_doubtful": True} if refuse else {}))
        )  # fmt: skip
        done = ecg_r1("corpus", recipe)
        assert done.code == 0
        folder = tmp_path / str(refuse) / "train"
        assert len(RecordStore(folder)) == records
        assert ("no gain for V2" in (folder / "quarantine.jsonl").read_text()) == refuse
        assert ("records kept whose checksum or gain contradicts their signal: 1" in done.err) != refuse
        doubts = [doubt for name in RecordStore(folder).ids for doubt in RecordStore(folder).record(name).doubts]
        assert bool(doubts) != refuse


# Folders


def test_one_damaged_or_foreign_file_never_costs_the_folder(sound):
    folder = sound.parent
    with h5py.File(folder / "noid.hdf5", "w") as file:
        file["tracings"] = np.zeros((2, 4096, 12), np.float32)
    with h5py.File(folder / "notes.h5", "w") as file:
        file["text"] = 1
    (folder / "broken.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (folder / "empty.h5").write_bytes(b"")
    (folder / "page.npy").write_bytes(b"no array")
    (folder / "other.mat").write_bytes(bytes(200))
    (folder / "cut.hea").write_text("cut 12 500 5000\n")
    (folder / "gone.hea").symlink_to(folder / "nowhere.hea")
    os.mkfifo(folder / "pipe.hea")
    (folder / "name").mkdir()
    Path(os.fsdecode(os.fsencode(folder / "name") + b"/\xff\xfe.hea")).write_text("x")
    rows = list(measure_paths([folder]))
    read = [row for row in rows if "error" not in row]
    assert [Path(row["record"]).name for row in read] == [sound.name]
    errors = {Path(row["record"]).name: row["error"] for row in rows if "error" in row}
    assert set(errors) == {
        "noid", "notes", "broken", "empty", "page", "other", "cut", "gone", "pipe", "\\xff\\xfe"
    }  # fmt: skip
    assert "no dataset exam_id" in errors["noid"]
    assert "not UTF-8" in errors["\\xff\\xfe"]
    json.dumps(rows, ensure_ascii=False).encode()  # every terminal and file can hold it
    assert all("\n" not in error for error in errors.values())


def test_a_corpus_quarantines_them(ecg_r1, sound, tmp_path):
    with h5py.File(sound.parent / "noid.hdf5", "w") as file:
        file["tracings"] = np.zeros((2, 4096, 12), np.float32)
    Path(os.fsdecode(os.fsencode(sound.parent) + b"/\xff.hea")).write_text("x")
    recipe = tmp_path / "corpus.yaml"
    splits = {"train": [{"records": str(sound.parent)}]}
    recipe.write_text(json.dumps({"stage": "corpus", "out": str(tmp_path / "out"), "workers": 1, "splits": splits}))
    done = ecg_r1("corpus", recipe)
    assert (done.code, len(RecordStore(tmp_path / "out/train"))) == (0, 1)
    reasons = [json.loads(line)["quarantined"] for line in (tmp_path / "out/train/quarantine.jsonl").open()]
    assert len(reasons) == 2
    assert any("no dataset exam_id" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("header", "signals"), [(".HEA", ".dat"), (".Hea", ".DAT"), (".hea", ".DAT"), (".HEA", ".Dat")]
)
def test_endings_in_any_case_are_read(record, tmp_path, header, signals):
    path = write_record(record, tmp_path)
    path.with_suffix(".hea").rename(path.with_suffix(header))
    path.with_suffix(".dat").rename(path.with_suffix(signals))
    assert find_records(tmp_path) == [path]
    for given in (path, path.with_suffix(header)):
        np.testing.assert_allclose(read_record(given).signal, record.signal, atol=5.1e-4)
    assert "error" not in next(iter(measure_paths([str(path)])))


def test_a_signal_file_named_without_its_ending(sound, record):
    sound.with_suffix(".dat").rename(sound.with_suffix(".mat"))
    path = changed(sound, (f"{sound.name}.dat", sound.name))
    read = read_record(path)
    assert read.quality == (f"header names the signal file {sound.name!r}, read is {sound.name + '.mat'!r}",)
    np.testing.assert_allclose(read.signal, record.signal, atol=5.1e-4)


# Leads, units, comments


@pytest.mark.parametrize(
    "spelling",
    [
        {"I": "DI", "II": "DII", "III": "DIII"},
        {"I": "D1", "II": "D2", "III": "D3"},
        {f"V{i}": f"C{i}" for i in range(1, 7)},
        {lead: f"MDC_ECG_LEAD_{lead.upper()}" for lead in LEADS},
        {lead: f"Lead {lead} (mV)" for lead in LEADS},
        {lead: f"ECG Lead {lead}" for lead in LEADS},
        {lead: f"{lead} [uV]" for lead in LEADS},
        {lead: f"Ableitung {lead}" for lead in LEADS},
        {"I": "Lead 1", "II": "Lead 2", "III": "Lead 3"},
        {"I": "Ⅰ", "II": "Ⅱ", "III": "Ⅲ"},
        {"I": "LI", "II": "LII", "III": "LIII"},
        {lead: f"{lead}-mV" for lead in LEADS},
        {lead: f'"{lead}"' for lead in LEADS},
    ],
)
def test_leads_as_their_makers_write_them(sound, record, spelling):
    lines = path_lines(sound)
    for i, line in enumerate(lines[1:13], start=1):
        head, _, lead = line.rpartition(" ")
        lines[i] = f"{head} {spelling.get(lead, lead)}"
    sound.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    read = read_record(sound)
    assert read.quality == ()
    np.testing.assert_allclose(read.signal, record.signal, atol=5.1e-4)


def path_lines(path: Path) -> list[str]:
    return path.with_suffix(".hea").read_text().splitlines()


@pytest.mark.parametrize("name", ["C7", "D4", "DV1", "ECG1", "ECG 2", "L5", "VR", "C", "MDC_ECG_LEAD_X", "Fp1"])
def test_what_resembles_a_lead_is_none(name):
    assert canonical_lead(name) is None


@pytest.mark.parametrize("beside", ["RESP", "ABP", "PLETH", "CVP", "SpO2", "Resp Rate", "EMG1", "V7", "VX", "MCL1"])
def test_an_ecg_subset_beside_other_signals(sound, record, beside):
    lines = path_lines(sound)
    for i, line in enumerate(lines[1:13], start=1):
        head, _, lead = line.rpartition(" ")
        lines[i] = line if lead in ("II", "V5") else f"{head} {beside}{i if beside[-1].isalpha() and i > 3 else ''}"
        lines[i] = lines[i].replace(f"{beside}{i}", beside)
    sound.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    read = read_record(sound)
    assert np.array(LEADS)[read.lead_mask].tolist() == ["II", "V5"]
    assert read.quality[0].startswith(f"other signals left out: {beside}")
    np.testing.assert_allclose(read.signal[1], record.signal[1], atol=5.1e-4)


def test_the_central_electrodes_of_an_eeg_are_no_chest_leads(sound):
    lines = path_lines(sound)
    names = ["I", "II", "C3", "C4", "O1", "O2", "Fp1", "F3", "Cz", "A1", "EMG", "C3-A2"]
    lines[1:13] = [f"{line.rpartition(' ')[0]} {name}" for line, name in zip(lines[1:13], names, strict=True)]
    sound.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    read = read_record(sound)
    assert np.array(LEADS)[read.lead_mask].tolist() == ["I", "II", "III", "aVR", "aVL", "aVF"]
    assert read.quality[0] == "other signals left out: C3 C4 O1 O2 Fp1 F3 Cz A1 EMG C3-A2"


def test_a_signal_of_another_unit_is_no_lead(sound):
    lines = path_lines(sound)
    lines[3] = lines[3].replace("/mV", "/mmHg").replace(" III", " P1")
    sound.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    read = read_record(sound)
    assert read.lead_mask.all()
    assert read.quality == ("other signals left out: P1", "missing leads: III (derived: III)")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_headers_in_any_encoding(sound, record, encoding):
    path = changed(sound, ("1000(0)/mV", "1(0)/µV"), ("#", "#Report: Überleitung\n#"), encoding=encoding)
    read = read_record(path)
    assert read.quality == ()
    assert read.report == "Überleitung"
    np.testing.assert_allclose(read.signal, record.signal, atol=5.1e-4)


@pytest.mark.parametrize(
    "unit", ["1(0)/ÂµV", "1(0)/æV", "1(0)/μV", "1(0)/[uV]", "1(0)/uVolts", "1(0)/microvolt", "1000(0)/mV."]
)
def test_units_as_their_makers_write_them(sound, record, unit):
    """`ÂµV` is UTF-8 that was saved as Latin-1, `æV` the µ of DOS read as Latin-1."""
    read = read_record(changed(sound, ("1000(0)/mV", unit)))
    assert read.quality == ()
    np.testing.assert_allclose(read.signal, record.signal, atol=5.1e-4)


def test_a_unit_that_is_no_voltage_is_refused(sound):
    for unit in ("mA", "mVs/m", "LSB", "kV"):
        with pytest.raises(RecordError, match="mV, µV, nV and V are read"):
            read_record(changed(sound, ("1000(0)/mV", f"1000(0)/{unit}")))
        changed(sound, (f"1000(0)/{unit}", "1000(0)/mV"))


@pytest.mark.parametrize("between", [",", ", ", ";", " ", " | "])
def test_codes_of_diagnoses_are_separated_in_any_usual_way(sound, between):
    path = sound.with_suffix(".hea")
    header = "".join(line + "\n" for line in path_lines(sound) if not line.startswith("#"))
    path.write_text(f"{header}#Dx: 426783006{between}59118001\n#Sex: weiblich\n")
    read = read_record(sound)
    assert read.diagnoses == ("sinus rhythm", "right bundle branch block")
    assert read.sex == "female"


def test_every_line_of_diagnoses_counts(sound):
    path = sound.with_suffix(".hea")
    header = "".join(line + "\n" for line in path_lines(sound) if not line.startswith("#"))
    path.write_text(header + "#Dx: 426783006\n#Dx: 59118001,426783006\n#Sex: Male\n")
    assert read_record(sound).diagnoses == ("sinus rhythm", "right bundle branch block")


def test_a_long_flat_stretch_is_remarked(record, tmp_path):
    signal = record.signal.astype(float)
    signal[:, 1500:] = signal[:, 1499:1500]
    np.save(tmp_path / "flat.npy", signal)
    assert any(note.startswith("flat stretches: I II III") and "3-10 s" in note
               for note in read_record(tmp_path / "flat.npy").quality)  # fmt: skip
    signal = record.signal.astype(float)
    signal[4, 2000:3500] = 0.25
    np.save(tmp_path / "one.npy", signal)
    assert "flat stretches: aVL 4-7 s" in read_record(tmp_path / "one.npy").quality


# Other containers


@pytest.mark.parametrize(
    ("left_out", "age", "sex"), [((), 61.0, "female"), (("age",), None, "female"), (("sex",), 61.0, None)]
)
def test_cpsc_without_age_or_sex(record, tmp_path, left_out, age, sex):
    for name, data in (("leads_first", record.signal), ("samples_first", record.signal.T)):
        ecg = {"sex": "Female", "age": 61, "data": data.astype(float)}
        savemat(tmp_path / f"{name}.mat", {"ECG": {key: ecg[key] for key in ecg if key not in left_out}})
        read = read_record(tmp_path / f"{name}.mat")
        assert (read.age, read.sex) == (age, sex)
        np.testing.assert_allclose(read.signal, record.signal, atol=1e-6)
    savemat(tmp_path / "empty.mat", {"ECG": ecg | {"age": np.array([])}})
    assert read_record(tmp_path / "empty.mat").age is None


def test_the_signals_of_a_record_whose_header_is_missing(record, tmp_path):
    savemat(tmp_path / "A0001.mat", {"val": np.rint(1000 * record.signal).astype("i2")})
    with pytest.raises(RecordError, match=r"whose header A0001\.hea is missing"):
        read_record(tmp_path / "A0001.mat")


def test_sph_keeps_float16(record, tmp_path):
    with h5py.File(tmp_path / "A00001.h5", "w") as file:
        file["ecg"] = record.signal.astype(np.float16)
    assert find_records(tmp_path) == [tmp_path / "A00001.h5"]
    read = read_record(tmp_path / "A00001.h5")
    assert (read.quality, read.source, read.record_id) == ((), "sph", "A00001")
    np.testing.assert_allclose(read.signal, record.signal, atol=2e-3)


@pytest.mark.parametrize("length", [2934, 4096])
def test_code15_takes_its_unit_from_the_card(record, tmp_path, length):
    units = np.tile(record.signal, 2)[:, :length] * 10
    savemat(tmp_path / "code_15_7.mat", {"feats": units.astype("f4"), "curr_sample_rate": [[400]]})
    with h5py.File(tmp_path / "exams.hdf5", "w") as file:
        file["tracings"], file["exam_id"] = np.zeros((1, 4096, 12), "f4"), np.array([7])
        file["tracings"][0, (4096 - length) // 2 :][:length] = 0
        padded = np.zeros((4096, 12), "f4")
        padded[(4096 - length) // 2 :][:length] = units.T
        file["tracings"][0] = padded
    cards = record_entries(tmp_path, unit_mv=0.1).entries
    assert len(cards) == 2
    for card in cards:
        assert card.unit_mv == 0.1
        unsaid, said = read_record(card.path), read_record(card.path, unit_mv=card.unit_mv)
        assert unsaid.doubts == ("doubtful: the file names no unit (mV taken); give `unit_mv`",)
        assert said.doubts == ()
        np.testing.assert_allclose(said.signal * 10, unsaid.signal, atol=1e-4)
        assert said.samples == round(length / 400 * 500) or said.samples == 5000


def test_a_unit_beside_the_file_s_own_is_refused(sound):
    with pytest.raises(RecordError, match="names its units, 'mV'; leave `unit_mv` out"):
        read_record(sound, unit_mv=0.1)


# PTB-XL's table


TABLE = "ecg_id,patient_id,report,scp_codes,strat_fold\n1,7.0,Überleitung normal,\"{'NORM': 100.0}\",3\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("above", ["", "..", "../.."])
def test_ptb_xl_s_table_saved_again(record, tmp_path, encoding, above):
    folder = tmp_path / "records500" / "00000"
    write_record(record, folder)
    for ending in (".hea", ".dat"):
        (folder / f"{record.record_id}{ending}").rename(folder / f"00001_hr{ending}")
    (folder / above / "ptbxl_database.csv").write_bytes(TABLE.encode(encoding))
    [card] = record_entries(folder).entries
    assert (card.diagnoses, card.report, card.fold) == (("normal ECG",), "Überleitung normal", 3)


def test_the_table_above_a_folder_that_is_named_from_within(record, tmp_path, monkeypatch):
    folder = tmp_path / "records500" / "00000"
    folder.mkdir(parents=True)
    write_record(record, folder)
    (tmp_path / "ptbxl_database.csv").write_text(TABLE.replace(",", ";").replace("{'NORM';", "{'NORM':"))
    monkeypatch.chdir(folder)
    with pytest.raises(RecordError, match=r"no record of ptbxl_database\.csv"):
        record_entries(".")


# The shared cases


@pytest.fixture
def cases(tmp_path):
    if not CASES.is_dir():
        pytest.skip(f"no shared cases at {CASES}")
    shutil.copytree(CASES, tmp_path / "cases")
    return tmp_path / "cases"


@pytest.mark.parametrize(
    ("name", "quality", "diagnoses"),
    [
        ("UP", (), 1), ("di", (), 1), ("dxtwo", (), 2), ("latin1uv", (), 1), ("nolen212", (), 0),
        ("flat8s", ("flat stretches: I II III aVR aVL aVF V1 V2 V3 V4 V5 V6 2-10 s",), 1),
        ("nomat", ("header names the signal file 'nomat', read is 'nomat.mat'",), 1),
        ("resp", ("other signals left out: RESP", "missing leads: I III aVR aVL aVF V1 V2 V3 V4 V6"), 1),
    ],
)  # fmt: skip
def test_shared_records(cases, name, quality, diagnoses):
    read = read_record(cases / "records" / name)
    assert read.quality == quality
    assert len(read.diagnoses) == diagnoses
    row = next(iter(measure_paths([str(cases / "records" / name)])))
    assert name == "flat8s" or row["heart_rate_bpm"] is not None


def test_shared_folder_and_tables(cases):
    rows = list(measure_paths([cases / "records"]))
    assert [Path(row["record"]).name for row in rows if "error" in row] == ["noid"]
    for name in ("bom", "latin1"):
        shutil.copy(cases / f"ptb-xl-table/ptbxl_database.{name}.csv", cases / "records/ptbxl_database.csv")
        with pytest.raises(RecordError, match=r"no record of ptbxl_database\.csv"):  # of other records
            record_entries(cases / "records")
