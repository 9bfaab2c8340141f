"""Cards: labels, reports and folds of PTB-XL's tables, or what a record's own header says."""

import dataclasses
import os
from pathlib import Path

import pytest

from ecg_r1.datasets.entry import KINDS
from ecg_r1.datasets.folder import record_entries
from ecg_r1.ecg.record import RecordError, read_record, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.vocabulary import vocabulary

REAL = Path(os.environ.get("ECG_R1_RECORDS", Path(__file__).parents[2] / "../shared/ecg"))
TABLE = """ecg_id,patient_id,report,scp_codes,strat_fold
1,15709.0,"sinusrhythmus, sonst normal","{'NORM': 100.0, 'SR': 0.0}",3
2,,vorhofflimmern,"{'AFIB': 0.0, 'NOSUCHCODE': 100.0}",10
"""


@pytest.fixture
def folder(tmp_path):
    record = next(simulate(1, seed=1)).record
    for name in ("00001_hr", "00002_hr", "00003_hr"):
        write_record(dataclasses.replace(record, record_id=name), tmp_path / "records500" / "00000")
    (tmp_path / "ptbxl_database.csv").write_text(TABLE)
    return tmp_path


def test_rows_of_the_table_become_cards(folder):
    first, second, third = record_entries(folder).entries
    assert (first.path.name, first.fold, first.report) == ("00001_hr", 3, "sinusrhythmus, sonst normal")
    assert first.diagnoses == ("normal ECG", "sinus rhythm")
    assert second.diagnoses == ("atrial fibrillation", "NOSUCHCODE")
    assert (first.patient, second.patient) == ("ptb-xl 15709", None)
    assert third.fault == f"{third.path}: no row in ptbxl_database.csv"


def test_the_table_may_stand_above_the_folder(folder):
    assert [entry.fold for entry in record_entries(folder / "records500").entries] == [3, 10, None]


def test_folds_choose_records(folder):
    assert [entry.path.name for entry in record_entries(folder, [10]).entries if not entry.fault] == ["00002_hr"]
    with pytest.raises(RecordError, match=r"no record of ptbxl_database.csv in folds \[7\]"):
        record_entries(folder, [7])


CODES = "{'NDT': 100.0, 'IMI': 35.0, 'LVH': 80.0, 'DIG': 0.0, 'VCLVH': 0.0, 'PVC': 100.0, 'SR': 0.0, 'ODD': 100.0}"


@pytest.mark.parametrize(
    ("labels", "likelihood", "codes"),
    [
        (None, None, ["NDT", "IMI", "LVH", "DIG", "VCLVH", "PVC", "SR"]),
        (["diagnostic"], None, ["IMI", "LVH", "DIG"]),  # NDT calls itself non-diagnostic
        (["form"], None, ["NDT", "VCLVH", "PVC"]),
        (["rhythm"], None, ["SR"]),
        (["diagnostic", "rhythm"], None, ["IMI", "LVH", "DIG", "SR"]),
        (None, 50, ["NDT", "LVH", "DIG", "VCLVH", "PVC", "SR"]),  # 0 is no likelihood
        (["diagnostic"], 100, ["DIG"]),
    ],
)
def test_labels_and_likelihood_choose_what_is_the_truth(folder, labels, likelihood, codes):
    (folder / "ptbxl_database.csv").write_text(f'ecg_id,scp_codes,strat_fold\n1,"{CODES}",3\n')
    entry, *_ = record_entries(folder, kinds=labels, likelihood=likelihood).entries
    assert entry.diagnoses == (*(vocabulary().get(code).name for code in codes), "ODD")
    left_out = [kind for kind in KINDS if labels and kind not in labels]
    assert entry.unlabelled == ("axis", *left_out)


def test_labels_need_the_table(folder):
    (folder / "ptbxl_database.csv").unlink()
    for option, key in (({"kinds": ["rhythm"]}, "labels"), ({"likelihood": 50}, "likelihood")):
        with pytest.raises(RecordError, match=rf"`{key}` needs .*ptbxl_database\.csv"):
            record_entries(folder, **option)


def test_every_code_of_ptb_xl_is_of_the_kind_that_its_own_table_says():
    """scp_statements.csv of PTB-XL 1.0.3; NDT, NST_, DIG and LNGQT are diagnostic and form there."""
    form = {"NDT", "NST_", "ABQRS", "PVC", "STD_", "VCLVH", "QWAVE", "LOWT", "NT_", "PAC", "LPR", "INVT"}
    form |= {"LVOLT", "HVOLT", "TAB_", "STE_", "PRC(S)"}
    rhythm = ["SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU"]
    for statement in vocabulary():
        for code in statement.scp:
            kind = "form" if code in form else "rhythm" if code in rhythm else "diagnostic"
            assert statement.kind == kind, code


def test_an_ecg_that_is_there_at_two_rates_is_one_record(folder):
    record = read_record(folder / "records500" / "00000" / "00001_hr")
    write_record(dataclasses.replace(record, record_id="00001_lr"), folder / "records100" / "00000")
    assert [entry.path.name for entry in record_entries(folder).entries] == ["00001_hr", "00002_hr", "00003_hr"]


def test_code_in_the_table_is_not_run(folder):
    (folder / "ptbxl_database.csv").write_text(TABLE.replace("{'NORM': 100.0, 'SR': 0.0}", "__import__('os').getcwd()"))
    first, second, _ = record_entries(folder).entries
    assert "scp_codes or strat_fold of its row in ptbxl_database.csv cannot be read" in first.fault
    assert second.fault is None


def test_another_table_of_that_name(folder):
    (folder / "ptbxl_database.csv").write_text("ecg_id,label\n1,NORM\n")
    with pytest.raises(RecordError, match="no column 'scp_codes'"):
        record_entries(folder)


def test_without_tables_the_header_decides(folder):
    (folder / "ptbxl_database.csv").unlink()
    entries = record_entries(folder).entries
    assert [entry.diagnoses for entry in entries] == [None, None, None]
    assert read_record(entries[0].path).diagnoses == ("normal ECG",)
    with pytest.raises(
        RecordError, match=r"`folds` needs a table such as ptbxl_database\.csv .*, or a card: `dataset: NAME`"
    ):
        record_entries(folder, [1])


def test_a_missing_and_an_empty_folder(tmp_path):
    with pytest.raises(RecordError, match="nowhere: no such folder"):
        record_entries(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="no records here"):
        record_entries(tmp_path)


@pytest.mark.skipif(not (REAL / "ptb-xl").is_dir(), reason=f"no PTB-XL records in {REAL}; set ECG_R1_RECORDS")
def test_real_ptbxl():
    entries = record_entries(REAL / "ptb-xl").entries
    ids = [int(entry.path.name.split("_")[0]) for entry in entries]
    assert len(ids) == len(set(ids)) > 300
    assert {entry.fold for entry in entries} == set(range(1, 11))
    first = entries[ids.index(1)]
    assert first.diagnoses[0] == "normal ECG"
    assert "sinus rhythm" in first.diagnoses
    assert first.report == "sinusrhythmus periphere niederspannung"
    labelled = sum(bool(entry.diagnoses) for entry in entries)
    assert labelled / len(entries) > 0.95
