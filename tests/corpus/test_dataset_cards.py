"""Dataset cards: what ships, a table of one's own, and `ecg-r1 corpus check`."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ecg_r1.corpus.build import build
from ecg_r1.corpus.check import check
from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.card import CardError, drawn_fold, find_card, read_card, shipped_cards
from ecg_r1.datasets.folder import record_entries
from ecg_r1.ecg.record import RecordError, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import CorpusRecipe
from ecg_r1.scoring.answers import unread

REAL = Path(os.environ.get("ECG_R1_RECORDS", Path(__file__).parents[2] / "../shared/ecg"))
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no records in {REAL}; set ECG_R1_RECORDS")
CARDS = {
    "ptb-xl", "mimic-iv-ecg", "cpsc-2018", "cpsc-2018-extra", "chapman-shaoxing-ningbo", "georgia", "code-15", "sph",
    "ludb", "simulated", "table",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CARDS))
def test_a_card_says_what_a_researcher_must_know(name):
    card = find_card(name)
    assert card.title
    assert card.labels.about
    assert card.split.by
    if name not in ("table", "simulated"):
        assert card.licence
        assert card.url
        assert card.download
        assert card.records
        assert card.leads
        assert card.rate
        assert sorted([*card.split.train, *card.split.validate_, *card.split.test]) == list(range(1, 11))
    for wording in card.labels.names.values():
        assert wording is None or wording == "T-U fusion" or not unread(wording), wording


def test_all_cards_ship():
    assert shipped_cards().keys() == CARDS


@pytest.mark.parametrize(
    ("name", "given", "key"),
    [
        ("ptb-xl", "records500/00000/00001_hr", "1"),
        ("ptb-xl", "00001_lr.hea", "1"),
        ("ptb-xl", "1.0", "1"),
        ("ptb-xl", "test_images/ptb_test_v4/07190_hr-0.png", "7190"),
        ("ptb-xl", "ptb-xl-05742", "5742"),
        ("mimic-iv-ecg", "files/p1000/p10000032/s40689238/40689238", "40689238"),
        ("mimic-iv-ecg", "mimic_v4/40689238-0.png", "40689238"),
        ("code-15", "exams_part0.hdf5#1169160", "1169160"),
        ("code-15", "code15/1109348-0.png", "1109348"),
        ("code-15", "code_15_438277.mat", "438277"),
        ("chapman-shaoxing-ningbo", "WFDBRecords/01/010/JS00001.mat", "js00001"),
        ("georgia", "g12/E00001-0.png", "e00001"),
        ("sph", "SPH00001.h5", "sph00001"),
        ("ludb", "data/17", "17"),
        ("table", "DIR/My Record.HEA", "my record"),
    ],
)
def test_a_record_is_known_however_it_is_named(name, given, key):
    assert find_card(name).key(given) == key


@pytest.fixture
def records(tmp_path):
    record = next(simulate(1, seed=1)).record
    for name in ("rec001", "rec002", "rec003"):
        write_record(dataclasses.replace(record, record_id=name, diagnoses=()), tmp_path / "records" / "a")
    return tmp_path / "records"


TABLES = {
    "ids": "record,labels\nrec001,sinus rhythm; LBBB\nrec002,NORM\nrec003,AFIB\n",
    "paths": "path;diagnosis\na/rec001.hea;sinus rhythm|LBBB\na/rec002.hea;NORM\na/rec003.hea;AFIB\n",
    "numbers": "age,id,dx\n61,1,'x'\n70,2,'y'\n80,3,'z'\n".replace("'x'", '"SR,CLBBB"')
    .replace("'y'", "NORM")
    .replace("'z'", "AFIB"),
    "flags": "file,sinus rhythm,LBBB,normal ECG,AFIB\nrec001,1,1,0,0\nrec002,0,0,1,0\nrec003,0,0,0,1\n",
    "likelihoods": "file,scp_codes\nrec001,\"{'SR': 0.0, 'CLBBB': 100.0}\"\nrec002,{'NORM': 80}\nrec003,{'AFIB': 0}\n",
    "lists": "file,labels\nrec001,\"['SR', 'CLBBB']\"\nrec002,['NORM']\nrec003,['AFIB']\n",
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_of_one_s_own(records, tmp_path, kind, ending):
    table = tmp_path / f"labels{ending}"
    if ending == ".csv":
        table.write_text(TABLES[kind], encoding="utf-8")
    else:
        pd.read_csv(pd.io.common.StringIO(TABLES[kind]), sep=None, engine="python").to_parquet(table)
    found = record_entries(records, labels=table)
    assert [entry.diagnoses for entry in found.entries] == [
        ("sinus rhythm", "left bundle branch block"),
        ("normal ECG",),
        ("atrial fibrillation",),
    ]
    assert [entry.fold for entry in found.entries] == [drawn_fold(f"table {entry.key}") for entry in found.entries]


def test_a_recipe_builds_a_table_by_patient(records, tmp_path):
    (tmp_path / "own.csv").write_text("file,mrn,finding\nrec001,7,NORM\nrec002,7,AFIB\nrec003,8,no such thing\n")
    source = {"records": str(records), "labels": str(tmp_path / "own.csv")}
    source["columns"] = {"labels": "finding", "patient": "mrn"}
    values = {"stage": "corpus", "out": str(tmp_path / "out"), "page_size": 32, "workers": 1}
    (folder,) = build(CorpusRecipe.model_validate(values | {"splits": {"train": [source]}}))
    store = RecordStore(folder)
    assert [(record, store.diagnoses(record), store.row(record)["patient"]) for record in store.ids] == [
        ("rec001", ("normal ECG",), "table 7"),
        ("rec002", ("atrial fibrillation",), "table 7"),
    ]
    first, second, _ = record_entries(records, labels=tmp_path / "own.csv", columns=source["columns"]).entries
    assert first.fold == second.fold == drawn_fold("table 7")


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ("id,labels\nx1,NORM\n", {}, "no column names the records, which are called 'rec001'"),
        ("id,age\nrec001,61\n", {}, "no column of labels among age; say which"),
        ("id,labels\nrec001,NORM\n", {"labels": "label"}, "no column 'label' — did you mean \"labels\"?"),
        ("id,labels\nrec001,NORM\n", {"lables": "labels"}, "unknown key 'lables' — did you mean \"labels\"?"),
    ],
)
def test_a_table_that_is_not_understood(records, tmp_path, table, columns, message):
    (tmp_path / "own.csv").write_text(table)
    with pytest.raises(RecordError, match=message):
        record_entries(records, labels=tmp_path / "own.csv", columns=columns)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"labels": "diagnostik"}, 'neither a kind of statement nor a table .* did you mean "diagnostic"'),
        ({"columns": {"labels": "x"}}, "`columns` are of a table of labels"),
    ],
)
def test_a_recipe_that_is_not_understood(records, tmp_path, source, message):
    values = {"stage": "corpus", "out": str(tmp_path / "out"), "splits": {"a": [{"records": str(records)} | source]}}
    with pytest.raises(ValueError, match=message):
        build(CorpusRecipe.model_validate(values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"labels": {"form": "list"}, "lable": 1}, 'unknown key "lable"'),
        ({"labels": {"form": "list", "column": ["a"]}}, 'unknown key "labels.column" — did you mean "columns"?'),
        ({}, 'key "labels" is missing'),
        ({"labels": {"form": "guess"}}, '"labels.form"'),
        ({"labels": {"form": "list"}, "id": "("}, '"id": .*no regular expression'),
        ({"labels": {"form": "list"}, "id": "x"}, '"id": .*needs a group'),
    ],
)
def test_a_wrong_card_names_its_key(tmp_path, values, message):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"title": "own"} | values))
    with pytest.raises(CardError, match=message):
        read_card(path)


def test_an_unknown_card_names_the_nearest(ecg_r1):
    said = ecg_r1("corpus", "check", "ptbxl", "x")
    assert (said.code, said.err.strip()) == (
        2,
        "no data set 'ptbxl' — did you mean \"ptb-xl\"?; your own is a .yaml file",
    )


@pytest.fixture
def hospital(records, tmp_path):
    cut = write_record(dataclasses.replace(next(simulate(1, seed=2)).record, record_id="rec005"), records)
    cut.with_name("rec005.dat").write_bytes(b"short")
    card = {
        "title": "hospital",
        "rate": [250],
        "index": {"files": ["index.csv"], "record": ["file"], "patient": "p"},
        "labels": {"form": "list", "columns": ["dx"]},
    }
    (tmp_path / "hospital.yaml").write_text(yaml.safe_dump(card))
    index = "file,p,dx\nrec001,7,NORM\nrec002,7,AFIB; a riddle\nrec004,9,NORM\nrec005,9,NORM\n"
    (records / "index.csv").write_text(index)
    return tmp_path / "hospital.yaml"


def test_check_counts_everything(hospital, records, ecg_r1):
    said = ecg_r1("corpus", "check", hospital, records, "--json")
    found = json.loads(said.out)
    assert said.code == 1
    assert found["found"] == 4
    assert found["present"] == 2
    assert found["absent"] == ["rec004"]
    assert [Path(name).name for name in found["without_row"]] == ["rec003"]
    assert [Path(name).name for name in found["unreadable"]] == ["rec005"]
    assert (found["statements"], found["unread"]) == (3, {"a riddle": 1})
    assert found["patients"] == 1
    assert found["differ"] == {"sampled at 500 Hz, not 250": 2}
    printed = ecg_r1("corpus", "check", hospital, records).out
    for line in ("2 readable", "1 in the index, but missing on disk: rec004", "1 unreadable", "1 x a riddle"):
        assert line in printed


@pytest.mark.parametrize("right", [True, False])
def test_check_compares_the_index_with_the_published_checksum(hospital, records, right):
    digest = hashlib.sha256((records / "index.csv").read_bytes()).hexdigest() if right else "0" * 64
    (records / "SHA256SUMS.txt").write_text(f"{digest} index.csv\n")
    found = check(str(hospital), records)
    assert found.expected_checksum == digest
    assert (found.checksum == digest) is right


def test_processes_find_the_same(hospital, records):
    assert check(str(hospital), records, workers=2) == check(str(hospital), records)


def test_corpus_alone_lists_its_commands_and_a_recipe_is_built(ecg_r1, tmp_path):
    (tmp_path / "r.yaml").write_text(
        f"stage: corpus\nout: {tmp_path}/out\npage_size: 32\nsplits: {{a: [{{simulate: 1}}]}}"
    )
    for words in (["corpus", tmp_path / "r.yaml"], ["corpus", "build", tmp_path / "r.yaml"]):
        said = ecg_r1(*words)
        assert (said.code, said.out.strip()) == (0, str(tmp_path / "out" / "a"))
    assert {line.split()[0] for line in ecg_r1("corpus", "cards").out.splitlines()} == CARDS
    assert yaml.safe_load(ecg_r1("corpus", "cards", "ludb").out)["licence"] == "ODC-By 1.0"


COARSE = {"labels": str(REAL / "ptb-xl-100-coarse/labels.csv"), "columns": {"labels": ["sub_class", "form", "rhythm"]}}


@real
@pytest.mark.parametrize(
    ("folder", "options", "records", "absent"),
    [
        ("ptb-xl", {}, 400, 0),
        ("ptb-xl-100", {}, 741, 0),
        ("ptb-xl-100-coarse", COARSE, 708, 0),
        ("cinc2021", {"dataset": "cpsc-2018"}, 10, 0),
        ("cinc2021", {"dataset": "cpsc-2018-extra"}, 19, 0),
        ("cinc2021", {"dataset": "chapman-shaoxing-ningbo"}, 69, 0),
        ("cinc2021", {"dataset": "georgia"}, 38, 0),
        ("cpsc2018_raw", {"dataset": "cpsc-2018"}, 2, 8),
        ("code15", {"dataset": "code-15"}, 10, 0),
        ("sph", {"dataset": "sph"}, 10, 0),
        ("ludb", {}, 100, 0),
    ],
)
def test_real_data_sets_by_their_cards(folder, options, records, absent):
    found = record_entries(REAL / folder, **options)
    assert (len(found.entries), len(found.absent)) == (records, absent)
    assert not [entry.fault for entry in found.entries if entry.fault]
    labels = [label for entry in found.entries for label in entry.diagnoses or ()]
    assert sum(bool(unread(label)) for label in labels) <= 0.03 * len(labels)
    assert {entry.fold for entry in found.entries} <= set(range(1, 11))


@real
def test_mimic_s_published_tables_and_one_header(tmp_path):
    """No waveform could be had: the header's record is written with a simulated one."""
    record = next(simulate(1, seed=1)).record
    place = tmp_path / "files/p1000/p10000032/s40689238"
    write_record(dataclasses.replace(record, record_id="40689238", diagnoses=()), place)
    table = REAL / "mimic_iv_ecg/machine_measurements.csv"
    (tmp_path / table.name).write_bytes(table.read_bytes())
    (entry,) = record_entries(tmp_path, dataset="mimic-iv-ecg").entries
    assert entry.diagnoses == ("sinus rhythm", "Possible right atrial abnormality", "Borderline ECG")
    assert (entry.key, entry.patient) == ("40689238", "mimic-iv-ecg 10000032")
    assert entry.fold == drawn_fold("mimic-iv-ecg 10000032")
