"""The diagnoses of the answer against those of the case."""

from collections.abc import Collection

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.answers import Answer, read_answer
from ecg_r1.scoring.labels import held_against, truth_of

MATCHES = ("exact", "jaccard", "f1", "ontology")
DOUBTED = 0.5  # what "possible atrial fibrillation" is worth beside "atrial fibrillation"
DIFFERENTIAL = 2  # doubted diagnoses; a longer list commits to nothing and earns nothing
MORE_OR_LESS_SPECIFIC, SAME_SUPERCLASS = 0.5, 0.25  # partial credit of match="ontology"


def weighted(answer: Answer, truth: Answer | None = None) -> dict[str, float]:
    """{diagnosis: what it is worth where it is right} of an answer.

    That is 1 if the answer asserts it, DOUBTED if it doubts it, 0 if it contradicts itself. Where the labels doubt the
    diagnosis too, or contradict themselves in it, it is the other way round. Of more than DIFFERENTIAL doubted
    diagnoses besides those of the labels none is worth anything.

    Args:
        truth: what the labels say; without it they doubt nothing.
    """
    truth = truth or Answer()
    likely = set(truth.doubted)
    doubted = DOUBTED if len(set(answer.doubted) - likely) <= DIFFERENTIAL else 0.0
    asserted = {name: DOUBTED if name in likely else 1.0 for name in answer.asserted}
    return (
        asserted
        | {name: 1.0 if doubted and name in likely else doubted for name in answer.doubted}
        | {name: float(name in truth.contradicted) for name in answer.contradicted}
    )


def similarity(a: str, b: str) -> float:
    """1 for the same, 0.5 for a more or less specific one, 0.25 for another of the same superclass (PTB-XL's five)."""
    if a == b:
        return 1.0
    known_a, known_b = vocabulary().find(a), vocabulary().find(b)
    if known_a is None or known_b is None:  # a word of a diagnosis is not a diagnosis
        return 0.0
    words_a, words_b = set(a.lower().split()), set(b.lower().split())
    if words_a < words_b or words_b < words_a:
        return MORE_OR_LESS_SPECIFIC
    return SAME_SUPERCLASS if known_a.superclass == known_b.superclass not in (None, "NORM") else 0.0


def alike(given: dict[str, float], truth: Collection[str]) -> tuple[float, int]:
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
    The labels are read as the answer is, so that an answer identical to its labels is worth 1. Synonyms and codes of
    the vocabulary are the same diagnosis; a denied one is not answered; a doubted one ("possible …") earns half where
    it is right, unless the labels doubt it too, and costs whole where it is wrong, and of more than two doubted ones
    none earns anything. Verdicts ("abnormal ECG") that fit the labels, advice, and statements of a kind that the data
    set never labels cost nothing (`scoring.labels.held_against`). None where the labels name no diagnosis.
    """
    if match not in MATCHES:
        raise RewardError(f"diagnosis: match is one of {', '.join(MATCHES)}, not {match!r}")
    labels = truth_of(case)
    truth = frozenset(labels.given)
    if not truth:
        return None
    answer = held_against(read_answer(completion), case)
    given = weighted(answer, labels)
    hit = sum(weight for name, weight in given.items() if name in truth)
    union = len(truth | set(given))
    if match == "exact":
        value = float(answer.is_exactly(labels))
    elif match == "jaccard":
        value = hit / union
    elif match == "f1":
        value = 2 * hit / (len(truth) + len(given))
    else:
        total, paired = alike(given, truth)
        value = total / (len(truth) + len(given) - paired)
    return Score(value, extracted=sorted(given), explanation=f"answered {sorted(given)}, true {sorted(truth)}")
