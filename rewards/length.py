"""How long the completion is."""

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward


@reward
def length(completion: Completion, case: Case, *, limit: int = 400, cache: int = 100) -> Score:
    """Soft overlong punishment of DAPO (arXiv 2503.14476, eq. 13), in words; a Chinese character is a word.

    0 up to limit - cache words, falling linearly to -1 at `limit`, and -1 beyond. A text without spaces counts a
    word for every 8 characters. (DAPO counts tokens, which a reward does not see; of this text a word is 1.3 to 2
    tokens.)
    """
    if not 0 < cache <= limit:
        raise RewardError(f"length: cache is between 1 and limit ({limit}), not {cache}")
    n = words(completion.text)
    return Score(soft_overlong(n, limit, cache), extracted=n, explanation=f"{n} words of {limit}")


def words(text: str) -> int:
    """Words of a text; Chinese characters count one each, and long runs without a space one for every 8 characters."""
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    return han + sum(max(1, len(word) // 8) for word in text.split() if not "\u4e00" <= word[0] <= "\u9fff")


def soft_overlong(n: int, limit: int, cache: int) -> float:
    """DAPO's formula for a length n."""
    if n <= limit - cache:
        return 0.0
    return max(-1.0, (limit - cache - n) / cache)
