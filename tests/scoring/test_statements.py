"""Mentions of diagnoses, and whether they are asserted, denied or doubted."""

import pytest

from ecg_r1.scoring import Completion

AF, LBBB, RBBB, LVH, IMI = (
    "atrial fibrillation", "left bundle branch block", "right bundle branch block", "left ventricular hypertrophy",
    "inferior myocardial infarction",
)  # fmt: skip
AVB = "first-degree AV block"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Atrial fibrillation.", [(AF, "asserted")]),
        ("consistent with AF", [(AF, "asserted")]),
        ("No evidence of atrial fibrillation", [(AF, "negated")]),
        ("There is no LBBB or RBBB.", [(LBBB, "negated"), (RBBB, "negated")]),
        ("without left ventricular hypertrophy", [(LVH, "negated")]),
        ("atrial fibrillation is ruled out", [(AF, "negated")]),
        ("atrial fibrillation was excluded", [(AF, "negated")]),
        ("This rules out AF", [(AF, "negated")]),
        ("not consistent with LBBB", [(LBBB, "negated")]),
        ("LBBB is unlikely", [(LBBB, "negated")]),
        ("does not meet the criteria for LVH", [(LVH, "negated")]),
        ("possible inferior MI", [(IMI, "uncertain")]),
        ("Inferior MI cannot be ruled out", [(IMI, "uncertain")]),
        ("cannot exclude inferior MI", [(IMI, "uncertain")]),
        ("suspected atrial fibrillation", [(AF, "uncertain")]),
        ("AF or LBBB", [(AF, "uncertain"), (LBBB, "uncertain")]),
        ("AF?", [(AF, "uncertain")]),
        ("may represent LVH", [(LVH, "uncertain")]),
        ("No P waves are seen; atrial fibrillation.", [(AF, "asserted")]),
        ("There are no P waves, indicating atrial fibrillation", [(AF, "asserted")]),
        ("not LBBB but RBBB", [(LBBB, "negated"), (RBBB, "asserted")]),
        ("The PR interval is long, so first degree AV block", [(AVB, "asserted")]),
        ("1st degree AV block", [(AVB, "asserted")]),
        ("incomplete right bundle branch block", [("incomplete right bundle branch block", "asserted")]),
        ("normal ECG", [("normal ECG", "asserted")]),
        ("not a normal ECG", [("normal ECG", "negated")]),
        ("non-AF rhythm", []),
        ("LBBB-like morphology", []),
        ("AVF and aVL", []),
        ("心房颤动", [(AF, "asserted")]),
        ("未见左束支传导阻滞", [(LBBB, "negated")]),
        ("可能为下壁心肌梗死", [(IMI, "uncertain")]),
        ("不排除心房颤动", [(AF, "uncertain")]),
        ("一度房室传导阻滞", [(AVB, "asserted")]),
    ],
)
def test_polarity(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(m.name, m.polarity) for m in Completion.parse(text).statements] == expected


def test_a_mention_knows_where_it_stands() -> None:
    text = "<think>Not AF.</think><answer>LBBB</answer> and RBBB"
    found = Completion.parse(text).statements
    assert [m.where for m in found] == ["think", "answer", "outside"]
    assert [text[a:b] for a, b in (m.span for m in found)] == ["AF", "LBBB", "RBBB"]
