"""The diagnoses of the answer against those of the case."""

import re
from bisect import bisect_left

from ecg_r1.ecg.diagnosis import vocabulary
from ecg_r1.reading.statements import MOST
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

MATCHES = ("exact", "jaccard", "f1", "ontology")
DOUBTED = 0.5  # what "possible atrial fibrillation" is worth beside "atrial fibrillation"
DIFFERENTIAL = 2  # doubted diagnoses; a longer list commits to nothing and earns nothing
MORE_OR_LESS_SPECIFIC, SAME_SUPERCLASS = 0.5, 0.25  # partial credit of match="ontology"
_WORD = re.compile(r"[^\W\d_]{2,}")
_PART = re.compile(r"[^;\n；]+")


def canonical(diagnosis: str) -> str:
    """The vocabulary's name of a diagnosis, or the diagnosis itself in lower case where it has none."""
    statement = vocabulary().find(diagnosis)
    return statement.name if statement else diagnosis.strip().lower()


def answered(completion: Completion) -> dict[str, float]:
    """{diagnosis: 1 if asserted, 0.5 if doubted, 0 if one of more than DIFFERENTIAL that are doubted} of the answer.

    One that is denied is not answered; one both asserted and denied is answered as "… (contradicted)", nobody's
    diagnosis. A part of the answer (parts end with ";" or a line) that names none is answered as it is written. Of a
    completion with more mentions than are read, nothing counts: a denial may stand behind them.
    """
    if len(completion.statements) >= MOST:
        return {"more diagnoses than are read": 1.0}
    mentions = [m for m in completion.statements if m.where == "answer"]
    denied = {m.name for m in mentions if m.polarity == "negated"}
    given: dict[str, float] = {}
    for m in mentions:
        if m.polarity != "negated":
            name = f"{m.name} (contradicted)" if m.name in denied else m.name
            given[name] = min(given.get(name, 1.0), 1.0 if m.polarity == "asserted" else DOUBTED)
    doubted = [name for name, weight in given.items() if weight == DOUBTED]
    if len(doubted) > DIFFERENTIAL:
        given |= dict.fromkeys(doubted, 0.0)
    starts = [m.span[0] for m in mentions]
    for start, end, place in completion.sections:
        if place == "answer":
            for part in _PART.finditer(completion.text, start, end):
                named = bisect_left(starts, part.end()) > bisect_left(starts, part.start())
                if not named and _WORD.search(part.group()):
                    given[part.group().strip().lower()[:80]] = 1.0
    return given


def similarity(a: str, b: str) -> float:
    """1 for the same, 0.5 for a more or less specific one, 0.25 for another of the same superclass (PTB-XL's five)."""
    if a == b:
        return 1.0
    known_a, known_b = vocabulary().find(a), vocabulary().find(b)
    if known_a is None or known_b is None:  # a word of a diagnosis is none
        return 0.0
    words_a, words_b = set(a.lower().split()), set(b.lower().split())
    if words_a < words_b or words_b < words_a:
        return MORE_OR_LESS_SPECIFIC
    return SAME_SUPERCLASS if known_a.superclass == known_b.superclass not in (None, "NORM") else 0.0


def alike(given: dict[str, float], truth: set[str]) -> tuple[float, int]:
    """(sum of similarities, number) of the best one-to-one pairs of answered and true diagnoses, taken greedily."""
    pairs = sorted(((similarity(g, t) * weight, g, t) for g, weight in given.items() for t in truth), reverse=True)
    total, used = 0.0, set[str]()
    paired = 0
    for value, g, t in pairs:
        if value > 0 and f"given {g}" not in used and f"true {t}" not in used:
            used |= {f"given {g}", f"true {t}"}
            total, paired = total + value, paired + 1
    return total, paired


def is_labelled(case: Case) -> bool:
    """Records with a diagnosis."""
    return bool(case.diagnoses)


@reward(applies=is_labelled)
def diagnosis(completion: Completion, case: Case, *, match: str = "jaccard") -> Score | None:
    """How well the set A of answered diagnoses meets the case's set B; every needless one costs.

    match: "exact" (1 or 0), "jaccard" |A∩B| / |A∪B| (as PKU's ECG-R1, arXiv 2602.04279), "f1" 2|A∩B| / (|A| + |B|), or
    "ontology": Jaccard with 0.5 for a more or less specific diagnosis and 0.25 for another of the same superclass.
    Synonyms and codes of the vocabulary are the same diagnosis; a denied one is not answered; a doubted one
    ("possible …") earns half where it is right and costs whole where it is wrong, and of more than two doubted ones
    none earns anything. None where the case has no diagnosis.
    """
    if match not in MATCHES:
        raise RewardError(f"diagnosis: match is one of {', '.join(MATCHES)}, not {match!r}")
    truth = {canonical(name) for name in case.diagnoses}
    if not truth:
        return None
    given = answered(completion)
    hit = sum(weight for name, weight in given.items() if name in truth)
    union = len(truth | set(given))
    if match == "exact":
        value = float(hit == len(truth) == union)
    elif match == "jaccard":
        value = hit / union
    elif match == "f1":
        value = 2 * hit / (len(truth) + len(given))
    else:
        total, paired = alike(given, truth)
        value = total / (len(truth) + len(given) - paired)
    return Score(value, extracted=sorted(given), explanation=f"answered {sorted(given)}, true {sorted(truth)}")
