"""The records of a probe: of simulated hearts and of real records, resumed, and with the edits that do not hold."""

import json

import numpy as np
import pytest

from ecg_r1.ecg.batch import simulate_to
from ecg_r1.ecg.record import RecordError
from ecg_r1.evaluation.metrics import judge
from ecg_r1.evaluation.probe import hearts as hearts_module
from ecg_r1.evaluation.probe.hearts import WHOLE, build_hearts, whole_step
from ecg_r1.evaluation.probe.moves import MoveError, chosen
from ecg_r1.evaluation.probe.run import probed
from ecg_r1.recipe import ProbeRecipe
from ecg_r1.runs.predictions import Prediction


def recipe(folder, **keys):
    given = {"stage": "probe", "models": ["m"], "out": str(folder), "page_size": 56, "resamples": 100}
    return ProbeRecipe.model_validate(given | keys)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Two records on disk, one of them in fibrillation, as a data set would hold them."""
    folder = tmp_path_factory.mktemp("records")
    list(simulate_to(folder, 1, seed=3, diagnoses=["normal ECG"]))
    list(simulate_to(folder, 1, seed=4, diagnoses=["atrial fibrillation"]))
    return folder


@pytest.fixture(scope="module")
def real(records, tmp_path_factory):
    return build_hearts(recipe(tmp_path_factory.mktemp("probe"), hearts={"records": str(records)}))


def test_edits_of_records_are_kept_where_they_hold_and_recorded_where_not(real):
    moves = [example.extra["move"] for example in real.examples]
    assert moves.count(WHOLE) == 2
    assert {"pr_ms", "qt_ms", "heart_rate_bpm", "gain", "lead"} <= set(moves)
    refused = [json.loads(line) for line in (real.folder / "quarantine.jsonl").read_text().splitlines()]
    assert len(refused) + len(moves) == 2 * (1 + 3 * 5 + 5 + 5)
    assert all(row["quarantined"] for row in refused)
    fibrillating = {example.extra["heart"] for example in real.examples} - {
        example.extra["heart"] for example in real.examples if example.extra["move"] == "pr_ms"
    }
    assert len(fibrillating) == 1
    assert sum(row["quarantined"] == "no P waves" for row in refused) == 5


def test_what_is_true_of_an_edited_record_was_measured_on_it(real):
    whole = {e.extra["heart"]: real.case(e.id) for e in real.examples if e.extra["move"] == WHOLE}
    moved = [example for example in real.examples if example.extra["move"] == "pr_ms"]
    steps = {-20: 0, 20: 2, 40: 3, 60: 4, 80: 5}
    for example in moved:
        change = real.case(example.id).measurements.value("pr_ms") - whole[example.extra["heart"]].measurements.value(
            "pr_ms"
        )
        assert any(abs(change - by) <= 6 and step == example.extra["step"] for by, step in steps.items())
        assert real.case(example.id).diagnoses == ()  # a label need not hold of what is moved
    assert whole_step("pr_ms") == 1
    removed = next(example for example in real.examples if example.extra["move"] == "lead")
    assert len(real.case(removed.id).leads) == 11


def test_who_reads_what_was_measured_follows_and_who_recites_does_not(real):
    def told(case, value):
        return f"<think>PR interval {value:.1f} ms. QT interval {case.measurements.value('qt_ms'):.1f} ms.</think>"

    def reads(case):
        pr = case.measurements.value("pr_ms")
        return "<think>PR interval not measurable.</think>" if pr is None else told(case, pr)

    models = {"reads": reads, "recites": lambda case: told(case, 160)}
    judged = {
        name: judge([Prediction(e, "?", say(real.case(e)), 9, cut=False) for e in real.example_ids], real)
        for name, say in models.items()
    }
    result = probed(recipe("unused", hearts={"records": "r"}), real, judged)
    follows = {name: model["follows"]["pr_ms"] for name, model in result["moves"]["pr_ms"]["models"].items()}
    assert follows["reads"]["slope"]["value"] == pytest.approx(1, abs=0.02)
    assert follows["recites"]["slope"]["value"] == pytest.approx(0, abs=0.02)
    assert abs(result["moves"]["pr_ms"]["models"]["reads"]["cross_talk"]["qt_ms"]["value"]) < 0.2
    counts = result["refused"]["moves"]
    assert counts["whole"] == {"asked": 2, "held": 2}
    assert counts["pr_ms"]["asked"] == 10
    assert 0 < counts["pr_ms"]["held"] <= 5
    assert result["refused"]["reasons"]["no P waves"] == 5


def test_speaking_of_a_lead_that_was_removed_is_counted(real):
    def speaks(case):
        return "<think>R wave in V2 of 0.80 mV.</think><answer>normal ECG</answer>"

    rows = judge([Prediction(e, "?", speaks(real.case(e)), 9, cut=False) for e in real.example_ids], real)
    (event,) = probed(recipe("unused", hearts={"records": "r"}), real, {"m": rows})["moves"]["lead"]["models"]["m"][
        "flips"
    ].values()
    without = [e for e in real.examples if e.extra["move"] == "lead"]
    v2 = sum("V2" not in real.case(example.id).leads for example in without)
    assert event["holds"]["value"] is None
    assert event["otherwise"]["value"] == pytest.approx(v2 / len(without))


def test_a_build_that_was_cut_short_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(hearts_module, "FLUSH", 4)
    whole = build_hearts(recipe(tmp_path / "whole", hearts={"simulate": 2}, moves=["fibrillation", "st_mv"]))
    rendered, render = [], hearts_module.render

    def failing(record, **options):
        rendered.append(record.record_id)
        if len(rendered) == 7:
            raise KeyboardInterrupt
        return render(record, **options)

    monkeypatch.setattr(hearts_module, "render", failing)
    same = recipe(tmp_path / "cut", hearts={"simulate": 2}, moves=["fibrillation", "st_mv"])
    with pytest.raises(KeyboardInterrupt):
        build_hearts(same)
    store = build_hearts(same)
    assert len(rendered) == 7 + 12  # four were whole
    names = [path.name for path in sorted(whole.folder.iterdir())]
    assert [path.name for path in sorted(store.folder.iterdir())] == names
    for name in names:
        assert (store.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_what_cannot_be_moved_is_refused():
    assert chosen(None, simulated=True)[0] == "pr_ms"
    for named, simulated, message in (
        (["pr"], True, "no 'pr' of simulated hearts; there are pr_ms"),
        (["gain"], True, "no 'gain' of simulated hearts"),
        (["qrs_ms"], False, "no 'qrs_ms' of real records"),
    ):
        with pytest.raises(MoveError, match=message):
            chosen(named, simulated)


def test_a_folder_without_a_usable_record_is_an_error(tmp_path):
    (tmp_path / "records").mkdir()
    flat = np.zeros((12, 5000), np.float32)
    np.save(tmp_path / "records" / "flat.npy", flat)
    with pytest.raises(RecordError):
        build_hearts(recipe(tmp_path / "out", hearts={"records": str(tmp_path / "records"), "unit_mv": 1.0}))
