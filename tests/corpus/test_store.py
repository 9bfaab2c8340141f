"""RecordStore: what was written is read back, and a damaged split is named."""

import json

import numpy as np
import pytest

from ecg_r1.corpus.store import PAGES, SIGNALS, CorpusError, RecordStore
from ecg_r1.ecg.leads import LEADS

SIZE = 8
ROWS = [
    {
        "record": "a",
        "diagnoses": ["normal ECG"],
        "leads": list(LEADS),
        "measurements": {"pr_ms": 160.0},
        "report": "ok",
        "patient": "ptb-xl 7",
    },
    {
        "record": "b",
        "diagnoses": ["atrial fibrillation"],
        "leads": [lead for lead in LEADS if lead != "V3"],
        "measurements": {"pr_ms": None, "unmeasurable": {"pr_ms": "no P waves"}},
    },
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "split.json").write_text(json.dumps({"page_size": SIZE}))
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    examples = [
        {"id": row["record"], "records": [row["record"]], "question": "What?", "response": "This."} for row in ROWS
    ]
    (tmp_path / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples))
    signals = np.arange(2 * 12 * 5000).reshape(2, 12, 5000) % 2000 - 1000
    signals.astype(np.int16).tofile(tmp_path / SIGNALS)
    np.arange(2 * SIZE * SIZE * 3, dtype=np.uint8).tofile(tmp_path / PAGES)
    return tmp_path


def test_signals_are_microvolts_on_disk_and_millivolts_in_hand(folder):
    store = RecordStore(folder)
    assert (store.ids, len(store)) == (["a", "b"], 2)
    assert store.signal("a").dtype == np.float32
    assert store.signal("a")[0, :3] == pytest.approx([-1.0, -0.999, -0.998])
    assert store.signal("b")[0, 0] == pytest.approx((12 * 5000 % 2000 - 1000) / 1000)


def test_pages_belong_to_their_records(folder):
    store = RecordStore(folder)
    assert store.page("b").shape == (SIZE, SIZE, 3)
    assert store.page("b")[0, 0].tolist() == [192, 193, 194]


def test_a_record_says_which_leads_it_has(folder):
    record = RecordStore(folder).record("b")
    assert [lead for lead, there in zip(LEADS, record.lead_mask, strict=True) if not there] == ["V3"]
    assert record.diagnoses == ("atrial fibrillation",)


def test_a_case_carries_what_a_reward_may_know(folder):
    case = RecordStore(folder).case("b")
    assert case.measurements.reason("pr_ms") == "no P waves"
    assert "V3" not in case.leads
    assert case.diagnoses == ("atrial fibrillation",)
    assert RecordStore(folder).case("a").measurements.value("pr_ms") == 160.0


def test_examples_of_one_patient_are_one_cluster(folder):
    lines = [
        {"id": name, "records": records, "question": "What?"}
        for name, records in (("first", ["a"]), ("second", ["a"]), ("both", ["a", "b"]), ("other", ["b"]))
    ]
    (folder / "examples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    store = RecordStore(folder)
    assert [store.cluster(line["id"]) for line in lines] == ["patient ptb-xl 7"] * 3 + ["record b"]


def test_examples_are_in_the_order_of_the_split(folder):
    assert [example.id for example in RecordStore(folder).examples] == ["a", "b"]


def test_a_folder_that_is_no_split(tmp_path):
    with pytest.raises(CorpusError, match=r"no corpus split here .* run `ecg-r1 corpus RECIPE`"):
        RecordStore(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [SIGNALS, PAGES])
def test_a_truncated_array_is_named(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match=rf"{name}: does not hold 2 records"):
        RecordStore(folder)


def test_a_missing_array_is_named(folder):
    (folder / SIGNALS).unlink()
    with pytest.raises(CorpusError, match=SIGNALS):
        RecordStore(folder)


def test_half_a_line_is_named_with_its_number(folder):
    (folder / "records.jsonl").write_text(json.dumps(ROWS[0]) + '\n{"record": ')
    with pytest.raises(CorpusError, match=r"records\.jsonl:2: not JSON"):
        RecordStore(folder)


def test_an_unknown_record(folder):
    with pytest.raises(CorpusError, match="no record 'c'"):
        RecordStore(folder).signal("c")


def test_a_half_written_split_file(folder):
    (folder / "split.json").write_text('{"page_si')
    with pytest.raises(CorpusError, match=r"split\.json: cut short or damaged"):
        RecordStore(folder)
