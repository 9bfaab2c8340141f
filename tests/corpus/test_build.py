"""Building a corpus: the same bytes however often it was cut short; bad records are kept aside with a reason."""

import dataclasses
import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import ecg_r1.corpus.build as building
from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import PAGES, SIGNALS, RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import ECGRecord, RecordError, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import CorpusRecipe, RecipeError

N = 6


def corpus(out: Path, **changes) -> CorpusRecipe:
    values = {
        "stage": "corpus",
        "out": str(out),
        "page_size": 32,
        "workers": 1,
        "splits": {"train": [{"simulate": N}]},
        "reports": {"boilerplate": 0.3, "rounded": 0.3},
    }
    return CorpusRecipe.model_validate(values | changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def simulated() -> ECGRecord:
    return next(simulate(1, seed=3)).record


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A split built without a break."""
    (folder,) = build(corpus(tmp_path_factory.mktemp("whole")))
    return folder


def test_a_split_holds_what_its_records_hold(whole):
    store = RecordStore(whole)
    assert len(store) == N
    assert json.loads((whole / "complete.json").read_text()) == {"records": N, "quarantined": 0}
    assert [store.diagnoses(record)[0] for record in store.ids[:2]] == ["normal ECG", "sinus bradycardia"]
    for record, example in zip(store.ids, store.examples, strict=True):
        assert example.records == (record,)
        assert example.response.endswith(f"<answer>{store.diagnoses(record)[0]}</answer>")
        assert np.ptp(store.signal(record)) > 0.2  # mV
        assert np.ptp(store.page(record)) > 0


def test_a_label_of_atrial_fibrillation_leaves_no_pr_to_measure(whole):
    store = RecordStore(whole)
    (record,) = (r for r in store.ids if store.diagnoses(r) == ("atrial fibrillation",))
    assert store.measurements(record).reason("pr_ms") == "no P waves (atrial fibrillation)"


def test_building_again_changes_nothing(whole, tmp_path):
    before = contents(whole)
    (again,) = build(corpus(tmp_path))
    assert contents(again) == before
    build(corpus(tmp_path))
    assert contents(again) == before


def test_workers_change_nothing(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 2)
    (folder,) = build(corpus(tmp_path, workers=2))
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_build_that_was_cut_short_ends_with_the_same_bytes(whole, tmp_path, monkeypatch, chunks):
    monkeypatch.setattr(building, "CHUNK", 2)
    mapped = building._map

    def cut(make, jobs, workers):
        yield from islice(mapped(make, jobs, workers), chunks)
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "_map", cut)
    with pytest.raises(KeyboardInterrupt):
        build(corpus(tmp_path))
    monkeypatch.setattr(building, "_map", mapped)
    folder = tmp_path / "train"
    for name in (SIGNALS, PAGES, "records.jsonl", "examples.jsonl"):  # and half a record that was being written
        with (folder / name).open("ab") as file:
            file.write(b'{"half')
    build(corpus(tmp_path))
    assert contents(folder) == contents(whole)


def test_splits_of_one_seed_share_no_record(tmp_path):
    splits = {"train": [{"simulate": 2}], "held-out": [{"simulate": 2}]}
    stores = [RecordStore(folder) for folder in build(corpus(tmp_path, splits=splits))]
    assert not set(stores[0].ids) & set(stores[1].ids)
    assert not np.array_equal(stores[0].signal(stores[0].ids[0]), stores[1].signal(stores[1].ids[0]))


def test_two_simulated_sources_of_a_split_share_no_record(tmp_path):
    (folder,) = build(corpus(tmp_path, splits={"train": [{"simulate": 2}, {"simulate": 2}]}))
    assert len(RecordStore(folder)) == 4


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"page_size": 64}, {"reports": {}}, {"splits": {"train": [{"simulate": 3}]}}]
)
def test_a_split_of_another_recipe_is_left_alone(whole, changes):
    before = contents(whole)
    with pytest.raises(RecipeError, match="holds a split of another recipe; choose another `out:`"):
        build(corpus(whole.parent, **changes))
    assert contents(whole) == before


def test_a_folder_of_records_that_is_not_there(tmp_path):
    with pytest.raises(RecordError, match="no such folder"):
        build(corpus(tmp_path / "out", splits={"train": [{"records": str(tmp_path / "nowhere")}]}))


def test_two_records_of_one_name(tmp_path):
    for patient in ("p1", "p2"):
        write_record(dataclasses.replace(simulated(), record_id="ecg"), tmp_path / "records" / patient)
    with pytest.raises(RecordError, match=r"p2/ecg: a record of this name is in the split already, .*p1/ecg"):
        build(corpus(tmp_path / "out", splits={"train": [{"records": str(tmp_path / "records")}]}))


def without_lead(record: ECGRecord, lead: str) -> ECGRecord:
    return dataclasses.replace(record, record_id=f"no_{lead}", lead_mask=record.lead_mask & (np.array(LEADS) != lead))


def write_nan(folder: Path) -> None:
    """A record whose every sample is format 16's mark for a missing one."""
    path = write_record(dataclasses.replace(simulated(), record_id="nan"), folder)
    signals = path.with_name("nan.dat")
    np.full(len(signals.read_bytes()) // 2, -32768, "<i2").tofile(signals)


def test_bad_records_are_quarantined_with_their_reason(tmp_path):
    records = tmp_path / "records"
    good = simulated()
    write_record(good, records)
    write_record(dataclasses.replace(good, record_id="unlabelled", diagnoses=()), records)
    write_record(dataclasses.replace(good, record_id="unknown", diagnoses=("no such diagnosis",)), records)
    write_nan(records)
    cut = write_record(dataclasses.replace(good, record_id="truncated"), records).with_name("truncated.dat")
    cut.write_bytes(cut.read_bytes()[:1000])
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(records)}]}))
    assert RecordStore(folder).ids == [good.record_id]
    assert json.loads((folder / "complete.json").read_text()) == {"records": 1, "quarantined": 4}
    rows = [json.loads(line) for line in (folder / "quarantine.jsonl").read_text().splitlines()]
    reasons = {Path(row["record"]).name: row["quarantined"] for row in rows}
    assert reasons.keys() == {"unlabelled", "unknown", "nan", "truncated"}
    assert "no diagnosis" in reasons["unlabelled"]
    assert "no such diagnosis" in reasons["unknown"]
    assert "no signal" in reasons["nan"]
    assert "truncated: " in reasons["truncated"]


def test_a_record_without_a_row_in_the_table_is_quarantined(tmp_path):
    records = tmp_path / "records"
    for name in ("00001_hr", "00002_hr"):
        write_record(dataclasses.replace(simulated(), record_id=name), records)
    (records / "ptbxl_database.csv").write_text("ecg_id,scp_codes,strat_fold\n1,{'NORM': 100.0},3\n")
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(records), "folds": [3]}]}))
    assert RecordStore(folder).ids == ["00001_hr"]
    assert "00002_hr: no row in ptbxl_database.csv" in (folder / "quarantine.jsonl").read_text()


def test_a_record_without_v3_says_so(tmp_path):
    write_record(without_lead(simulated(), "V3"), tmp_path / "records")
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(tmp_path / "records")}]}))
    store = RecordStore(folder)
    assert store.case("no_V3").leads == tuple(lead for lead in LEADS if lead != "V3")
    assert not store.signal("no_V3")[LEADS.index("V3")].any()
    assert store.measurements("no_V3").value("qrs_ms") is not None


def test_a_split_of_bad_records_alone_is_an_error(tmp_path):
    write_nan(tmp_path / "records")
    with pytest.raises(RecipeError, match=r"none of the 1 records could be used; see quarantine\.jsonl"):
        build(corpus(tmp_path / "out", splits={"train": [{"records": str(tmp_path / "records")}]}))
