"""What survives without the ECG: which prompts are asked, and what is counted of their answers."""

import numpy as np
import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.wild import ARTEFACTS
from ecg_r1.evaluation.comparable import CompareError
from ecg_r1.evaluation.conditions import (
    LESS,
    NO_PAGE,
    NO_SIGNAL,
    NOTHING,
    OTHER_PAGE,
    OWN,
    SHUFFLED,
    asked,
    dealt,
    page_shown,
    record_shown,
)  # fmt: skip
from ecg_r1.evaluation.conditions import conditions as conditions_of
from ecg_r1.evaluation.conditions import shown as shown_of
from ecg_r1.evaluation.mirage import _Leads
from ecg_r1.recipe import EvaluateRecipe
from ecg_r1.runs.predictions import read_label, write_predictions
from ecg_r1.scoring.abstention import NOTHING_SHOWN
from ecg_r1.scoring.contract import Case

from .conftest import RIGHT, STOCK, TRUTHS, answers, compared, says, write_split


def test_half_or_all_of_the_ecg_is_left_out_or_is_anothers(split_folder):
    store = RecordStore(split_folder)
    others = dealt(store, shuffled=True)
    for condition, signal, page in (
        (OWN, lambda r: r, lambda r: r),
        (SHUFFLED, others.get, others.get),
        (NO_SIGNAL, lambda r: None, lambda r: r),
        (NO_PAGE, lambda r: r, lambda r: None),
        (NOTHING, lambda r: None, lambda r: None),
        (OTHER_PAGE, lambda r: r, others.get),
    ):
        assert shown_of(store, condition) == {record: (signal(record), page(record)) for record in store.ids}


def test_the_same_examples_are_drawn_for_each_condition_and_all_are_asked_with_their_own(tmp_path):
    split = write_split(tmp_path / "many", [TRUTHS[0] | {"record": f"r{i}"} for i in range(50)])
    store = RecordStore(split)
    drawn = [[example.id for example in asked(store, condition, 20)] for condition in LESS]
    assert len(set(map(tuple, drawn))) == 1
    assert len(set(drawn[0])) == 20
    places = [list(store.example_ids).index(name) for name in drawn[0]]
    assert places == sorted(places) != list(range(20))
    assert len(asked(store, OWN, 20)) == len(asked(store, SHUFFLED, 20)) == len(asked(store, NOTHING, 50)) == 50


def test_a_model_without_pages_is_asked_with_nothing_alone_and_none_where_none_is_wanted():
    recipe = EvaluateRecipe(stage="evaluate", models=["a"])
    assert conditions_of(recipe, has_pages=False) == (OWN, SHUFFLED, NOTHING)
    assert conditions_of(recipe.model_copy(update={"mirage": 0}), has_pages=True) == (OWN, SHUFFLED)


@pytest.fixture
def run_without(write_run, split_folder):
    """A run that has answered under some conditions."""

    def write(name, own, examples=100, **others):
        folder = write_run(name, own)
        label = read_label(folder / "predictions" / "held-out.jsonl")
        for condition, texts in others.items():
            path = folder / "predictions" / f"held-out-{condition.replace('_', '-')}.jsonl"
            write_predictions(path, answers(texts), label | {"examples": examples})
        return folder

    return write


def test_what_is_right_without_an_ecg_is_counted_and_the_rest_is_scored(run_without, tmp_path):
    run = run_without("a", RIGHT, nothing=STOCK)  # "normal ECG" for all: right for r0
    found = compared([run], tmp_path / "out", resamples=50)["models"]["a"]["mirage"]
    assert found["right_without"] == pytest.approx(1 / 3)
    assert found["right_without_low"] <= 1 / 3 <= found["right_without_high"]
    assert (found["rest"]["examples"], found["rest"]["diagnosis_accuracy"]) == (2, 1)
    assert found["conditions"]["own"]["examples"] == 3
    nothing = found["conditions"]["nothing"]
    assert (nothing["diagnosis_accuracy"], nothing["abstained"]) == (pytest.approx(1 / 3), 0)
    assert nothing["supported"] == pytest.approx(3 / 9)  # 75 bpm of r0, 160 ms of r0 and r1
    assert nothing["trained"] is None  # the run's recipe says nothing of dropout


def test_who_says_that_there_is_no_ecg_is_right_without_and_wrong_with_one(run_without, tmp_path):
    abstains = dict.fromkeys(RIGHT, NOTHING_SHOWN)
    own = RIGHT | {"r1": says("I cannot see an ECG.", "no ECG")}
    found = compared([run_without("a", own, nothing=abstains)], tmp_path / "out")["models"]["a"]["mirage"]
    assert found["conditions"]["nothing"]["abstained"] == 1
    assert found["conditions"]["own"]["abstained"] == pytest.approx(1 / 3)
    assert found["right_without"] == 0
    assert found["rest"]["examples"] == 3


def test_a_page_that_contradicts_the_signal_is_followed_or_not(run_without, split_folder, tmp_path):
    others = dealt(RecordStore(split_folder), shuffled=True)
    of_page = {record: RIGHT[others[record]] for record in RIGHT}
    differing = sum(others[record] != record for record in RIGHT)
    for name, texts, signal, page in (("a", RIGHT, differing, 0), ("b", of_page, 0, differing)):
        run = run_without(name, RIGHT, other_page=texts)
        found = compared([run], tmp_path / name)["models"][name]["mirage"]
        assert found["follows"] == {"differing": differing, "signal": signal, "page": page}
    assert differing >= 2


def test_the_report_the_card_and_the_terminal_show_it(run_without, tmp_path, capsys):
    every = {"no_signal": RIGHT, "no_page": RIGHT, "nothing": STOCK, "other_page": RIGHT}
    compared([run_without("a", RIGHT, **every), run_without("b", STOCK, **every)], tmp_path / "out", resamples=20)
    page, card = (tmp_path / "out" / "report.html").read_text(), (tmp_path / "out" / "card.md").read_text()
    for title in ("Is the ECG used?", "page alone", "signal alone", "no ECG", "page of another", "own ECG, the rest"):
        assert title in page
    assert "a answers 33.3% of 3 questions right without an ECG." in page
    assert "Its recipe never trained it without one" in page
    assert "page alone 100.0%" in card
    printed = capsys.readouterr().out
    assert "right without ECG" in printed
    assert "says: no ECG" in printed


def test_without_such_answers_nothing_is_shown(write_run, tmp_path):
    assert compared([write_run("a", RIGHT)], tmp_path / "out")["models"]["a"]["mirage"] == {}
    assert "Is the ECG used?</th>" not in (tmp_path / "out" / "report.html").read_text()


def test_answers_to_other_examples_are_refused(run_without, tmp_path):
    run = run_without("a", RIGHT, nothing={"r0": RIGHT["r0"]})
    with pytest.raises(CompareError, match=r"held-out-nothing.jsonl: not the answers to the examples that are drawn"):
        compared([run], tmp_path / "out")


def test_a_training_share_is_told(run_without, tmp_path):
    import yaml

    run = run_without("a", RIGHT, nothing=dict.fromkeys(RIGHT, NOTHING_SHOWN))
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"dropout": {"nothing": 0.1}}))
    found = compared([run], tmp_path / "out")["models"]["a"]["mirage"]
    assert found["conditions"]["nothing"]["trained"] == 0.1
    assert np.isclose(found["conditions"]["nothing"]["abstained"], 1)
    assert "never trained it without one" not in (tmp_path / "out" / "report.html").read_text()


def test_the_grid_shows_fewer_leads_and_other_pages(tmp_path):
    split = write_split(tmp_path / "few", TRUTHS)
    store = RecordStore(split)
    name = store.ids[0]
    recipe = EvaluateRecipe(stage="evaluate", models=["a"], grid=["leads", "pages", "artefacts"])
    every = conditions_of(recipe, has_pages=True)
    assert len({condition.name for condition in every}) == len(every) == 6 + 4 + 3 + len(ARTEFACTS)
    blind = conditions_of(recipe, has_pages=False)
    assert [condition.name for condition in blind[3:]] == ["leads-6", "leads-3", "leads-2", "leads-1"]
    three = next(condition for condition in every if condition.name == "leads-3")
    shown = record_shown(store, three, name)
    assert [lead for lead, there in zip(LEADS, shown.lead_mask, strict=True) if there] == ["I", "II", "V2"]
    assert not shown.signal[~shown.lead_mask].any()
    for condition in every[6:]:
        drawn = page_shown(store, condition, name)
        assert drawn.shape == store.page(name).shape
        assert np.array_equal(drawn, page_shown(store, condition, name))
        assert not np.array_equal(drawn, store.page(name)), condition.name
    assert np.array_equal(page_shown(store, OWN, name), store.page(name))
    with pytest.raises(ValueError, match="which is 0"):
        EvaluateRecipe(stage="evaluate", models=["a"], grid=["leads"], mirage=0)


def test_the_report_has_the_grid_and_hidden_leads_are_unverifiable(run_without, tmp_path, capsys):
    run = run_without("a", RIGHT, nothing=STOCK, leads_6=RIGHT, leads_1=RIGHT, wild=STOCK)
    result = compared([run], tmp_path / "out", resamples=20, grid=["leads", "pages"])
    found = result["models"]["a"]["mirage"]["conditions"]
    assert found["leads-6"]["diagnosis_accuracy"] == found["own"]["diagnosis_accuracy"]
    assert found["wild"]["diagnosis_accuracy"] == found["nothing"]["diagnosis_accuracy"]
    page = (tmp_path / "out" / "report.html").read_text()
    for title in ("Fewer leads, other pages", "6 leads", "1 lead", "any paper, photographed"):
        assert title in page
    assert "6 leads (3)" in capsys.readouterr().out


def test_of_a_question_about_two_ecgs_the_same_leads_of_both_are_known():
    measured = Measurements.from_json({})

    class Store:
        def case(self, example):
            return Case("a", (), measured, LEADS, others=(Case("b", (), measured, LEADS),))

    case = _Leads(Store(), ("I", "V2")).case("both")
    assert [one.leads for one in (case, *case.others)] == [("I", "V2")] * 2
