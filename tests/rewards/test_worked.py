"""Values of the library's rewards that were worked out by hand, where the golden tables leave room for a mistake."""

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.phrases import says


def paid(name: str, text: str, *, diagnoses: tuple[str, ...] = (), options: dict | None = None, **case) -> float | None:
    score = load_reward(name, options)(Completion.parse(text), Case("r", diagnoses, Measurements.from_json({}), **case))
    return None if score is None else score.value


TERRITORIES = {  # by the coronary artery's usual reach, as textbooks name the leads
    "inferior": "II III aVF",
    "lateral": "I aVL V5 V6",
    "anterior": "V3 V4",
    "septal": "V1 V2",
    "inferolateral": "II III aVF I aVL V5 V6",
    "anterolateral": "V3 V4 I aVL V5 V6",
    "anteroseptal": "V1 V2 V3 V4",
    "precordial": "V1 V2 V3 V4 V5 V6",
    "limb": "I II III aVR aVL aVF",
    "all": "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6",
}


@pytest.mark.parametrize(("territory", "leads"), TERRITORIES.items())
def test_a_territory_is_its_leads_and_no_other(territory: str, leads: str) -> None:
    said = f"<answer>ST elevation in the {territory} leads</answer>"
    true = leads.split()
    assert paid("localisation", said, expected={"leads": true}) == 1.0
    assert paid("localisation", said, expected={"leads": true[1:]}) == pytest.approx((len(true) - 1) / len(true))


@pytest.mark.parametrize(
    ("said", "true", "shared"),
    [
        ("from 1.2 to 1.4 s", [[1.3, 1.5]], 1 / 3),  # 0.1 of 0.3 s
        ("from 1.3 to 1.5 s", [[1.2, 1.4]], 1 / 3),  # the same the other way round
        ("from 1.0 to 2.0 s", [[1.4, 1.6]], 1 / 5),
        ("from 1.4 to 1.6 s", [[1.0, 2.0]], 1 / 5),
        ("from 1.0 to 1.2 s", [[1.0, 1.2], [3.0, 3.2]], 1 / 2),
        ("from 1.0 to 1.2 s and from 3.0 to 3.2 s", [[1.0, 1.2]], 1 / 2),
        ("from 1.0 to 1.2 s", [[2.0, 2.2]], 0.0),
        ("1,2-1,4 s", [[1.3, 1.5]], 1 / 3),  # with a decimal comma
        ("von 1,2 bis 1,4 Sekunden", [[1.2, 1.4]], 1.0),
        ("bei 1,2 s", [[1.0, 2.0]], 0.0),  # one number
        ("[1200,1400] ms", [[1.2, 1.4]], 1.0),
    ],
)
def test_windows_are_worth_the_time_they_share_over_the_time_of_either(said: str, true: list, shared: float) -> None:
    assert paid("localisation", f"<answer>{said}</answer>", expected={"windows": true}) == pytest.approx(shared)


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("a b c d e a b c d", {}, -1 / 6),  # of six 4-grams the last is the first again
        ("a b c d e a b c", {}, 0.0),  # no four words come twice
        ("a b c d e a b c", {"n": 3}, -1 / 6),  # but three do
        ("a a a a", {"n": 1}, -3 / 4),
    ],
)
def test_repetition_is_the_share_of_n_grams_that_repeat_an_earlier_one(text: str, options: dict, value: float) -> None:
    assert paid("repetition", text, options=options) == pytest.approx(value)


def test_a_p_wave_of_any_duration_contradicts_atrial_fibrillation() -> None:
    said = "<think>PR interval not measurable. {}</think><answer>atrial fibrillation</answer>"
    assert paid("consistency", said.format("P wave duration 100 ms.")) == 0.0
    assert paid("consistency", said.format("")) == 1.0


@pytest.mark.parametrize(("quoted", "right"), [(1.2, True), (1.09, True), (1.31, True), (1.07, False), (1.33, False)])
def test_an_amplitude_is_said_by_one_a_tenth_away_at_most(quoted: float, right: bool) -> None:
    assert says(Completion.parse(f"S wave {quoted} mV in V1."), "S wave 1.2 mV in V1") == right


@pytest.mark.parametrize(
    ("said", "right"),
    [  # five content words: broad, notched, R, wave, V6
        ("broad notched R wave in V6", True),
        ("notched R wave in V6", True),  # four of them
        ("broad R wave", False),  # three
    ],
)
def test_a_phrase_is_said_by_three_quarters_of_its_words(said: str, right: bool) -> None:
    assert says(Completion.parse(said), "broad notched R wave in V6") == right


def test_a_text_without_spaces_has_a_word_for_every_8_characters() -> None:
    assert paid("length", "a" * 8 * 350, options={"limit": 400, "cache": 100}) == pytest.approx(-0.5)  # DAPO, eq. 13


def test_a_long_reasoning_that_denies_forty_times_is_read_to_its_end() -> None:
    said = "<think>" + "No left bundle branch block. " * 40 + "</think><answer>atrial fibrillation</answer>"
    assert paid("diagnosis", said, diagnoses=("atrial fibrillation",)) == 1.0
