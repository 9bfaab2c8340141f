"""RecordStore: what was written is read back, and a damaged split is named."""

import json

import numpy as np
import pytest
from splits import write_split

from ecg_r1.corpus.rows import RECORDS, write_rows
from ecg_r1.corpus.store import PAGES, SIGNALS, CorpusError, RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.leads import LEADS

SIZE = 8
ROWS = [
    {
        "record": "a",
        "diagnoses": ["normal ECG"],
        "measurements": {"pr_ms": 160.0},
        "report": "ok",
        "patient": "ptb-xl 7",
    },
    {
        "record": "b",
        "diagnoses": ["atrial fibrillation"],
        "leads": [lead for lead in LEADS if lead != "V3"],
        "measurements": {"pr_ms": 140.0},
    },
]
EVERY = np.arange(2 * 12 * 5000).reshape(2, 12, 5000) % 2000 - 1000  # µV


def write(folder, examples=None, **facts):
    pages = np.arange(2 * SIZE * SIZE * 3, dtype=np.uint8).reshape(2, SIZE, SIZE, 3)
    return write_split(
        folder, ROWS, examples, page_size=SIZE, signal=lambda k: EVERY[k] / 1000, page=lambda k: pages[k], **facts
    )


RECORD_ROWS, EXAMPLE_ROWS = "records-00000.arrow", "examples-00000.arrow"


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path)


def test_signals_are_microvolts_on_disk_and_millivolts_in_hand(folder):
    store = RecordStore(folder)
    assert (list(store.ids), len(store)) == (["a", "b"], 2)
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
    assert (record.patient, RecordStore(folder).record("a").patient) == (None, "ptb-xl 7")


def test_a_case_carries_what_a_reward_may_know(folder):
    case = RecordStore(folder).case("b")
    assert case.measurements["pr_ms"].absent  # by its diagnosis, whatever was measured
    assert case.measurements.reason("pr_ms") == "no P waves (atrial fibrillation)"
    assert "V3" not in case.leads
    assert case.diagnoses == ("atrial fibrillation",)
    assert RecordStore(folder).case("a").measurements.value("pr_ms") == 160.0


def test_a_case_is_of_its_example(tmp_path):
    asked = [
        Example("a rate", ("a",), "Rate?", expected={"1": ["rate 75 bpm"]}),
        Example("a choice", ("a",), "A or B?", "A", extra={"answer": "A"}),
        Example("both", ("b", "a"), "Which is faster?"),
    ]
    store = RecordStore(write(tmp_path, asked))
    assert list(store.examples) == asked
    assert [store.example(example.id) for example in asked] == asked
    rate, choice, both = (store.case(example.id) for example in asked)
    assert (rate.example_id, rate.record_id, rate.question) == ("a rate", "a", "Rate?")
    assert (rate.expected, rate.extra) == ({"1": ["rate 75 bpm"]}, {})
    assert choice.extra == {"answer": "A"}
    assert (both.record_id, [case.record_id for case in both.others]) == ("b", ["a"])
    assert both.others[0].measurements.value("pr_ms") == 160.0
    assert store.questions() == [("Rate?", 1, ()), ("A or B?", 1, ()), ("Which is faster?", 2, ())]
    with pytest.raises(CorpusError, match="no example 'c'"):
        store.case("c")


def test_examples_of_one_patient_are_one_cluster(tmp_path):
    asked = (("first", ("a",)), ("second", ("a",)), ("both", ("a", "b")), ("other", ("b",)))
    store = RecordStore(write(tmp_path, [Example(name, records, "What?") for name, records in asked]))
    assert [store.cluster(name) for name, _ in asked] == ["patient ptb-xl 7"] * 3 + ["record b"]


def test_examples_are_in_the_order_of_the_split(folder):
    store = RecordStore(folder)
    assert [example.id for example in store.examples] == ["a", "b"]
    assert [example.id for example in store.examples[1:]] == ["b"]


def test_an_id_is_found_wherever_it_stands(tmp_path):
    names = [f"r{k * 37 % 101}" for k in range(101)]
    rows = [ROWS[0] | {"record": name} for name in names]
    store = RecordStore(write_split(tmp_path, rows, page_size=SIZE))
    assert [store.ids.position(name) for name in names] == list(range(101))
    assert list(store.ids) == names
    assert store.ids[3:5] == names[3:5]
    assert [store.ids.position(name) for name in ("", "r", "r101", "s", "é")] == [None] * 5
    assert "r5" in store.ids
    assert 5 not in store.ids


def test_a_folder_that_is_no_split(tmp_path):
    with pytest.raises(CorpusError, match=r"no corpus split here .* run `ecg-r1 corpus RECIPE`"):
        RecordStore(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [SIGNALS, PAGES])
def test_an_array_that_is_not_as_long_as_its_rows_is_named(folder, name):
    whole = (folder / name).read_bytes()
    for wrong in (whole[: len(whole) // 2], whole + b"\0"):
        (folder / name).write_bytes(wrong)
        with pytest.raises(CorpusError, match=rf"{name}: has {len(wrong)} bytes, and its 2 records are {len(whole)}"):
            RecordStore(folder)


@pytest.mark.parametrize("name", [SIGNALS, PAGES, RECORD_ROWS, EXAMPLE_ROWS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CorpusError, match=rf"{name}: (is )?missing"):
        RecordStore(folder)


@pytest.mark.parametrize("name", [RECORD_ROWS, EXAMPLE_ROWS])
def test_rows_that_are_cut_short_or_of_another_layout_are_named(folder, name):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match=rf"{name}: cut short or damaged"):
        RecordStore(folder)
    write_rows(folder / name, RECORDS.remove(8), [{"record": "a"}])
    with pytest.raises(CorpusError, match=rf"{name}: its columns are not those of this version"):
        RecordStore(folder)


def test_an_id_that_occurs_twice_is_named(folder, tmp_path):
    write_rows(folder / RECORD_ROWS, RECORDS, [{"record": name} for name in ("b", "a", "b")])
    with pytest.raises(CorpusError, match=r"records-\*\.arrow: 'b' occurs twice"):
        RecordStore(folder)
    with pytest.raises(CorpusError, match=r"examples-\*\.arrow: 'x' occurs twice"):
        write(tmp_path / "other", [Example("x", ("a",), "Rate?"), Example("x", ("b",), "Rate?")])


def test_an_unknown_record(folder):
    with pytest.raises(CorpusError, match="no record 'c'"):
        RecordStore(folder).signal("c")


def test_a_half_written_split_file(folder):
    (folder / "split.json").write_text('{"page_si')
    with pytest.raises(CorpusError, match=r"split\.json: cut short or damaged"):
        RecordStore(folder)


def test_facts_that_are_missing_are_named(folder):
    (folder / "split.json").write_text(json.dumps({"page_size": SIZE}))
    with pytest.raises(CorpusError, match=r"split\.json: no \"pages\""):
        RecordStore(folder)
