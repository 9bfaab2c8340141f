"""How long the completion is."""

import math
import re

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

UNITS = ("words", "tokens")
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"
# A character of a script without spaces, a run of letters or digits, an emoji or other symbol, a mark standing alone.
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+|[^\w\s!-~]|(?<!\S)[!-~](?!\w)")


@reward
def length(completion: Completion, case: Case, *, limit: int = 400, cache: int = 100, unit: str = "words") -> Score:
    """Soft overlong punishment of DAPO (arXiv 2503.14476, eq. 13): 0 up to limit - cache, falling to -1 at `limit`.

    Args:
        completion: its words or tokens are counted.
        case: not looked at.
        limit: the length that gets -1, in units.
        cache: the length of the slope, in units.
        unit: "tokens", as in the paper, which are known in training only; or "words", which are known everywhere. A
            word of a reading is 1.3 to 2 tokens. A Chinese character is a word, and a text has at least one word for
            every 8 characters.

    Returns:
        The score, -1 to 0.

    Raises:
        RewardError: an option is not positive, `cache` is more than `limit`, `unit` is neither, or tokens are asked for
            where they are not known.
    """
    for name, value in {"limit": limit, "cache": cache}.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise RewardError(f"length: {name} is a number of words or tokens above 0, not {value!r}")
    if cache > limit:
        raise RewardError(f"length: cache is at most limit ({limit}), not {cache}")
    if unit not in UNITS:
        raise RewardError(f"length: unit is {' or '.join(UNITS)}, not {unit!r}")
    if unit == "tokens" and completion.ids is None:
        raise RewardError("length: the tokens are known in training only; unit: words counts anywhere")
    n = words(completion.text) if completion.ids is None or unit == "words" else len(completion.ids)
    return Score(soft_overlong(n, limit, cache), extracted=n, explanation=f"{n} {unit} of {limit}")


def words(text: str) -> int:
    """Words of a text, as `length` counts them; spaces are not needed to make one."""
    return max(len(_WORD.findall(text)), len("".join(text.split())) // 8)


def soft_overlong(n: int, limit: int, cache: int) -> float:
    """DAPO's formula for a length n."""
    if n <= limit - cache:
        return 0.0
    return max(-1.0, (limit - cache - n) / cache)
