"""Whether the completion keeps to one language."""

import unicodedata

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

SCRIPTS = {"en": "LATIN", "zh": "CJK"}
# Names that a Chinese report writes in Latin letters.
_SHARED = {
    "think",
    "answer",
    "pr",
    "qrs",
    "qt",
    "qtc",
    "st",
    "rr",
    "ms",
    "bpm",
    "ecg",
    "avr",
    "avl",
    "avf",
    "mv",
    "mm",
    "lead",
}


@reward
def language(completion: Completion, case: Case, *, language: str = "en") -> Score | None:
    """The share of letters in the script of the language, after the language consistency reward of DeepSeek-R1.

    arXiv 2501.12948, section 2.3.2. Names of waves, leads and units count for neither language.

    Args:
        completion: read as a whole.
        case: not looked at.
        language: "en" or "zh".

    Returns:
        The share, 0 to 1; None where there are no letters.

    Raises:
        RewardError: `language` is neither.
    """
    if language not in tuple(SCRIPTS):
        raise RewardError(f'language: language is "en" or "zh", not {language!r}')
    spaced = "".join(c if c.isalpha() else " " for c in completion.readable)
    own = other = 0
    for word in spaced.split():
        latin = "".join(c for c in word if c.isascii())
        for c in word:
            if c.isascii() and (len(latin) == 1 or latin in _SHARED):
                continue
            if unicodedata.name(c, "").startswith(SCRIPTS[language]):
                own += 1
            else:
                other += 1
    if not own + other:
        return None
    return Score(own / (own + other), extracted=own + other, explanation=f"{own} of {own + other} letters")
