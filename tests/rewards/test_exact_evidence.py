"""`evidence` in mode "exact" against a plain reference of the rule, and against hostile texts."""

import random
import re

import pytest
from counted import MOST, growth

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, load_reward

KEYS = ("step_1_technical_rate_rhythm", "step_2_conduction_axis_intervals", "step_3_chamber_hypertrophy_voltage",
        "step_4_ischemia_infarction_mimics", "step_5_electrolytes_qt", "step_6_final_medical_reasoning")  # fmt: skip
PATTERN = re.compile(r"\*\*Step\s+(\d+).*?(\*\*|:|\n)(.*?)(?=\*\*Step|\Z)", re.DOTALL | re.IGNORECASE)
RHYTHM = {KEYS[0]: ["sinus rhythm"]}
PIECES = (
    *("**Step 1", "**STEP 2:", "**step  3 ", "**Step\n1", "**Step x", "**Stepwise", "**Step", "Step 1:", "** ", "***"),
    *("*", ":", "\n", " ", "0", "1", "2", "12", "٣", "<think>", "</think>", "<THINK>", "</Think>", "<think", "ſtep 1:"),
    *("sinus rhythm", "SINUS RHYTHM", "regular", "normal axis", "a.b", "axb", "İ", "K", "k", "no ", ". "),
)
PHRASES = ["sinus rhythm", "regular", "normal axis", "a.b", "k", "İ", "i", "no", ":", "1"]


def paid(text: str, evidence: dict, mode: str = "exact") -> float | None:
    case = Case("r", (), Measurements.from_json({}), expected=evidence)
    result = load_reward("evidence", {"mode": mode})(Completion.parse(text), case)
    return None if result is None else result.value


def reference(text: str, evidence: dict[str, list[str]]) -> float:
    """The rule with PKU's regular expressions: mean over the six keys with phrases of the share found in that step."""
    block = re.search(r"<think>(.*?)</think>", text, re.DOTALL | re.IGNORECASE)
    contents: dict[int, str] = {}
    for number, _, said in PATTERN.findall(block[1].strip() if block else ""):
        if said.strip():
            contents[int(number)] = said.strip()
    shares = [
        sum(bool(re.search(re.escape(phrase), contents.get(i, ""), re.IGNORECASE)) for phrase in evidence[key])
        / len(evidence[key])
        for i, key in enumerate(KEYS, start=1)
        if evidence.get(key)
    ]
    return sum(shares) / len(shares) if shares else 0.0


@pytest.mark.parametrize(
    ("think", "expected"),
    [
        ("**Step 1: rate** sinus rhythm.", 1),
        ("**STEP 1:** sinus rhythm", 1),
        ("**Step 1 sinus rhythm:** 72 bpm", 0),  # in the heading alone
        ("**Step 1 sinus rhythm", 0),  # a heading that does not end
        ("**Step 1:** aha **Stepwise view** sinus rhythm", 0),  # any "**Step" ends the step
        ("**Step 1:** sinus rhythm **Stepwise view** aha", 1),
        ("**Step 1** sinus rhythm **Step 1** ", 1),  # an empty one takes nothing back
        ("**Step 1:** sinus rhythm **Step 1:** ", 0),  # this one is not empty: the stars are its content
        ("**Step 1:** sinus rhythm **Step 1:** flutter", 0),
        ("**Step 1 **Step 1: sinus rhythm", 1),  # the second heading's stars end the first
        ("**Step 01:** sinus rhythm", 1),
        ("**Step 2:** sinus rhythm", 0),
        ("Step 1: sinus rhythm", 0),
        ("**Step 1:** no sinus rhythm", 1),  # a substring, as there
        ("**Step 1:** sinus  rhythm", 0),
    ],
)
def test_what_is_said_where(think: str, expected: float) -> None:
    text = f"<think>{think}</think><answer>x</answer>"
    assert paid(text, RHYTHM) == reference(text, RHYTHM) == expected


def test_only_the_six_keys_count() -> None:
    text = "<think>**Step 1:** sinus rhythm **Step 7:** aha</think>"
    assert paid(text, RHYTHM | {"step_7_other": ["more"], "step_2_other": ["more"], "2": ["more"]}) == 1
    assert paid(text, {"1": ["sinus rhythm"]}) == 0
    assert paid(text, {KEYS[0].upper(): "sinus rhythm; more"}) == 0.5
    assert paid(text, {}) is None
    assert paid(text, {"leads": ["II"]}) is None


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_the_reference(seed: int) -> None:
    rng, paying = random.Random(seed), 0
    exact = load_reward("evidence", {"mode": "exact"})
    for _ in range(5000):
        said = rng.choice(PIECES[:4]) + "".join(rng.choices(PIECES, k=rng.randrange(40)))
        text = f"<think>{said}</think>" if rng.random() < 0.8 else said
        evidence = {key: rng.sample(PHRASES, rng.randrange(4)) for key in rng.sample(KEYS[:4], rng.randrange(1, 4))}
        result = exact(Completion.parse(text), Case("r", (), Measurements.from_json({}), expected=evidence))
        expected = reference(text, evidence)
        assert (result.value if result else 0.0) == expected, (text, evidence)
        paying += expected > 0
    assert paying > 500


@pytest.mark.parametrize(
    "hostile", ["**Step 1", "**Step", "<think>", "**Step " + "1" * 5000, "**", "**Step 1:", "**Step \n", "**Step 1" * 2]
)
@pytest.mark.parametrize("closed", ["", "</think>", "</think>" * 1000])
def test_the_time_for_a_hostile_text_grows_with_its_length_and_no_faster(hostile: str, closed: str) -> None:
    def text(length: int) -> str:
        return "<think>" + (hostile * length)[:length] + closed

    assert growth(lambda said: paid(said, RHYTHM), text, 50_000) < MOST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>Sinus rhythm.</think><answer>normal ECG</answer>", 1),  # PKU's rule without headings: letter by letter
        ("<think>**Step 3:** sinus rhythm</think>", 1),
        ("<think>no sinus rhythm</think>", 1),  # it sees no denial, like the original
        ("<think>rhythm: sinus</think>", 0),
        ("<think>none</think>sinus rhythm", 0),  # outside the think block
        ("<think>sinus rhythm", 0),  # which is not closed
        ("sinus rhythm", 0),
        ("<think>none</think><think>sinus rhythm</think>", 0),  # in the first one alone
        ("", 0),
    ],
)
def test_without_steps_a_phrase_may_stand_anywhere_in_the_think_block(text, expected):
    assert paid(text, RHYTHM, "unstepped") == expected


def test_without_steps_the_mean_is_still_over_steps():
    wanted = {KEYS[0]: ["Heart rate 80 bpm"], KEYS[1]: ["PR interval 164 ms", "QRS duration 92 ms"]}
    assert paid("<think>Rate 80 bpm. PR interval 164 ms. QRS duration 90 ms.</think>", wanted, "unstepped") == 0.25
