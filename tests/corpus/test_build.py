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
from ecg_r1.corpus.summary import summary
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import ECGRecord, RecordError, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import CorpusRecipe, RecipeError
from ecg_r1.scoring import Completion, load_reward

N = 6


def corpus(out: Path, **changes) -> CorpusRecipe:
    values = {
        "stage": "corpus",
        "out": str(out),
        "page_size": 32,
        "workers": 1,
        "cache": str(out / "cache"),
        "splits": {"train": [{"simulate": N}]},
        "corruption": {"boilerplate": 0.3, "rounded": 0.3},
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
    counts = {"records": N, "examples": N, "quarantined": 0, "examples_left_out": 0, "doubtful": 0}
    counts |= {"unknown_labels": {}, "untold": {}, "conflicts": {}, "rewritten": 0, "rewrites_refused": {}}
    counts |= {"record_shards": 1, "example_shards": 1}
    assert json.loads((whole / "complete.json").read_text()) == counts
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


@pytest.mark.parametrize("done", [0, 1, 4, 5])
def test_a_build_that_was_cut_short_ends_with_the_same_bytes(tmp_path, monkeypatch, done):
    monkeypatch.setattr(building, "SHARD", 2)
    (whole,) = build(corpus(tmp_path / "whole"))
    assert {"records-00002.arrow", "examples-00002.arrow"} <= contents(whole).keys()
    assert len(RecordStore(whole)) == N
    mapped = building.mapped

    def cut(*arguments, **options):
        yield from islice(mapped(*arguments, **options), done)
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "mapped", cut)
    with pytest.raises(KeyboardInterrupt):
        build(corpus(tmp_path))
    monkeypatch.setattr(building, "mapped", mapped)
    folder = tmp_path / "train"
    assert json.loads((folder / "progress.json").read_text())[0] == done // 2 * 2 if done > 1 else True
    for name in (SIGNALS, PAGES, "records-00002.arrow", "records-00002.arrow.part"):  # and what was being written
        with (folder / name).open("ab") as file:
            file.write(b'{"half')
    build(corpus(tmp_path))
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize("last", ["records-00000.arrow", "examples-00000.arrow", "progress.json", "complete.json"])
def test_a_build_that_was_killed_while_it_ended_ends_with_the_same_bytes(whole, tmp_path, monkeypatch, last):
    """The last file that is written before the kill."""

    def killed(replace):
        def until(part, path):
            replace(part, path)
            if Path(path).name == last:
                raise KeyboardInterrupt

        return until

    monkeypatch.setattr(Path, "replace", killed(Path.replace))
    with pytest.raises(KeyboardInterrupt):
        build(corpus(tmp_path))
    monkeypatch.undo()
    (folder,) = build(corpus(tmp_path))
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
    "changes",
    [{"seed": 1}, {"page_size": 64}, {"pages": "drawn"}, {"corruption": {}}, {"splits": {"train": [{"simulate": 3}]}}],
)
def test_a_split_of_another_recipe_is_left_alone(whole, changes):
    before = contents(whole)
    with pytest.raises(RecipeError, match=r"holds a split of another recipe \(\w+ differ\); choose another `out:`"):
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
    assert list(RecordStore(folder).ids) == [good.record_id]
    assert json.loads((folder / "complete.json").read_text())["quarantined"] == 4
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
    assert list(RecordStore(folder).ids) == ["00001_hr"]
    assert "00002_hr: no row in ptbxl_database.csv" in (folder / "quarantine.jsonl").read_text()


def test_the_table_s_labels_and_report_go_before_those_of_a_record_s_header(tmp_path):
    records = tmp_path / "records"
    write_record(dataclasses.replace(simulated(), record_id="00001_hr", diagnoses=("normal ECG",)), records)
    (records / "ptbxl_database.csv").write_text(
        "ecg_id,report,scp_codes,strat_fold\n1,vorhofflimmern,{'AFIB': 100.0},3\n"
    )
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(records)}]}))
    store = RecordStore(folder)
    assert store.diagnoses("00001_hr") == ("atrial fibrillation",)
    assert store.row("00001_hr")["report"] == "vorhofflimmern"
    assert store.example("00001_hr").response.endswith("<answer>atrial fibrillation</answer>")


def test_a_record_without_v3_says_so(tmp_path):
    write_record(without_lead(simulated(), "V3"), tmp_path / "records")
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(tmp_path / "records")}]}))
    store = RecordStore(folder)
    assert store.case("no_V3").leads == tuple(lead for lead in LEADS if lead != "V3")
    assert not store.signal("no_V3")[LEADS.index("V3")].any()
    assert store.measurements("no_V3").value("qrs_ms") is not None


def test_a_split_of_bad_records_alone_is_an_error(tmp_path):
    write_nan(tmp_path / "records")
    with pytest.raises(
        RecipeError, match=r"none of the 1 records could be used \(1 x not even .*no signal\); see quarantine\.jsonl"
    ):
        build(corpus(tmp_path / "out", splits={"train": [{"records": str(tmp_path / "records")}]}))


def test_a_page_that_is_drawn_when_used_is_the_one_that_would_be_stored(whole, tmp_path):
    (folder,) = build(corpus(tmp_path, pages="drawn"))
    stored, drawn = RecordStore(whole), RecordStore(folder)
    assert not (folder / PAGES).exists()
    for record in stored.ids:
        assert np.array_equal(drawn.page(record), stored.page(record))


def test_a_short_record_s_page_ends_where_the_record_does(tmp_path):
    good = simulated()
    write_record(dataclasses.replace(good, samples=3000), tmp_path / "records")
    splits = {"train": [{"records": str(tmp_path / "records")}]}
    stored, drawn = (
        RecordStore(build(corpus(tmp_path / pages, splits=splits, pages=pages))[0]) for pages in ("stored", "drawn")
    )
    assert stored.record(good.record_id).samples == 3000
    assert np.array_equal(drawn.page(good.record_id), stored.page(good.record_id))


def test_questions_and_the_system_prompt_are_the_recipe_s(whole, tmp_path):
    prompts = {"question": ["Rate?", "Was sehen Sie?"], "system": "You are a cardiologist."}
    (folder,) = build(corpus(tmp_path, prompts=prompts))
    store = RecordStore(folder)
    assert {example.question for example in store.examples} == set(prompts["question"])
    assert store.system == prompts["system"]
    assert RecordStore(whole).system is None
    with pytest.raises(RecipeError, match="another recipe"):
        build(corpus(tmp_path, prompts={"system": "You are a nurse."}))
    with pytest.raises(ValueError, match="question"):
        corpus(tmp_path, prompts={"question": [" "]})


def test_a_report_s_steps_are_expected_with_what_is_measured(whole):
    store = RecordStore(whole)
    for example in store.examples:
        measured = store.measurements(example.records[0])
        said = " ".join(phrase for phrases in example.expected.values() for phrase in phrases)
        assert f"QRS duration {measured.value('qrs_ms'):.0f} ms" in said
        assert ("PR interval" in said) == (measured.value("pr_ms") is not None)
    case = store.case(store.ids[0])
    pay = load_reward("evidence")
    steps = [f"**Step {key[5]}**: {'. '.join(phrases)}." for key, phrases in case.expected.items()]
    right = Completion.parse(f"<think>{' '.join(steps)}</think><answer>normal ECG</answer>")
    assert pay(right, case).value == 1.0
    assert pay(Completion.parse("<think>**Step 1**: Rate 20 bpm.</think>"), case).value == 0.0


def test_an_unknown_label_is_dropped_and_counted_and_its_record_stays(tmp_path):
    records = tmp_path / "records"
    for name, labels in (("one", ("normal ECG", "164889999")), ("two", ("164889999", "sinus rhythm", "odd"))):
        write_record(dataclasses.replace(simulated(), record_id=name, diagnoses=labels), records)
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(records)}]}))
    store = RecordStore(folder)
    assert [store.diagnoses(name) for name in ("one", "two")] == [("normal ECG",), ("sinus rhythm",)]
    assert store.row("two")["unknown_labels"] == ["164889999", "odd"]
    assert summary(folder).splitlines() == [
        f"{folder}: 2 records and 2 examples",
        "  3 labels dropped that the vocabulary does not know: 2 x 164889999, 1 x odd",
    ]


def test_labels_in_free_text_are_read_and_what_is_unread_is_counted(tmp_path):
    records = tmp_path / "records"
    labels = ("Atrial fibrillation with rapid ventricular response", "Possible LVH; moonstruck heart", "Abnormal ECG")
    write_record(dataclasses.replace(simulated(), record_id="one", diagnoses=labels), records)
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(records)}]}))
    store = RecordStore(folder)
    kept = ("atrial fibrillation", "possible left ventricular hypertrophy")
    assert store.diagnoses("one") == kept
    assert store.row("one")["unknown_labels"] == ["moonstruck heart"]
    assert "1 labels dropped" in summary(folder)
    completion, case = Completion.parse(store.example("one").response), store.case("one")
    assert load_reward("diagnosis")(completion, case).value == 1.0
    assert case.measurements.value("pr_ms") is None


def test_what_a_data_set_never_labels_reaches_the_reward(tmp_path):
    records = tmp_path / "records"
    write_record(dataclasses.replace(simulated(), record_id="00001_hr"), records)
    (records / "ptbxl_database.csv").write_text(
        "ecg_id,scp_codes,strat_fold\n1,\"{'CLBBB': 100.0, 'NDT': 100.0, 'IMI': 15.0, 'SR': 0.0}\",3\n"
    )
    source = {"records": str(records), "labels": "diagnostic", "likelihood": 50}
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [source]}))
    case = RecordStore(folder).case("00001_hr")
    assert (case.diagnoses, case.unlabelled) == (("left bundle branch block",), ("axis", "form", "rhythm"))
    answer = Completion.parse("<answer>sinus rhythm; LBBB; left axis deviation</answer>")
    assert load_reward("diagnosis")(answer, case).value == 1.0


def test_the_summary_names_the_commonest_reasons(tmp_path):
    records = tmp_path / "records"
    for k in range(4):
        write_record(dataclasses.replace(simulated(), record_id=f"r{k}", diagnoses=() if k else ("NORM",)), records)
    write_nan(records)
    (folder,) = build(corpus(tmp_path / "out", splits={"train": [{"records": str(records)}]}))
    assert summary(folder).splitlines() == [
        f"{folder}: 1 records and 1 examples",
        "  4 records quarantined, see quarantine.jsonl:",
        "    3 x no diagnosis of the vocabulary",
        "    1 x not even a rate can be measured: no signal",
    ]


def test_a_limit_draws_records_with_the_seed(tmp_path):
    for k in range(12):
        write_record(dataclasses.replace(simulated(), record_id=f"r{k:02d}"), tmp_path / "records")

    def ids(out, **changes):
        source = {"records": str(tmp_path / "records"), "limit": 5}
        (folder,) = build(corpus(tmp_path / out, splits={"train": [source]}, **changes))
        return list(RecordStore(folder).ids)

    one, again, other = ids("one"), ids("again"), ids("other", seed=1)
    assert one == again == sorted(one)
    assert len(one) == len(other) == 5
    assert one != [f"r{k:02d}" for k in range(5)]
    assert one != other
