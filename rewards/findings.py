"""Every finding that is claimed or denied, lead by lead, against what was measured on the signal."""

from ecg_r1.reading.findings.finding_words import GROUPS
from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.expected_findings import expected_findings
from ecg_r1.scoring.verify_findings import Held, hold, settle_findings


def has_findings(case: Case) -> bool:
    """Records whose findings are measured."""
    return any(not isinstance(cell, str) for cell in case.measurements.findings.measured.values())


@reward(applies=has_findings)
def findings(completion: Completion, case: Case) -> Score | None:
    """Mean over the findings that a reading of this ECG states; what is claimed and not there makes it smaller.

    A reading states those findings of the label that the signal shows (data/expected_findings.yaml). One that is left
    out, doubted or denied is worth 0. A claim of leads is worth the harmonic mean of its precision (over the leads that
    it names; a wrong lead is worth the less the further its number is from the threshold) and its recall (over the
    leads that show the finding). Claims of one finding are worth the least of them, and 0 where one of several is
    contradicted. Other findings pay nothing where they are right. Where the signal contradicts them they count like a
    finding that is left out, by as much as their numbers are past the threshold. What is borderline, not measurable, in
    a lead that is not shown, or named by a label that the signal contradicts, neither pays nor costs. Where nothing is
    expected, a completion that claims nothing wrong is worth 1.

    Args:
        completion: its findings are read by `reading.finding_claims`, and held against the signal by
            `scoring.verify_findings`.
        case: its measurements, with `findings`, and its labels.

    Returns:
        The mean, 0 to 1; None where no finding of the case is measured.
    """
    if not has_findings(case):
        return None
    if completion.has_more_findings:
        return Score(0.0, explanation="more findings than are read")
    held = hold(completion, case)
    wanted = expected_findings(case)
    scores = {name: _worth(_about(name, held)) for name in wanted}
    counted = {id(each) for name in wanted for each in _about(name, held)}
    wrong = [each for each in held if each.verdict == "contradicted" and id(each) not in counted]
    extra = {each.name: settle_findings([one for one in wrong if one.name == each.name]) or 0.0 for each in wrong}
    owed = len(wanted) + sum(1.0 - worth for worth in extra.values())
    value = sum(scores.values()) / owed if wanted else 1.0 / (1.0 + owed)
    missing = [name for name in wanted if not _about(name, held)]
    supported = sum(each.verdict == "supported" for each in held)
    explanation = f"{supported} of {len(held)} findings supported" + (
        f"; left out: {', '.join(missing)}" if missing else ""
    )
    evidence = tuple(each.judgement(completion) for each in held)
    return Score(value, extracted=scores, explanation=explanation, evidence=evidence)


def _worth(about: list[Held]) -> float:
    """What the claims of a finding that is there are worth; a claim without a right lead is worth no more than none."""
    return 0.0 if any(each.wrong and not each.right for each in about) else settle_findings(about) or 0.0


def _about(name: str, held: tuple[Held, ...]) -> list[Held]:
    """The claims that speak of a finding: by its name, or of a group that it belongs to or that it is."""
    names = {*GROUPS.get(name, ()), name, *(group for group, members in GROUPS.items() if name in members)}
    return [each for each in held if each.name in names]
