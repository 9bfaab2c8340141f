"""A target text for an ECG of which some leads are hidden: without what those leads alone would show."""

from __future__ import annotations

import re

from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.verify import verify
from ecg_r1.scoring.verify_findings import verify_findings

END = re.compile(r"[.!?。！？](?:\s+|(?=<)|$)|。|</?think>|</?answer>|\n")  # of a sentence


def held_to_leads(text: str, whole: Case, shown: Case) -> str:
    """Leave out each sentence with a value or finding that can be told from all leads, and not from those shown.

    A model that is trained on such a sentence learns to write about leads that it does not see. The diagnoses of the
    answer stay: they are the record's, however many of its leads are shown.

    Args:
        text: the response of an example.
        whole: what is known of the record.
        shown: the same with the leads that are shown.

    Returns:
        The text, without these sentences.
    """
    completion = Completion.parse(text)
    gone = _unverifiable(completion, shown) - _unverifiable(completion, whole)
    kept, start = [], 0
    for end in [*(match.end() for match in END.finditer(text)), len(text)]:
        if not any(start <= place < end for place in gone):
            kept.append(text[start:end])
        start = end
    return "".join(kept)


def _unverifiable(completion: Completion, case: Case) -> set[int]:
    """Where the claims before the answer begin that cannot be told from the leads of a case."""
    judged: tuple[Judgement, ...] = verify(completion, case) + verify_findings(completion, case)
    begins = {one.span[0] for one in judged if one.verdict == "unverifiable" and one.span}
    answers = [(start, end) for start, end, place in completion.blocks if place == "answer"]
    return {place for place in begins if not any(start <= place < end for start, end in answers)}
