"""How much of the completion repeats itself."""

import re

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

# Numbers, words of any script, and one by one the characters of scripts without spaces, and symbols such as emoji.
_WORD = re.compile(r"\d+(?:\.\d+)?|[\u3040-\u30ff\u4e00-\u9fff]|[^\W\d_\u3040-\u30ff\u4e00-\u9fff]+|[^\w\s!-~]")


@reward
def repetition(completion: Completion, case: Case, *, n: int = 4) -> Score:
    """-(1 - distinct / all) over the n-grams of words: 0 where none is repeated, toward -1 where all are one.

    The n-gram repetition penalty of Yeo et al., "Demystifying Long Chain-of-Thought Reasoning" (arXiv 2502.03373).

    Args:
        completion: read as a whole.
        case: not looked at.
        n: words of an n-gram.

    Returns:
        The score, -1 to 0; 0 for a text of fewer than n words.

    Raises:
        RewardError: `n` is not a whole number above 0.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise RewardError(f"repetition: n is a whole number, at least 1, not {n!r}")
    words = _WORD.findall(completion.readable)
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    repeated = 1.0 - len(set(grams)) / len(grams) if grams else 0.0
    return Score(0.0 - repeated, extracted=len(grams), explanation=f"{repeated:.0%} of {n}-grams repeat an earlier one")
