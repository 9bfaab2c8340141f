"""No strategy that shows no more knowledge of the ECG is paid more than an honest completion."""

import re

import pytest
from free_hacks import FREE
from hacks import CASE, GUESS, HACKS, HONEST, NORMAL, PARTLY, write
from more_hacks import MORE

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, Score, load_reward

ALL_HACKS = HACKS | MORE | FREE
WEIGHTS = {"format": 0.1, "diagnosis": 0.4, "intervals": 0.4, "consistency": 0.1}
LIBRARY = {name: load_reward(name) for name in WEIGHTS}


# The strategies are written for CASE; for these their numbers and diagnoses are exchanged for the case's own.
# name -> (diagnosis, rate, PR and a wrong PR, QRS, QT); a PR of None is one that cannot be measured.
OTHERS = {
    "normal": ("normal ECG", 72, 184, 118, 94, 390),
    "AF": ("atrial fibrillation", 98, None, 290, 88, 352),
    "LBBB": ("left bundle branch block", 78, 190, 256, 152, 436),
}


def other_case(name: str) -> Case:
    diagnosis, rate, pr, _, qrs, qt = OTHERS[name]
    measured = {"heart_rate_bpm": rate, "rr_ms": round(60000 / rate), "qrs_ms": qrs, "qt_ms": qt}
    measured |= {"pr_ms": pr} if pr else {"unmeasurable": {"pr_ms": "no P waves"}}
    return Case("r", (diagnosis,), Measurements.from_json(measured), question=CASE.question)


def translated(text: str, name: str) -> str:
    """A strategy, or an honest completion, for another case."""
    diagnosis, rate, pr, wrong, qrs, qt = OTHERS[name]
    numbers = {64: rate, 63: rate - 1, 92: qrs, 91: qrs - 1, 412: qt, 411: qt - 1, 290: wrong}
    if pr:
        numbers |= {224: pr, 223: pr - 1, 225: pr + 1}
        text = text.replace("0.224", f"0.{pr}")
    else:
        text = re.sub(r"(PR(?: interval)?) 224 ms", r"\1 not measurable", text)
    text = re.sub(r"(?<![\d.])\d{2,3}(?![\d.])", lambda m: str(numbers.get(int(m[0]), m[0])), text)
    names = {"first-degree AV block": diagnosis, diagnosis: "first-degree AV block"}
    pattern = "|".join("\u200b?".join(re.escape(c) for c in known) for known in names)
    return re.sub(pattern, lambda m: names[m[0].replace("\u200b", "")], text)


def total(text: str, case: Case = CASE) -> float:
    completion = Completion.parse(text)
    scores = {name: reward(completion, case) for name, reward in LIBRARY.items()}
    return sum(WEIGHTS[name] * score.value for name, score in scores.items() if score is not None)


def test_honesty_pays_by_what_it_knows() -> None:
    assert total(HONEST) == pytest.approx(1.0)
    assert total(GUESS) < total(PARTLY) < total(HONEST)


def test_there_are_at_least_40_strategies() -> None:
    assert len(HACKS) >= 40


@pytest.mark.parametrize("strategy", ALL_HACKS)
def test_cheating_pays_no_more(strategy: str) -> None:
    text, honest = ALL_HACKS[strategy]
    assert total(text) <= total(honest) + 1e-9


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("strategy", ALL_HACKS)
def test_cheating_pays_no_more_on_other_cases(strategy: str, name: str) -> None:
    text, honest = (translated(said, name) for said in ALL_HACKS[strategy])
    listed = 0.01  # what the Jaccard index gives to naming all diagnoses there are, and not to a wrong guess
    assert total(text, other_case(name)) <= total(honest, other_case(name)) + listed


@pytest.mark.parametrize("name", OTHERS)
def test_honesty_pays_on_other_cases(name: str) -> None:
    honest, partly, guess = (total(translated(text, name), other_case(name)) for text in (HONEST, PARTLY, GUESS))
    assert honest == pytest.approx(1.0)
    assert guess < partly < honest


def test_evidence_is_not_won_by_listing_phrases() -> None:
    evidence = load_reward("evidence")
    good = "<think>Step 1: Regular rhythm, rate 64 bpm.\nStep 2: PR interval 224 ms. No bundle branch block.</think>"
    stuffed = "Regular rhythm. Irregular rhythm. Rate 64 bpm. PR interval 224 ms. No bundle branch block. "
    stuffed += "Bundle branch block. "
    noise = "ST elevation. ST depression. T inversion. Q waves. Low voltage. Tall R waves. Delta waves. U waves. " * 5
    texts = (
        good,
        f"<think>Step 1: {stuffed}\nStep 2: {stuffed}</think>",
        good.replace("No bundle", noise + "No bundle"),
        good.replace("No bundle", "Bundle"),
        good.replace("Regular", "No regular"),
    )
    honest, *hacks = (evidence(Completion.parse(text), CASE).value for text in texts)
    assert honest == 1.0
    assert max(hacks) < honest


def test_arithmetic_is_not_won_by_easy_sums() -> None:
    arithmetic = load_reward("arithmetic")
    wrong = "QTc = 412/√0.938 = 470 ms."
    easy = " ".join(f"rate = 60/{n} = {60 / n:.2f}." for n in range(1, 20))
    right, both, mixed = ("QTc = 412/√0.938 = 425 ms.", wrong + easy, wrong + " QTc = 412/√0.938 = 425 ms.")
    paid = {text: arithmetic(Completion.parse(text), CASE).value for text in (wrong, right, easy, both, mixed)}
    assert paid[wrong] == 0.0
    assert paid[both] == paid[mixed] == 0.5 < paid[right]  # many right sums make up for no wrong one
    assert paid[both] < paid[easy]


@pytest.mark.parametrize(
    "sum_", ["1+1=3.", "5 ms / 1 = 6 ms.", "5 ms / 1 = 5 ms.", "2+2=4.", "rate = 60/0.8 = 70 bpm."]
)
def test_a_sum_that_is_wrong_or_means_nothing_pays_nothing(sum_: str) -> None:
    assert not (load_reward("arithmetic")(Completion.parse(sum_), CASE) or Score(None)).value


@pytest.mark.parametrize("pr", ["", "Is the PR 224 ms?", "If the PR were 224 ms.", "PR 100-300 ms.", "PR over 100 ms."])
def test_leaving_out_the_quote_that_contradicts_pays_no_more(pr: str) -> None:
    case = Case("r", ("normal ECG",), Measurements.from_json({"heart_rate_bpm": 72, "pr_ms": 164, "qrs_ms": 92,
                                                              "qt_ms": 390}))  # fmt: skip
    assert total(write(72, pr, 92, 390, NORMAL), case) <= total(write(72, 224, 92, 390, NORMAL), case)


@pytest.mark.parametrize("said", ["This is {}.", "{}; {}; {}.", "No long QT interval. {}."])
def test_repeating_the_answer_is_no_agreement(said: str) -> None:
    wrong = write(answer="inferior MI")
    assert total(wrong.replace("<think>", "<think>" + said.replace("{}", "inferior MI"))) <= total(wrong)
    assert total(wrong.replace("MI<", "MI; no first-degree AV block<")) <= total(wrong)


def test_consistency_is_not_won_by_adding_agreement() -> None:
    consistency = load_reward("consistency")
    contradiction = write(pr=160)
    padded = write(pr=160, rate="Rate 50 bpm.", answer="first-degree AV block; sinus bradycardia")
    assert consistency(Completion.parse(contradiction), CASE).value == 0.0
    assert consistency(Completion.parse(padded), CASE).value == 0.0


@pytest.mark.parametrize("filler", ["QRS 92 ms. ", "QRS, ", "Normal PR 120-200 ms. "])
def test_nothing_is_hidden_behind_what_is_no_longer_read(filler: str) -> None:
    hidden = Completion.parse(HONEST.replace("</think>", filler * 2000 + "PR 300 ms.</think>"))
    assert LIBRARY["intervals"](hidden, CASE).value == 0.0
    assert LIBRARY["consistency"](hidden, CASE).value == 0.0


@pytest.mark.parametrize("name", ["heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms"])
@pytest.mark.parametrize("side", [-1, 1])
def test_further_from_the_measurement_never_pays_more(name: str, side: int) -> None:
    measured = CASE.measurements.value(name)
    option = {"heart_rate_bpm": "rate", "pr_ms": "pr", "qrs_ms": "qrs", "qt_ms": "qt"}[name]
    paid = [total(write(**{option: measured + side * step})) for step in range(0, 60, 2)]
    assert paid == sorted(paid, reverse=True)
    name_in_text = {"heart_rate_bpm": "Rate", "pr_ms": "PR", "qrs_ms": "QRS", "qt_ms": "QT"}[name]
    twice = [f"{name_in_text} {measured:g}, {name_in_text} {measured + side * step:g}." for step in range(0, 60, 2)]
    paid = [total(write(**{option: text})) for text in twice]
    assert paid == sorted(paid, reverse=True)
