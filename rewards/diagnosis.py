"""The diagnoses of the answer against those of the case."""

import re

from ecg_r1.ecg.diagnosis import UnknownDiagnosis, vocabulary
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

MATCHES = ("exact", "jaccard", "f1")
_WORD = re.compile(r"[^\W\d_]{2,}")


def canonical(diagnosis: str) -> str:
    """The vocabulary's name of a diagnosis, or the diagnosis itself in lower case where it has none."""
    try:
        return vocabulary().get(diagnosis).name
    except UnknownDiagnosis:
        return diagnosis.strip().lower()


def answered(completion: Completion) -> tuple[dict[str, float], list[str]]:
    """({diagnosis: 1 if asserted, 0.5 if doubted}, [answers that name no known diagnosis]) of the answer.

    A diagnosis that is denied is not answered; one that is both asserted and denied counts as an unknown answer.
    """
    if completion.answer is None:
        return {}, []
    mentions = [m for m in completion.statements if m.where == "answer"]
    denied = {m.name for m in mentions if m.polarity == "negated"}
    given: dict[str, float] = {}
    for m in mentions:
        if m.polarity != "negated":
            weight = 1.0 if m.polarity == "asserted" else 0.5
            given[m.name] = min(weight, given.get(m.name, 1.0))
    unknown = [name for name in given if name in denied]
    for part in re.split(r"[;\n；]", completion.answer):
        text = part.strip().lower()
        if _WORD.search(text) and not vocabulary().search(text):
            unknown.append(text[:60])
    return {name: weight for name, weight in given.items() if name not in denied}, unknown


@reward
def diagnosis(completion: Completion, case: Case, *, match: str = "jaccard") -> Score | None:
    """How well the set of answered diagnoses meets the case's; every needless one costs.

    match: "exact" (1 or 0), "jaccard" |A∩B| / |A∪B|, or "f1" 2|A∩B| / (|A| + |B|).
    A doubted diagnosis ("possible …") earns half where it is right and costs whole where it is wrong.
    None where the case has no diagnosis to compare with.
    """
    if match not in MATCHES:
        raise RewardError(f"diagnosis: match is one of {', '.join(MATCHES)}, not {match!r}")
    truth = {canonical(name) for name in case.diagnoses}
    if not truth:
        return None
    given, unknown = answered(completion)
    hit = sum(weight for name, weight in given.items() if name in truth)
    wrong = sum(name not in truth for name in given) + len(unknown)
    named = sum(name in truth for name in given) + wrong
    if match == "exact":
        value = float(hit == len(truth) and not wrong)
    elif match == "jaccard":
        value = hit / (len(truth) + wrong)
    else:
        value = 2 * hit / (len(truth) + named)
    return Score(value, extracted=sorted(given) + unknown, explanation=f"answered {sorted(given) + unknown}, true {sorted(truth)}")
