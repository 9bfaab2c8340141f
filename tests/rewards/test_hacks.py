"""No strategy that shows no more knowledge of the ECG is paid more than an honest completion."""

import pytest
from hacks import CASE, GUESS, HACKS, HONEST, PARTLY, write
from more_hacks import MORE

from ecg_r1.scoring import Completion, load_reward

WEIGHTS = {"format": 0.1, "diagnosis": 0.4, "intervals": 0.4, "consistency": 0.1}
LIBRARY = {name: load_reward(name) for name in WEIGHTS}


def total(text: str) -> float:
    completion = Completion.parse(text)
    scores = {name: reward(completion, CASE) for name, reward in LIBRARY.items()}
    return sum(WEIGHTS[name] * score.value for name, score in scores.items() if score is not None)


def test_honesty_pays_by_what_it_knows() -> None:
    assert total(HONEST) == pytest.approx(1.0)
    assert total(GUESS) < total(PARTLY) < total(HONEST)


def test_there_are_at_least_40_strategies() -> None:
    assert len(HACKS) >= 40


@pytest.mark.parametrize("strategy", HACKS | MORE)
def test_cheating_pays_no_more(strategy: str) -> None:
    text, honest = (HACKS | MORE)[strategy]
    assert total(text) <= total(honest) + 1e-9


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
    assert arithmetic(Completion.parse(wrong + easy), CASE).value <= arithmetic(Completion.parse(wrong), CASE).value


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
