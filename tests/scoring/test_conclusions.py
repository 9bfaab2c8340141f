r"""Where the answer stands in a text without answer tags."""

import pytest

from ecg_r1.scoring import Completion


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The rate is 75 bpm. Therefore, the diagnosis is atrial fibrillation.", "atrial fibrillation"),
        ("Rate 75.\nSo the most likely diagnosis here is AF. Clinical correlation advised.", "AF"),
        ("Rate 75.\nFinal diagnosis: AF\nPlease consult a cardiologist.", "AF"),
        ("Rate 75.\n**Final Diagnosis:** AF with RVR.", "AF with RVR."),
        ("### Impression\n1. Sinus rhythm\n2. LBBB\n\n### Recommendations\nEcho.", "1. Sinus rhythm\n2. LBBB"),
        ("Impression:\n- Sinus rhythm\n- LBBB\nRecommendations: echo", "- Sinus rhythm\n- LBBB"),
        ("Intervals: PR 0.14 s. Conclusion: normal ECG, sinus rhythm.", "normal ECG, sinus rhythm."),
        ("Step 6: Final diagnosis: AF", "AF"),
        ("Values.\n\\boxed{Left bundle branch block}", "Left bundle branch block"),
        ("Values.\n$\\boxed{\\text{B}}$", "\\text{B}"),
        ('```json\n{\n  "rate": 75,\n  "diagnosis": "AF",\n  "confidence": "high"\n}\n```', "AF"),
        ('{"diagnosis": ["Sinus rhythm", "LBBB"], "why": "wide QRS"}', "Sinus rhythm\nLBBB"),
        ('{"final_diagnosis": {"primary": "AF", "other": ["LVH"]}}', "AF\nLVH"),
        ('{"findings": {"rate": 80}, "Diagnosis": "AF"', "AF"),
        ("The rate is 75.\nNo ST elevation.\nSinus rhythm with LBBB.", "Sinus rhythm with LBBB."),
        ("Sinus rhythm with LBBB.\nClinical correlation is recommended.\n", "Sinus rhythm with LBBB."),
        ("In conclusion, this ECG shows AF with LVH.", "this ECG shows AF with LVH"),
        ("<think>It may be LBBB.</think>\nThe tracing shows AF.", "The tracing shows AF."),
        ("It may be LBBB.</think>AF", "AF"),
        ("诊断：心房颤动", "心房颤动"),
        ("Beurteilung: Sinusrhythmus", "Sinusrhythmus"),
        # two are both
        ("Final diagnosis: AF\nFinal diagnosis: LBBB", "AF\nLBBB"),
        ("\\boxed{AF}\nDiagnosis: LBBB", "AF\nLBBB"),
        # tags alone count where there are any
        ("<answer>AF</answer> \\boxed{LBBB}", "AF"),
        ("Final diagnosis: LBBB <think>x</think><answer>AF</answer>", "AF"),
        ("<think>Final diagnosis: LBBB", None),
        ("AF</answer>", None),
        ("", None),
        ("  \n ", None),
    ],
)
def test_the_answer_of_a_free_text(text, answer):
    assert Completion.parse(text).answer == answer


def test_what_stands_before_the_conclusion_is_the_reasoning():
    parsed = Completion.parse("There is no LBBB.\nDiagnosis: AF")
    assert [(m.name, m.where) for m in parsed.statements] == [
        ("left bundle branch block", "think"),
        ("atrial fibrillation", "answer"),
    ]


@pytest.mark.parametrize(
    "unit",
    ["*", '"', "\n", "Diagnosis: ", "Diagnosis:\n", '"answer":["x",{', '{"answer":', "\\boxed{", "the diagnosis is ",
     "- ", "# ", "recommend, ", "(", "```\n", "Step 1: ", " ", "probable "],
)  # fmt: skip
def test_reading_stays_linear(unit):
    """Each of these was made to be slow; 100,000 characters of a quadratic pattern would take minutes."""
    text = unit * (100_000 // len(unit))
    assert Completion.parse(text).sections is not None
    assert Completion.parse(f"<answer>{text}").answer is not None or not text.strip()
