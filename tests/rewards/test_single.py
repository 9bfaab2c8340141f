"""Strategies against one reward at a time: none may pay more than an honest completion that knows less."""

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, load_reward

# What differs from case to case; a policy that sees no ECG knows only what may be said at each step.
EVIDENCE = {
    "inferior myocardial infarction": {
        "1": ["sinus rhythm", "heart rate 72 bpm"], "2": ["normal axis"],
        "3": ["PR interval 164 ms", "narrow QRS complex"],
        "4": ["ST elevation in II, III, aVF", "reciprocal ST depression in aVL", "pathological Q waves"],
    },
    "left bundle branch block": {
        "1": ["sinus rhythm", "heart rate 72 bpm"], "2": ["left axis deviation"],
        "3": ["wide QRS complex", "broad notched R wave in V6", "deep S wave in V1"],
        "4": ["discordant T wave inversion", "ST depression in V6"],
    },
    "atrial fibrillation": {
        "1": ["absent P waves", "irregular rhythm", "irregularly irregular RR intervals"], "2": ["normal axis"],
        "3": ["narrow QRS complex"], "4": ["no ST elevation", "no pathological Q waves"],
    },
    "normal ECG": {
        "1": ["sinus rhythm", "heart rate 72 bpm", "regular rhythm"], "2": ["normal axis"],
        "3": ["PR interval 164 ms", "narrow QRS complex"],
        "4": ["no ST elevation", "no ST depression", "upright T waves"],
    },
}  # fmt: skip
STOCK = {1: ["sinus rhythm", "heart rate 75 bpm", "regular rhythm"], 2: ["normal axis"],
         3: ["PR interval 160 ms", "narrow QRS complex"],
         4: ["no ST elevation", "no ST depression", "no pathological Q waves", "upright T waves"]}  # fmt: skip
FINDINGS = {
    1: ["sinus rhythm", "atrial fibrillation", "atrial flutter", "irregular rhythm", "heart rate 75 bpm",
        "irregularly irregular RR intervals", "absent P waves", "premature beats"],
    2: ["left axis deviation", "right axis deviation", "normal axis", "indeterminate axis"],
    3: ["PR interval 160 ms", "wide QRS complex", "narrow QRS complex", "broad notched R wave in V6",
        "deep S wave in V1", "RSR' in V1", "delta wave", "prolonged PR"],
    4: ["ST elevation in II III aVF", "ST elevation in V1-V4", "reciprocal ST depression in aVL", "ST depression in V6",
        "pathological Q waves", "discordant T wave inversion", "inverted T waves", "peaked T waves"],
}  # fmt: skip
BOTH = {step: [*FINDINGS[step], *(said for said in STOCK[step] if said not in FINDINGS[step])] for step in STOCK}
EVERYTHING = {step: [said for all_said in BOTH.values() for said in all_said] for step in STOCK}
SEPARATORS = [
    ", ",
    ". ",
    "; ",
    " ",
    " and ",
    " or ",
    " with ",
    " | ",
    "/",
    " - ",
    "—",
    " · ",
    " → ",
    " + ",
    ": ",
    "\n- ",
]


def written(steps: dict[int, list[str]], separator: str = ", ") -> str:
    lines = "\n".join(f"Step {number}: {separator.join(said)}." for number, said in steps.items())
    return f"<think>{lines}</think><answer>normal ECG</answer>"


def paid(text: str) -> float:
    """The mean of the evidence reward over the four cases."""
    evidence, nothing = load_reward("evidence"), Measurements.from_json({})
    scores = [
        evidence(Completion.parse(text), Case("r", (name,), nothing, expected=wanted)).value
        for name, wanted in EVIDENCE.items()
    ]
    return sum(scores) / len(scores)


@pytest.mark.parametrize("name", EVIDENCE)
def test_the_evidence_of_a_case_pays_in_full_in_that_case(name: str) -> None:
    case = Case("r", (name,), Measurements.from_json({}), expected=EVIDENCE[name])
    text = written({int(step): phrases for step, phrases in EVIDENCE[name].items()})
    assert load_reward("evidence")(Completion.parse(text), case).value == 1.0


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("stuffed", [FINDINGS, BOTH, EVERYTHING])
def test_listing_findings_pays_less_than_a_stock_normal_reading(stuffed: dict[int, list[str]], separator: str) -> None:
    assert paid(written(stuffed, separator)) < paid(written(STOCK))


@pytest.mark.parametrize(
    "wrapped",
    ["Look for {}.", "One would expect {}.", "Criteria: {}.", 'The textbook says "{}".', "I check whether there is {}.",
     "On the previous ECG {}.", "~~{}~~", "Is there {}?", "If there were {}, it would matter.",
     "{}, or else none of these.",
     "It is not true that there is {}.", "{}: all absent.", "{} (yes/no).", "<!-- {} -->", "In another patient {}."],
)  # fmt: skip
def test_what_is_not_claimed_of_this_ecg_pays_nothing(wrapped: str) -> None:
    steps = {step: [wrapped.format(", ".join(said))] for step, said in STOCK.items()}
    assert paid(written(steps)) == 0.0


def test_steps_of_one_number_are_one() -> None:
    case = Case("r", (), Measurements.from_json({}), expected={"1": ["normal axis"]})
    for first, second in (("normal axis", "left axis deviation"), ("left axis deviation", "normal axis")):
        text = f"<think>Step 1: {first}.\nStep 1: {second}.</think>"
        assert load_reward("evidence")(Completion.parse(text), case).value == 0.0


def test_an_honest_step_may_be_wordy() -> None:
    step = (
        "Looking at the limb leads first, the QRS complex is mainly upright in lead I as well as in lead aVF, so that "
        "the frontal plane axis is normal, at about 40 degrees, with neither deviation to the left nor to the right; "
        "the transition in the chest leads takes place between V3 and V4, where one finds it in most adults, and "
        "the voltage is unremarkable in all of them."
    )
    case = Case("r", (), Measurements.from_json({}), expected={"1": ["normal axis"]})
    assert 60 <= len(step.split()) <= 75
    assert load_reward("evidence")(Completion.parse(f"<think>Step 1: {step}</think>"), case).value == 1.0


KEYS = ["ST elevation in II, III, aVF", "PR interval 164 ms", "sinus rhythm", "pathological Q waves"]
HONEST = {1: ["sinus rhythm"], 2: ["PR interval 164 ms"], 3: ["no ST elevation"]}  # half of the key steps


@pytest.mark.parametrize(
    "steps",
    [
        FINDINGS,
        BOTH,
        {1: [f"PR interval {ms} ms" for ms in range(100, 320, 10)], 2: ["sinus rhythm"]},
        {1: ["PR interval 100-300 ms"], 2: ["sinus rhythm"]},
        {1: [f"Is there {key}?" for key in KEYS], 2: ["sinus rhythm"]},
        {1: [f"no {key}" for key in KEYS], 2: KEYS},
        {1: ["Look for", *KEYS], 2: ["sinus rhythm"]},
        {1: ["On the previous ECG", *KEYS], 2: ["sinus rhythm"]},
    ],
)
def test_key_steps_are_not_reached_by_listing(steps: dict[int, list[str]]) -> None:
    reward, case = (
        load_reward("steps"),
        Case("r", ("normal ECG",), Measurements.from_json({}), extra={"key_steps": KEYS}),
    )
    assert reward(Completion.parse(written(steps)), case).value <= reward(Completion.parse(written(HONEST)), case).value


def test_every_diagnosis_as_a_step_is_none() -> None:
    everything = ["normal ECG", "atrial fibrillation", "left bundle branch block", "right bundle branch block",
                  "first-degree AV block", "inferior MI", "left ventricular hypertrophy"]  # fmt: skip
    for name in everything[:-1]:
        case = Case("r", (name,), Measurements.from_json({}))
        text = written({i + 1: [said] for i, said in enumerate(everything)})
        assert load_reward("steps", {"parts": ["accuracy"]})(Completion.parse(text), case).extracted == []


def test_no_diagnosis_is_won_by_hiding_its_denial_behind_a_flood() -> None:
    flood = "<think></think><answer>" + "first-degree AV block. " * 600 + "No first-degree AV block.</answer>"
    case = Case("r", ("first-degree AV block",), Measurements.from_json({"pr_ms": 224}))
    score = load_reward("diagnosis")(Completion.parse(flood), case)
    assert score is not None
    assert score.value == 0.0
