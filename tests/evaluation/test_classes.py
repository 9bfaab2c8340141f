import numpy as np
import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.classes import (
    areas,
    class_tallies,
    confusion,
    diagnoses,
    per_class,
    reliability,
    superclasses,
)
from ecg_r1.evaluation.metrics import judge
from ecg_r1.runs.predictions import Prediction
from ecg_r1.scoring import Case

from .conftest import answers, compared, says

NORMAL, AF, LBBB = "normal ECG", "atrial fibrillation", "left bundle branch block"


def judged(truths, texts, probabilities=None):
    class Cases:
        def case(self, example_id):
            return Case(example_id, tuple(truths[example_id]), Measurements.from_json({}))

    if probabilities is None:
        return judge(answers(texts), Cases())
    rows = [Prediction(key, "", texts[key], 9, False, probabilities[key]) for key in texts]
    return judge(rows, Cases())


def say(*names):
    return says("", "; ".join(names))


TRUTHS = {"a": [NORMAL], "b": [AF], "c": [AF, LBBB], "d": [NORMAL]}
GREEDY = {"a": say(NORMAL), "b": say(AF), "c": say(AF), "d": say(AF)}


def test_one_answer_each_worked_by_hand():
    rows = judged(TRUTHS, GREEDY)
    table = {name: tally.value() for name, tally in class_tallies(rows).items()}
    # AF: 2 of 2 found, 1 false alarm of 2: (1 + 1/2) / 2; LBBB: 0 of 1 found, no false alarm: 1/2; normal 1 of 2: 3/4
    assert table["diagnosis_auroc"] == pytest.approx((0.75 + 0.5 + 0.75) / 3)
    assert table["diagnosis_hamming"] == pytest.approx(3 / 12)  # LBBB of c; AF and normal of d
    assert "diagnosis_ece" not in table
    # superclasses NORM and CD; AF has none. a, c and d have one: a is right; c lacks CD; d lacks NORM
    assert table["superclass_exact"] == pytest.approx(1 / 3)
    assert table["superclass_macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert table["superclass_hamming"] == pytest.approx(2 / 8)


def test_the_area_under_the_curve_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, level = rng.random((80, 3)) < 0.4, rng.integers(0, 6, (80, 3))
    at = level[..., None] == np.arange(6)
    sums = np.stack([(at & truth[..., None]).sum(0), (at & ~truth[..., None]).sum(0)]).reshape(-1).astype(float)
    assert areas(sums, 6) == pytest.approx([metrics.roc_auc_score(truth[:, i], level[:, i]) for i in range(3)])


def test_hamming_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    labels = diagnoses(judged(TRUTHS, GREEDY))
    value = class_tallies(judged(TRUTHS, GREEDY))["diagnosis_hamming"].value()
    assert value == pytest.approx(metrics.hamming_loss(labels.truth, labels.answered))


def test_samples_give_probabilities_and_calibration_worked_by_hand():
    texts = {
        "a": [say(NORMAL)] * 4,
        "b": [say(AF), say(AF), say(AF), say(NORMAL)],
        "c": [say(AF)] * 2 + [say(LBBB)] * 2,
        "d": [say(AF)] + [say(NORMAL)] * 3,
    }
    rows = judged(TRUTHS, texts)
    labels = diagnoses(rows)
    assert labels.probability[:, labels.names.index(AF)].tolist() == [0, 0.75, 0.5, 0.25]
    # asserted at least once: 1.00 normal(a) true; .75 AF(b) true, normal(d) true; .50 AF(c), LBBB(c) true;
    # .25 normal(b) false, AF(d) false
    plot = [(row["probability"], row["true"], row["labels"]) for row in reliability(rows)]
    assert plot == [(0.25, 0.0, 2), (0.5, 1.0, 2), (0.75, 1.0, 2), (1.0, 1.0, 1)]
    table = class_tallies(rows)
    assert table["diagnosis_ece"].value() == pytest.approx((2 * 0.25 + 2 * 0.5 + 2 * 0.25 + 0) / 7)
    assert table["diagnosis_auroc"].value() == pytest.approx(1.0)  # AF .75, .5 above .25, 0; LBBB; normal 1, .75


def test_probabilities_of_a_model_come_before_its_answers():
    given = {"a": {NORMAL: 0.9}, "b": {AF: 0.3}, "c": {AF: 0.8, LBBB: 0.1}, "d": {AF: 0.4, NORMAL: 0.2}}
    rows = judged(TRUTHS, GREEDY, given)
    # AF: .3 and .8 against 0 and .4: 3 of 4 pairs. LBBB .1 against 0, 0, 0. normal .9, .2 against 0, 0
    assert class_tallies(rows)["diagnosis_auroc"].value() == pytest.approx((0.75 + 1 + 1) / 3)
    assert superclasses(rows).probability[0].tolist() == [0.9, 0.0]


def test_a_class_and_the_confusion_worked_by_hand():
    labels = diagnoses(judged(TRUTHS, GREEDY))
    assert per_class(labels)[AF] == {
        "answers": 2,
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
        "f1": 0.8,
        "auroc": 0.75,
    }
    assert per_class(labels)[LBBB] == {"answers": 1, "precision": None, "recall": 0.0, "f1": 0.0, "auroc": 0.5}
    assert confusion(labels) == {AF: {AF: 2}, LBBB: {AF: 1}, NORMAL: {AF: 1, NORMAL: 1}}
    nothing = diagnoses(judged(TRUTHS, {key: say("nothing of note") for key in TRUTHS}))
    assert confusion(nothing)[LBBB] == {"none of these": 1}


def test_cases_without_a_label_make_no_figures():
    rows = judged({"a": []}, {"a": say(NORMAL)})
    assert np.isnan(class_tallies(rows)["diagnosis_auroc"].value())
    assert per_class(diagnoses(rows)) == {}


def test_a_comparison_holds_these_figures_and_adjusted_p_values(write_run, tmp_path):
    from .conftest import RIGHT, STOCK

    result = compared([write_run("sft", STOCK), write_run("grpo", RIGHT)], tmp_path / "out", resamples=50)
    assert result["models"]["grpo"]["diagnosis_auroc"] == 1.0
    assert result["models"]["sft"]["diagnosis_auroc"] == 0.5
    assert result["models"]["grpo"]["superclasses"]["NORM"]["f1"] == 1.0
    assert result["models"]["sft"]["confusion"]["atrial fibrillation"] == {"normal ECG": 1}
    pair = result["paired"]["grpo - sft"]
    assert pair["supported"]["p_holm"] >= pair["supported"]["p"]
    assert result["bootstrap"]["interval"] == "BCa"
