"""Golden tables: what each reward of the library pays, from its formula or its paper."""

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, RewardError, load_reward
from ecg_r1.scoring.unclaimed import claimed

MEASURED = {"heart_rate_bpm": 64, "rr_ms": 938, "pr_ms": 224, "qrs_ms": 92, "qt_ms": 412, "qtc_ms": 426, "axis_deg": 40}
AVB = "first-degree AV block"


def score(
    name: str,
    text: str,
    *,
    measured: dict | None = None,
    diagnoses: tuple[str, ...] = (AVB,),
    options: dict | None = None,
    **case,
):
    given = Case("r", diagnoses, Measurements.from_json(MEASURED if measured is None else measured), **case)
    result = load_reward(name, options)(Completion.parse(text), given)
    return None if result is None else result.value


@pytest.mark.parametrize(
    ("think", "text", "expected"),
    [
        ("before", "<think>a</think><answer>b</answer>", 1),
        ("before", " <think>a</think>\n<answer>b</answer>\n", 1),
        ("before", "<answer>b</answer><think>a</think>", 0),
        ("before", "<think></think><answer>b</answer>", 0),
        ("before", "<think>a</think><answer> . </answer>", 0),
        ("before", "<think>a</think><answer>b</answer> done", 0),
        ("before", "<think>a</think> so <answer>b</answer>", 0),
        ("before", "<think>a</think><answer>b", 0),
        ("before", "<think>a</think><answer>b</answer><answer>c</answer>", 0),
        ("before", "<think><think>a</think></think><answer>b</answer>", 0),
        ("before", "", 0),
        ("before", "<think>\u3164 \uffa0\u2800</think><answer>b</answer>", 0),
        ("before", "<think>a <answer/></think><answer>b</answer>", 0),
        ("before", "<think>a <think ></think><answer>b</answer>", 0),
        ("before", "<think>a <answer id=1>c</ answer></think><answer>b</answer>", 0),
        ("before", "<think>a ＜answer＞c</think><answer>b</answer>", 0),
        ("before", "<think>a <ans\u200bwer>c</think><answer>b</answer>", 0),
        ("before", "<think>PR < 200, answer > 1 % sure</think><answer>b</answer>", 1),
        ("before", "<think>中</think><answer>한</answer>", 1),
        ("after", "<answer>b</answer><think>a</think>", 1),
        ("after", "<think>a</think><answer>b</answer>", 0),
        ("none", "<answer>b</answer>", 1),
        ("none", "<think>a</think><answer>b</answer>", 0),
    ],
)
def test_format(think: str, text: str, expected: float) -> None:
    assert score("format", text, options={"think": think}) == expected


@pytest.mark.parametrize(
    ("style", "text", "expected"),
    [
        ("ecg-r1", "<think>a</think>\n\nThe ECG shows b.\n\n<answer>b</answer>", 1),
        ("ecg-r1", "<think>a</think><answer>b</answer>", 1),
        ("ecg-r1", "Sure. <think>a</think> prose <answer>b</answer>", 0),
        ("ecg-r1", "<think>a</think> prose <answer>b</answer> done", 0),
        ("ecg-r1", "<think>a</think> prose", 0),
        ("ecg-r1", "<think></think> prose <answer>b</answer>", 0),
        ("ecg-r1", "<think>a</think> prose <answer>b</answer><answer>c</answer>", 0),
        ("ecg-r1", "<think>a</think> <answer/> <answer>b</answer>", 0),
        ("deepseek", "<think>a</think> prose <answer>b</answer>", 0),
        ("free", "<think>a</think> prose <answer>b</answer> done", 1),
        ("free", "<answer>b</answer><think>a</think>", 1),
        ("free", "Rate 75.\nFinal diagnosis: AF", 1),
        ("free", '{"diagnosis": "AF"}', 1),
        ("free", "<think>a</think> AF", 1),
        ("free", "<think>a", 0),
        ("free", "", 0),
        ("free", "...", 0),
        ("free", "<answer>b</answer><answer>c</answer>", 0),
        ("free", "<answer></answer>", 0),
        ("free", "Diagnosis: AF <answer/>", 0),
    ],
)
def test_format_in_a_style(style: str, text: str, expected: float) -> None:
    assert score("format", text, options={"style": style}) == expected


@pytest.mark.parametrize("style", ["ecg-r1", "free"])
def test_an_option_of_one_style_is_refused_with_another(style: str) -> None:
    with pytest.raises(RewardError, match='think is an option of "style: deepseek"'):
        load_reward("format", {"style": style, "think": "after"})


@pytest.mark.parametrize(
    ("match", "answer", "truth", "expected"),
    [
        ("jaccard", "AF", ("atrial fibrillation",), 1),
        ("jaccard", "AFIB; LBBB", ("atrial fibrillation", "right bundle branch block"), 1 / 3),
        ("jaccard", "atrial fibrillation", ("AFIB", "LBBB"), 1 / 2),
        ("jaccard", "no AF", ("atrial fibrillation",), 0),
        ("jaccard", "possible AF", ("atrial fibrillation",), 1 / 2),
        ("jaccard", "possible AF; LBBB", ("atrial fibrillation",), 1 / 4),
        ("jaccard", "AF; something else", ("atrial fibrillation",), 1 / 2),
        ("jaccard", "my own label", ("My own label",), 1),
        ("f1", "AFIB; LBBB", ("atrial fibrillation", "right bundle branch block"), 1 / 2),
        ("f1", "AF", ("AF",), 1),
        ("exact", "LBBB; AF", ("AF", "LBBB"), 1),
        ("exact", "AF", ("AF", "LBBB"), 0),
        ("exact", "possible AF", ("AF",), 0),
        ("ontology", "AF", ("AF",), 1),
        ("ontology", "right bundle branch block", ("incomplete right bundle branch block",), 0.5),
        ("ontology", "inferior MI", ("anterior MI",), 0.25),
        ("ontology", "normal ECG", ("anterior MI",), 0),
        ("ontology", "block", ("left bundle branch block",), 0),
        ("ontology", "bundle branch block", ("left bundle branch block",), 0.5),
        ("ontology", "inferior MI; lateral MI; LBBB", ("anterior MI",), 0.25 / 3),
        ("jaccard", "AF or LBBB", ("AF",), 0.25),
        ("jaccard", "AF, LBBB or LVH", ("AF",), 0),
        ("jaccard", "AF; possible LBBB; possible LVH; possible RBBB", ("AF",), 0.25),
    ],
)
def test_diagnosis(match: str, answer: str, truth: tuple[str, ...], expected: float) -> None:
    text = f"<think>x</think><answer>{answer}</answer>"
    assert score("diagnosis", text, diagnoses=truth, options={"match": match}) == pytest.approx(expected)


def test_diagnosis_does_not_apply_without_a_truth() -> None:
    assert score("diagnosis", "<answer>AF</answer>", diagnoses=()) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("B", 1),
        ("b", 1),
        ("B.", 0.5),
        ("(B)", 0.5),
        ("B) infarct", 0.5),
        ("option: B", 0.5),
        ("A or B", 0),
        ("A", 0),
        ("", 0),
        ("Because", 0),
        ("Definitely not B", 0),
        ("It is not B", 0),
        ("I don't think that it is B", 0),
        ("anything but B", 0),
        ("B is wrong", 0),
        ("B: wrong", 0),
        ("B (incorrect)", 0),
        ("B isn't right", 0),
        ("B can be ruled out", 0),
        ("I exclude option B.", 0),
        ("It is false that it is B", 0),
        ("~~B~~", 0),
        ("B ❌", 0),
        ("B? No.", 0),
        ("B is the wrong one", 0),
        ("B isn’t it", 0),
        ("least likely: B", 0),
        ("¬B", 0),
        ("not-B", 0),
        ("[ ] B", 0),
        ("[x] B", 0.5),
        ("no doubt B", 0.5),
        ("~~A~~ B", 0.5),
        ("B (0%)", 0),
        ("B: 0 %", 0),
        ("0% chance of B", 0),
        ("ruling B out", 0),
        ("I rule option B out", 0),
        ("B left out", 0),
        ("B (100%)", 0.5),
        ("B: 90% sure", 0.5),
        ("B) No ST elevation", 0.5),
        ("B. Not specific", 0.5),
        ("The rhythm is not regular, so B", 0.5),
        ("The rhythm is not regular and therefore B", 0.5),
        ("There are no P waves. Answer: B", 0.5),
        ("**B**", 0.5),
        ("$\\boxed{B}$", 0.5),
        ("B. Left bundle branch block", 0.5),
        ("b) LBBB", 0.5),
        ("The correct option is B", 0.5),
        ("the correct answer is (b).", 0.5),
        ("I think it is B", 0.5),
        ("A normal ECG is excluded by the long PR: B", 0.5),
        ("B, because A and C do not fit", 0.5),
        ("B since A is wrong", 0.5),
        ("B. A and C do not fit.", 0.5),
        ("Answer: B) LBBB", 0.5),
        ("B and C", 0),
        ("B. The answer is C.", 0),
        ("B or C, because A is wrong", 0),
        ("A because B does not fit", 0),
        ("A. B does not fit.", 0),
        ("B. B does not fit.", 0),
        ("C, not B", 0),
        ("Not B, because it is narrow", 0),
        ("A. normal\nB. LBBB\nC. AF", 0),
        ("a normal ECG", 0),
        ("best", 0),
    ],
)
def test_choice(answer: str, expected: float) -> None:
    assert score("choice", f"<think>x</think><answer>{answer}</answer>", extra={"answer": "B"}) == expected
    assert score("choice", f"<answer>{answer}</answer>") is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A", 1),
        ("(A)", 0.5),
        ("A. Normal ECG", 0.5),
        ("The answer is A.", 0.5),
        ("A, because B is wrong", 0.5),
        ("I choose A.", 0.5),
        ("A normal ECG", 0),
        ("The answer is A normal ECG", 0),
        ("The answer is a normal ECG", 0),
        ("A wide QRS", 0),
        ("I see a block", 0),
        ("A or B", 0),
    ],
)
def test_a_letter_that_is_a_word_is_no_choice(answer: str, expected: float) -> None:
    assert score("choice", f"<answer>{answer}</answer>", extra={"answer": "A"}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is slow.\nAnswer: B", 1),
        ("It is slow. The correct option is B.", 1),
        ("A is AF.\n\n**Answer: B**", 1),
        ("\\boxed{B}", 1),
        ('{"answer": "B"}', 1),
        ("A is wrong.\nC is wrong.\nB", 1),
        ("Answer: B) LBBB", 0.5),
        ("Answer: A\nAnswer: B", 0),
        ("Answer: A\n\\boxed{B}", 0),
        ("The answer is A. The answer is B.", 0),
    ],
)
def test_choice_without_tags(text: str, expected: float) -> None:
    assert score("choice", text, extra={"answer": "B"}) == expected


NEEDED = {"quantities": ["pr_ms"]}


@pytest.mark.parametrize(
    ("text", "measured", "expected"),
    [
        ("PR 224 ms", {"pr_ms": 224}, 1),
        ("PR 0.224 s", {"pr_ms": 224}, 1),
        ("PR 244 ms", {"pr_ms": 224}, 0.367879),
        ("PR 204 ms", {"pr_ms": 224}, 0.367879),
        ("PR 224-224.5 ms", {"pr_ms": 224}, 0.487655),
        ("PR > 204 ms", {"pr_ms": 224}, 0.183940),
        ("PR 224 ms, PR 300 ms", {"pr_ms": 224}, 0),
        ("PR 224 ms. PR 224 ms.", {"pr_ms": 224}, 1),
        ("", {"pr_ms": 224}, 0),
        ("PR not measurable", {"pr_ms": 224}, 0),
        ("PR not measurable", {"unmeasurable": {"pr_ms": "no P waves"}}, 1),
        ("PR 160 ms", {"unmeasurable": {"pr_ms": "no P waves"}}, 0),
        ("", {"unmeasurable": {"pr_ms": "no P waves"}}, 0),
        ("PR 160 ms", {"unmeasurable": {"pr_ms": "too noisy"}}, None),
        ("PR not measurable", {"unmeasurable": {"pr_ms": "too noisy"}}, 1),
        ("PR 160 ms", {}, None),
        ("PR 224 ms, QRS 180 ms", {"pr_ms": 224, "qrs_ms": 92}, 0.5),
        ("PR 224 ms, QRS 92 ms", {"pr_ms": 224, "qrs_ms": 92}, 1),
    ],
)
def test_intervals(text: str, measured: dict, expected: float | None) -> None:
    value = score("intervals", text, measured=measured, options=NEEDED)
    assert value == (None if expected is None else pytest.approx(expected, abs=1e-5))


ALL_FOUR = {"heart_rate_bpm": 64, "pr_ms": 224, "qrs_ms": 92, "qt_ms": 412, "qtc_ms": 426}
THREE = "Rate 64 bpm. PR 224 ms. QRS 92 ms. "


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (THREE + "QTc 426 ms.", {}, 1),
        (THREE + "QTc 456 ms.", {}, (3 + 0.367879) / 4),
        (THREE + "QT 412 ms. QTc 426 ms.", {}, 1),
        (THREE + "QT 412 ms. QTc 526 ms.", {}, 4 / 5),
        (THREE + "QT 600 ms. QTc 426 ms.", {}, (3 + 0.000543) / 4),
        (THREE + "QTc 426 ms. QTc 526 ms.", {}, 3 / 4),
        (THREE, {}, 3 / 4),
        (THREE + "QTc 426 ms.", {"qtc_for_qt": False}, 3 / 4),
        (THREE + "QTc 526 ms.", {"qtc_for_qt": False}, 3 / 5),
        (THREE, {"owed": 3}, 1),
        ("Rate 64 bpm. PR 224 ms.", {"owed": 3}, 2 / 3),
        ("Rate 64 bpm.", {"owed": 1}, 1),
        ("Rate 64 bpm. PR 300 ms.", {"owed": 1}, (1 + 0.022371) / 2),
        ("", {"owed": 1}, 0),
        (THREE + "QT 412 ms.", {"owed": 2}, 1),
        ("QTc 426 ms.", {"quantities": ["qt_ms"]}, 1),
        ("QTc 426 ms.", {"quantities": ["qtc_ms", "qt_ms"]}, 1 / 2),
    ],
)
def test_what_a_report_owes(text: str, options: dict, expected: float) -> None:
    assert score("intervals", text, measured=ALL_FOUR, options=options) == pytest.approx(expected, abs=1e-5)


def test_a_qtc_that_cannot_be_judged_stands_for_no_qt() -> None:
    measured = {"heart_rate_bpm": 64, "pr_ms": 224, "qrs_ms": 92, "qt_ms": 412}
    assert score("intervals", THREE + "QTc 426 ms.", measured=measured) == pytest.approx(3 / 4)


def test_intervals_gives_one_row_of_evidence_for_each_quote() -> None:
    text = "<think>Rate 64 bpm. PR interval 160 ms.</think>"
    case = Case("r", (), Measurements.from_json(MEASURED))
    rate, pr = load_reward("intervals")(Completion.parse(text), case).evidence
    assert (rate.verdict, pr.verdict) == ("supported", "contradicted")
    assert (pr.quantity, pr.quoted, pr.unit, pr.measured, pr.tolerance) == ("pr_ms", 160, "ms", 224, 20)
    assert text[slice(*pr.span)] == pr.text == "PR interval 160 ms"
    assert 0 < pr.score < rate.score == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("QTc = QT/√RR = 400/√0.8 = 447 ms", 1),
        ("QTc = 400/√0.8 = 480 ms", 0),
        ("QTc = QT × √RR = 400/√0.8 = 447 ms", 0),
        ("QTc = 0.40/sqrt(0.8) = 447 ms", 1),
        ("QTc = QT/RR^(1/3) = 400/0.8^(1/3) = 431 ms", 1),
        ("HR = 60000/800 = 75 bpm", 1),
        ("rate = 60/0.8 s = 70 bpm", 0),
        ("60 * 1000 / 800 = 75 bpm", 1),
        ("60 * 1000 / 800 = 75", None),
        ("60 * 1000 / 800 = 80", 0),
        ("1+1=2. 0*436 = 0.", None),
        ("1+1=3.", 0),
        ("HR = 60/RR. QTc = QT/√RR.", None),
        ("HR = 60/RR = 5 × RR", 0),
        ("RR = 60000/72 = 833 ms. " * 20 + "RR = 60000/72 = 3 ms.", 0.5),
        (" ".join(f"RR = 60000/{n} = {60000 / n:.0f} ms." for n in range(50, 70)) + " RR = 60000/72 = 3 ms.", 0.5),
        ("Rate 75 bpm, RR 800 ms", 1),
        ("Rate 75 bpm, RR 900 ms", 0),
        ("Rate 75 bpm, QT 400 ms, QTc 447 ms", 1),
        ("Rate 75 bpm, QT 400 ms, QTc 431 ms by Fridericia", 1),
        ("Rate 75 bpm, QT 400 ms, QTc 400 ms", 0),
        ("QRS is positive in lead I and negative in aVF; axis -40 degrees", 1),
        ("QRS is positive in lead I and negative in aVF; axis 40 degrees", 0),
        ("PR = 160 ms", None),
        ("9^9^9^9 = 3", None),
        ("1/0 = 5", 0),
        ("412/√0.938 gives 470 ms", 0),
        ("QTc = 412/√0.938 → about 470 ms", 0),
        ("QTc = 412/√0.938 =\n470 ms", 0),
        ("QTc is 412/√0.938 = ~425 ms", 1),
        ("The rate is 64 bpm and the axis is normal", None),
        # none right pays nothing, however many are wrong
        ("QTc = 400/√0.8 = 480 ms. 1+1=3. RR = 60000/72 = 3 ms.", 0),
        ("QTc = 400/√0.8 = 447 ms. 1+1=3.", 0.5),
        ("QTc = 400/√0.8 = 447 ms. 1+1=3. 2+2=5.", 0.25),
        # formulas on the quoted values
        ("RR interval is 800 ms. Rate = 60000/RR = 95 bpm.", 0),
        ("RR interval is 800 ms. Rate = 60000/RR = 75 bpm.", 1),
        ("RR interval is 0.8 s. Rate = 60/RR = 75 bpm.", 1),
        ("The rate is 75 bpm. RR = 60/HR = 0.8 s.", 1),
        ("The rate is 75 bpm. RR = 60000/HR = 900 ms.", 0),
        ("QT is 400 ms and RR is 800 ms. QTc = QT/√RR = 500 ms.", 0),
        ("QT is 400 ms and RR is 800 ms. QTc = QT/√RR = 447 ms.", 1),
        ("QT 400 ms. QTc = QT/√RR = 500 ms.", None),
        # what gets nothing from anything earns nothing
        ("5 ms / 1 = 5 ms", None),
        ("5 ms + 0 ms = 5 ms", None),
        ("rate = 75/1 = 75 bpm", None),
        ("rate = 60 × 1 = 60 bpm", None),
        ("40 ms × 1 = 40 ms", None),
        ("3 ms + 4 ms = 7 ms", None),
        ("√1 × 5 ms = 5 ms", None),
        ("5 ms / 1 = 6 ms", 0),
        ("4 small boxes × 40 ms = 160 ms", 1),
        ("4 small boxes × 40 ms = 200 ms", 0),
        ("0.16 s × 1000 = 160 ms", 1),
        ("rate = 300/4 large boxes = 75 bpm", 1),
        ("rate = 12 × 6 = 72 bpm", 1),
        ("QTc = 400/√1 = 400 ms", 1),
    ],
)
def test_arithmetic(text: str, expected: float | None) -> None:
    assert score("arithmetic", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("QRS is positive in lead I and negative in aVF: right axis deviation", 0),
        ("QRS is positive in lead I and negative in aVF: left axis deviation", 1),
        ("QRS is positive in leads I and aVF: normal axis", 1),
        ("QRS is positive in leads I and aVF. Left axis deviation.", 0),
        ("Lead I is positive and aVF is negative: right axis deviation", 0),
        ("Lead I is positive and aVF is negative, so there is left axis deviation", 1),
        ("I is upright, aVF is negative: the axis is normal", 0),
        ("I is upright, II is upright, aVF is negative: the axis is normal", 1),
        ("lead I positive, aVF positive. The axis is normal.", 1),
        ("lead I negative, aVF positive. Right axis deviation.", 1),
        ("lead I negative, aVF negative. Extreme axis deviation.", 1),
        ("lead I negative, aVF negative. The axis is normal.", 0),
        ("The QRS is predominantly positive in I and mainly negative in aVF. Axis 40 degrees", 0),
        ("I导联正向，aVF导联负向，电轴左偏", 1),
        ("I导联主波向上，aVF导联主波向下，电轴右偏", 0),
        ("I、aVF导联主波均向上，电轴正常", 1),
        ("T waves are upright in I and negative in aVF. Right axis deviation.", None),
        ("If lead I is positive and aVF is negative, there is left axis deviation.", None),
        ("QRS is positive in lead I and negative in aVF. No right axis deviation.", None),
        ("QRS is positive in lead I and negative in aVF.", None),
        ("Lead I is positive. Right axis deviation.", None),
    ],
)
def test_the_axis_is_held_against_the_signs_in_two_leads(text: str, expected: float | None) -> None:
    assert score("arithmetic", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>PR 224 ms</think><answer>first-degree AV block</answer>", 1),
        ("<think>PR 160 ms</think><answer>first-degree AV block</answer>", 0),
        ("<think>PR not measurable</think><answer>first-degree AV block</answer>", 0),
        ("<think>PR 160 ms</think><answer>atrial fibrillation</answer>", 0),
        ("<think>PR not measurable</think><answer>atrial fibrillation</answer>", 1),
        ("<think>Rate 50 bpm</think><answer>sinus tachycardia</answer>", 0),
        ("<think>PR 224 ms</think><answer>normal ECG</answer>", 0),
        ("<think>PR 160 ms. QRS 92 ms.</think><answer>normal ECG</answer>", 1),
        ("<think>PR 224 ms</think><answer>no first-degree AV block</answer>", 0),
        ("<think>This is not AF.</think><answer>AF</answer>", 0),
        ("<think>This is AF.</think><answer>AF</answer>", None),
        ("<think>PR 224 ms</think><answer>inferior MI</answer>", None),
        ("<think>This is AF. PR not measurable.</think><answer>AF</answer>", 1),
        ("<think>This is AF. It is not AF.</think><answer>AF</answer>", 0),
        ("<think>PR not measurable.</think><answer>AF; no AF</answer>", 0),
        # diagnoses that no ECG has together
        ("<answer>sinus bradycardia; sinus tachycardia</answer>", 0),
        ("<think>QRS 150 ms</think><answer>normal ECG; LBBB</answer>", 0),
        ("<answer>left axis deviation and right axis deviation</answer>", 0),
        ("<answer>normal ECG; long QT interval</answer>", 0),
        ("<answer>AF; first-degree AV block</answer>", 0),
        ("<answer>AF; WPW</answer>", None),
        ("<answer>sinus bradycardia; ventricular tachycardia</answer>", None),
        ("<answer>LBBB; RBBB</answer>", None),
        ("<answer>sinus bradycardia; no sinus tachycardia</answer>", None),
        ("<answer>normal ECG; sinus rhythm</answer>", None),
        # what a reading always quotes is quoted, and held against what the answer implies
        ("<think>PR 160 ms.</think><answer>normal ECG</answer>", None),
        ("<think>Is the PR 224 ms? QRS 92 ms.</think><answer>normal ECG</answer>", None),
        ("<think>If the PR were 224 ms. QRS 92 ms.</think><answer>normal ECG</answer>", None),
        ("<think>PR 160 ms. QRS 92 ms. QTc 480 ms.</think><answer>normal ECG</answer>", 0),
        ("<think>PR not measurable. QRS 92 ms.</think><answer>normal ECG</answer>", 0),
        ("<think>Rate 50 bpm.</think><answer>sinus bradycardia; first-degree AV block</answer>", None),
        ("<think>Rate 80 bpm.</think><answer>AF</answer>", None),
        ("<think>PR 220 ms.</think><answer>inferior MI; no long QT interval</answer>", None),
        ("<think>PR 160 ms.</think><answer>inferior MI; no first-degree AV block</answer>", None),
        ("<think>PR not measurable.</think><answer>AF; no first-degree AV block</answer>", 1),
        # ranges and bounds, where they lie on one side of the limit
        ("<think>PR 164-180 ms</think><answer>first-degree AV block</answer>", 0),
        ("<think>PR < 180 ms</think><answer>first-degree AV block</answer>", 0),
        ("<think>The PR is over 200 ms</think><answer>first-degree AV block</answer>", 1),
        ("<think>PR 160-300 ms</think><answer>first-degree AV block</answer>", None),
        ("<think>PR 160-300 ms. QRS 92 ms.</think><answer>normal ECG</answer>", None),
        ("<think>QRS < 120 ms</think><answer>LBBB</answer>", 0),
        ("<think>PR 140-180 ms</think><answer>AF</answer>", 0),
    ],
)
def test_consistency(text: str, expected: float | None) -> None:
    assert score("consistency", text) == expected


# PKU's ECG-R1: two of three steps with evidence, one phrase of two, one of one, none of three.
EVIDENCE = {
    "step_1_technical_rate_rhythm": ["Sinus rhythm", "regular"], "step_2_conduction_axis_intervals": ["normal axis"],
    "step_4_ischemia_infarction_mimics": ["ST elevation in II, III, aVF", "reciprocal depression", "Q waves in III"],
}  # fmt: skip


def test_evidence_exact_is_that_of_the_paper() -> None:
    text = "<think>**Step 1: rate** sinus rhythm. **Step 2: axis** Normal axis. **Step 4** nothing. </think>"
    assert score("evidence", text, expected=EVIDENCE, options={"mode": "exact"}) == pytest.approx((0.5 + 1 + 0) / 3)
    assert score(
        "evidence", text.replace("Step 2", "Step 3"), expected=EVIDENCE, options={"mode": "exact"}
    ) == pytest.approx(0.5 / 3)
    assert score("evidence", text.replace("think>", "thought>"), expected=EVIDENCE, options={"mode": "exact"}) == 0
    assert score("evidence", text, options={"mode": "exact"}) is None


def test_evidence_tolerant_reads_paraphrase_numbers_and_polarity() -> None:
    evidence = {"1": ["rate 64 bpm"], "2": ["PR interval 224 ms", "no left ventricular hypertrophy"]}
    good = (
        "<think>Step 1: heart rate about 65 beats per minute.\n"
        "Step 2: The PR measures 0.22 s. LVH is absent, there is no LVH.</think>"
    )
    assert score("evidence", good, expected=evidence) == 1
    assert score("evidence", good.replace("there is no LVH", "there is LVH"), expected=evidence) == pytest.approx(0.75)
    assert score("evidence", good.replace("0.22", "0.16"), expected=evidence) == pytest.approx(0.75)


def test_steps() -> None:
    key = {"key_steps": [["PR interval 224 ms"], ["rate 64 bpm"], ["AV conduction delay", AVB], ["QRS duration 92 ms"]]}
    three = f"<think>Step 1: rate 64 bpm.\nStep 2: PR 220 ms.\nStep 3: {AVB}.</think><answer>{AVB}</answer>"
    accuracy, validity = {"parts": ["accuracy"]}, {"parts": ["validity"]}
    assert score("steps", three, extra=key, options=accuracy) == pytest.approx(1.075)
    assert score("steps", three.replace(f"<answer>{AVB}", "<answer>AF"), extra=key, options=accuracy) == pytest.approx(
        0.075
    )
    assert score("steps", three, options=validity) == 1
    assert score("steps", three.replace("Step 3", "Step 4"), options=validity) == 0
    for empty in (".", "\u3164", "rate 64 bpm."):
        assert score("steps", three.replace("PR 220 ms.", empty), options=validity) == 0
    assert score("steps", three.split("<answer>")[0] + "<answer></answer>", options=validity) == 0
    assert score("steps", f"<answer>{AVB}</answer>" + three.split("<answer>")[0], options=validity) == 0
    assert score("steps", three, options={"parts": ["accuracy"]}) > 1  # key steps from the measurements, no model asked


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("leads II, III and aVF from 1.20 to 1.30 s", 1),
        ("inferior leads, 1.20-1.30 s", 1),
        ("inferior leads, 1.20–1.30 seconds", 1),
        ("inferior leads from 1200 to 1300 ms", 1),
        ("inferior leads, 1200 ms to 1300 ms", 1),
        ("inferior leads, 1.2 s to 1300 milliseconds", 1),
        ("inferior leads, 1200-1300 ms, PR 120-200 ms, QT from 380 to 400 ms", 1),
        ("inferior leads from 1200 to 1300 s", 0.5),
        ("II、III、aVF导联，1200至1300毫秒", 1),
        ("II and III at 1.2-1.3 s", (2 / 3 + 1) / 2),
        ("all leads from 1.0 to 2.0 s", (3 / 12 + 0.1) / 2),
        ("V1-V4 from 3 to 4 s", 0),
        ("", 0),
        ("not in leads II, III, aVF", 0),
        ("no ST elevation in II, III, aVF from 1.20 to 1.30 s", 0),
        ("leads other than II, III, aVF", 0),
        ("is it in II, III, aVF from 1.20 to 1.30 s?", 0),
        ("II, III, aVF but not from 1.20 to 1.30 s", 0.5),
        ("(not in V1-V6) II, III, aVF from 1.20 to 1.30 s", 1),
        ("II, III, aVF from 1.20 to 1.30 s, not V1-V6 from 5 to 6 s", 1),
        ("II, III, aVF from 1.20 to 1.30 s (on the previous ECG V1-V6 from 5 to 6 s)", 1),
        ("limb leads except I, aVR and aVL, from 1.20 to 1.30 s", 1),
        ("inferior and all other leads", 3 / 12 / 2),
        ("~~II, III, aVF~~ V1", 0),
        ("nothing in II, III, aVF from 1.20 to 1.30 s", 0),
        ("limb leads but not I, aVR, aVL, from 1.20 to 1.30 s", 1),
    ],
)
def test_localisation(answer: str, expected: float) -> None:
    evidence = {"leads": ["II", "III", "aVF"], "windows": [[1.2, 1.3]]}
    assert score("localisation", f"<answer>{answer}</answer>", expected=evidence) == pytest.approx(expected)
    assert score("localisation", f"<answer>{answer}</answer>") is None


@pytest.mark.parametrize(("n", "expected"), [(1536, 0.0), (1800, -0.515625), (2048, -1.0), (5000, -1.0)])
def test_length(n: int, expected: float) -> None:
    assert score("length", "a " * n, options={"limit": 2048, "cache": 512}) == expected


@pytest.mark.parametrize(
    "text", ["word,", "word_", "word\u200b", "word/", "字", "あ", "한", "🔹", "中" + "a" * 20, ". . . . "]
)
def test_no_text_is_short_for_want_of_spaces(text: str) -> None:
    assert score("length", text * 400) < 0


def test_repetition() -> None:
    assert score("repetition", "one two three four five six seven") == 0
    assert score("repetition", "a b c d " * 50) < -0.9
    assert score("repetition", "") == 0
    for text in ("αβγ δεζ ηθι κλμ ", "あいうえおか", "🔸 🔹 🔷 🔶 "):
        assert score("repetition", text * 50) < -0.9


def test_language() -> None:
    english, chinese = "<think>The rhythm is sinus.</think>", "<think>窦性心律，PR间期160 ms，V1导联。</think>"
    assert score("language", english) == 1
    assert score("language", chinese, options={"language": "zh"}) == 1
    assert score("language", chinese) == 0
    assert 0 < score("language", english + chinese) < 1
    assert score("language", "160 ms") is None


BAD = {
    "format": [{"think": "never"}, {"think": ["before"]}, {"think": None}, {"style": "r1"}, {"style": None}],
    "diagnosis": [{"match": "best"}, {"match": ["exact"]}],
    "choice": [{"field": ""}, {"field": 3}, {"field": None}],
    "intervals": [{"quantities": value} for value in ([], "pr_ms", ["pr"], [["pr_ms"]], None)]
    + [{"owed": value} for value in (0, 5, "2", 1.5, True)]
    + [{"qtc_for_qt": value} for value in ("yes", 1, None)],
    "evidence": [{"mode": "strict"}, {"mode": None}],
    "steps": [{"alpha": value} for value in (-0.1, "0.1", None, float("nan"), float("inf"), True)]
    + [{"parts": value} for value in ([], "accuracy", ["speed"], None, [["accuracy"]])],
    "localisation": [{"where": "think"}, {"where": None}],
    "length": [{"limit": value} for value in (0, -1, "400", None, float("nan"), True)]
    + [{"cache": value} for value in (0, -1, 500, "100", None)]
    + [{"unit": "letters"}, {"unit": None}],
    "repetition": [{"n": value} for value in (0, -1, 1.5, "4", None, True)],
    "language": [{"language": "de"}, {"language": ["en"]}],
}


@pytest.mark.parametrize(("name", "options"), [(name, options) for name, all_bad in BAD.items() for options in all_bad])
def test_a_bad_option_is_refused_before_anything_is_read(name: str, options: dict) -> None:
    function, nothing = load_reward(name).function, Case("r", (), Measurements.from_json({}))
    with pytest.raises(RewardError, match=rf"^{name}: {next(iter(options))} is "):
        function(Completion.parse(""), nothing, **options)


@pytest.mark.parametrize(
    "text", ["~~A~~ B", "<del>A</del>B", "<S>A</S> B", "<!-- A --> B", "B <!-- A", "~~A <s>C~~ D</s> B"]
)
def test_what_is_struck_out_is_no_choice_and_no_claim(text: str) -> None:
    assert score("choice", f"<answer>{text}</answer>", extra={"answer": "B"}) == 0.5
    assert set(claimed(text).text.split()) == {"b"}
