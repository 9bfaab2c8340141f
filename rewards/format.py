"""Whether the completion has the form that was asked for."""

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.blocks import ORDERS, STYLES, malformed


@reward
def format(completion: Completion, case: Case, *, style: str = "deepseek", think: str = "before") -> Score:
    """1 for the form that was asked for, with no empty block; else 0.

    Args:
        completion: its tags are read.
        case: not looked at.
        style: "deepseek": exactly one think block, then exactly one answer block, and nothing outside (DeepSeek-R1,
            arXiv 2501.12948). "ecg-r1": the same, and there may be prose between the two, as ECG-R1 writes it (arXiv
            2602.04279). "free": an answer that can be found with or without tags (`scoring.conclusions`).
        think: of deepseek: where the reasoning stands: "before" the answer, "after" it, or "none" (both in Med-R1,
            arXiv 2503.13939).

    Returns:
        The score, for every completion.

    Raises:
        RewardError: `style` or `think` is not one of the three, or `think` is given to another style.
    """
    if style not in STYLES:
        raise RewardError(f'format: style is "deepseek", "ecg-r1" or "free", not {style!r}')
    if think not in tuple(ORDERS):
        raise RewardError(f'format: think is "before", "after" or "none", not {think!r}')
    if style != "deepseek" and think != "before":
        raise RewardError(f'format: think is an option of "style: deepseek"; leave it out with "style: {style}"')
    fault = malformed(completion, style, think)
    written = [tag.name for tag in completion.tags]
    return Score(float(fault is None), extracted=written, explanation=fault or "as asked")
