"""Labels are read as answers are: what an answer that says the same is worth, and what costs nothing beside them."""

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.answers import Answer, unread
from ecg_r1.scoring.cases import case_from
from ecg_r1.scoring.labels import as_labels, read_labels

NOTHING = Measurements.from_json({})
# As MIMIC-IV-ECG's machine, MUSE, and PTB-XL's cardiologists and codes say it.
LABELS = [
    ("Atrial fibrillation with rapid ventricular response",),
    ("Atrial fibrillation with slow ventricular response", "Leftward axis", "Abnormal ECG"),
    ("Sinus rhythm with PVC(s)", "Inferior T wave changes are nonspecific", "Borderline ECG"),
    ("Sinus rhythm", "Lateral ST-T changes may be due to myocardial ischemia", "Abnormal ECG"),
    ("Sinus rhythm", "Possible left atrial abnormality", "Consider left ventricular hypertrophy",
     "Cannot rule out anterior infarct - age undetermined", "Possible inferior infarct"),
    ("Inferior T wave changes may be due to myocardial ischemia", "Anterior ST-T changes are nonspecific"),
    ("ST-T changes are probably due to ventricular hypertrophy",),
    ("Sinus bradycardia", "Otherwise normal ECG"),
    ("Sinus rhythm", "Poor R wave progression - probable normal variant", "Borderline ECG"),
    ("A-V sequential pacemaker",),
    ("Sinus rhythm", "Normal ECG except for rate"),
    ("Marked sinus bradycardia\nAbnormal ECG\nNo previous ECGs available",),
    ("Normal sinus rhythm; Normal ECG",),
    ("WIDE QRS RHYTHM, VENTRICULAR-PACED RHYTHM\nABNORMAL ECG",),
    ("sinus rhythm. left axis deviation. non-specific t wave flattening in i, avl, v5,6.",),
    ("sinus rhythm. t waves are flat in v4-6. this may be due to lv strain or ischaemia.",),
    ("sinusrhythmus linkstyp sonst normales ekg",),
    ("NORM", "SR"),
    ("IMI", "ABQRS", "AFIB", "1AVB"),
    ("426783006", "39732003"),
    ("abnormal ECG",),
    ("Moonstruck heart", "LBBB"),
    ("Sinus rhythm", "No sinus rhythm"),
]  # fmt: skip


@pytest.mark.parametrize("labels", LABELS, ids=" + ".join)
@pytest.mark.parametrize("joint", ["; ", "\n"])
@pytest.mark.parametrize("match", ["jaccard", "exact", "f1", "ontology"])
def test_an_answer_identical_to_its_labels_is_worth_1(labels, joint, match):
    said = joint.join(labels)
    case = case_from("r", labels, NOTHING)
    for text in (f"<think>x</think><answer>{said}</answer>", f"Impression:\n{said}"):
        score = load_reward("diagnosis", {"match": match})(Completion.parse(text), case)
        assert score is not None
        assert score.value == pytest.approx(1.0)


def test_every_name_of_the_vocabulary_is_a_label_that_can_be_answered():
    diagnosis = load_reward("diagnosis")
    for statement in vocabulary():
        for label in (statement.name, *statement.scp):
            case = case_from("r", [label], NOTHING)
            score = diagnosis(Completion.parse(f"<answer>{label}</answer>"), case)
            assert score is not None
            assert score.value == 1.0, label


@pytest.mark.parametrize(
    ("labels", "answer", "worth"),
    [
        # a verdict that fits costs nothing
        (["sinus rhythm", "LBBB"], "Sinus rhythm; Left bundle branch block; Abnormal ECG", 1),
        (["sinus rhythm", "LBBB"], "Sinus rhythm with LBBB. This is an abnormal ECG.", 1),
        (["sinus bradycardia"], "Sinus bradycardia, otherwise normal ECG", 1),
        (["NORM", "SBRAD"], "Sinus bradycardia, otherwise normal ECG", 1),
        (["sinus rhythm"], "Sinus rhythm; Borderline ECG", 1),
        (["early repolarization"], "Early repolarization, normal variant", 1),
        # one that does not fit costs like a needless diagnosis
        (["normal ECG"], "Normal ECG; abnormal ECG", 1 / 2),
        (["normal ECG"], "Normal ECG; borderline ECG", 1 / 2),
        (["NORM", "SR"], "Sinus rhythm; abnormal ECG", 1 / 3),
        (["sinus rhythm", "LBBB"], "Sinus rhythm, otherwise normal ECG", 1 / 3),
        (["normal ECG"], "LBBB, otherwise normal ECG", 0),
        (["LBBB"], "Normal ECG", 0),
        (["LBBB", "sinus rhythm"], "Sinus rhythm; Normal ECG", 1 / 3),
        (["LBBB"], "Abnormal ECG", 0),
        (["LBBB"], "LBBB; normal ECG; abnormal ECG", 1 / 3),
        # doubt in the label is met by doubt
        (["Possible LVH"], "Possible LVH", 1),
        (["Possible LVH"], "LVH", 1 / 2),
        (["LVH"], "Possible LVH", 1 / 2),
        (["Possible LVH", "possible LBBB", "possible AF"], "Possible LVH; possible LBBB; possible AF", 1),
        (["Possible LVH"], "Possible LVH; possible LBBB; possible AF; possible RBBB", 0),
        # advice
        (["AF"], "Atrial fibrillation. Clinical correlation is recommended.", 1),
        (["AF"], "Atrial fibrillation\nPlease consult a cardiologist.", 1),
        (["AF"], "Atrial fibrillation. Recommend echocardiography to assess for LVH.", 1),
        (["AF", "LVH"], "Atrial fibrillation. Recommend echocardiography to assess for LVH.", 1 / 2),
        (["AF"], "Atrial fibrillation, anticoagulation should be considered", 1),
        (["AF"], "Recommend treatment of atrial fibrillation.", 0),
        (["LVH"], "Consider left ventricular hypertrophy", 1 / 2),
        (["AF"], "Clinical correlation is advised. Atrial fibrillation; LBBB", 1 / 2),
    ],
)
def test_what_an_answer_is_worth_beside_its_labels(labels, answer, worth):
    score = load_reward("diagnosis")(Completion.parse(f"<answer>{answer}</answer>"), case_from("r", labels, NOTHING))
    assert score is not None
    assert score.value == pytest.approx(worth)


@pytest.mark.parametrize(
    ("unlabelled", "answer", "worth"),
    [
        ((), "LBBB; left axis deviation", 1 / 2),
        (("axis",), "LBBB; left axis deviation", 1),
        (("axis",), "LBBB; possible right axis deviation", 1),
        (("axis",), "LBBB; left anterior fascicular block", 1 / 2),
        (("axis",), "left axis deviation", 0),
        (("axis", "rhythm"), "sinus rhythm; LBBB; left axis deviation", 1),
        (("axis", "form"), "LBBB; non-specific ST changes; PVC", 1),
        (("axis", "form"), "LBBB; LVH", 1 / 2),
    ],
)
def test_what_the_labels_never_hold_costs_nothing_and_pays_nothing(unlabelled, answer, worth):
    case = Case("r", ("CLBBB",), NOTHING, unlabelled=unlabelled)
    score = load_reward("diagnosis")(Completion.parse(f"<answer>{answer}</answer>"), case)
    assert score is not None
    assert score.value == pytest.approx(worth)


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        ("sinus rhythm", ()),
        ("AFIB", ()),
        ("Atrial fibrillation with rapid ventricular response", ()),
        ("Abnormal ECG", ()),
        ("No previous ECG available for comparison", ()),
        ("Moonstruck Heart", ("Moonstruck Heart",)),
        ("164889999", ("164889999",)),
        ("Sinus rhythm; moonstruck heart", ("moonstruck heart",)),
        ("no atrial fibrillation", ()),
    ],
)
def test_what_nothing_is_read_from_is_said(label, parts):
    assert unread(label) == parts


def test_what_is_read_can_be_kept_as_labels():
    truth = read_labels(("Sinus rhythm with PVC(s)", "Possible inferior infarct", "Abnormal ECG", "Moonstruck"))
    kept = as_labels(truth)
    assert kept == ("sinus rhythm", "ventricular premature complex", "possible inferior myocardial infarction")
    assert read_labels(kept) == Answer(kept[:2], ("inferior myocardial infarction",))


def test_a_label_in_free_text_says_that_there_are_no_p_waves():
    measured = Measurements.from_json({"pr_ms": 160, "qrs_ms": 90})
    case = case_from("r", ["Atrial fibrillation with rapid ventricular response"], measured)
    assert case.measurements.value("pr_ms") is None
