"""Whether the completion has the form that was asked for."""

from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.blocks import THINK_FIRST, malformed

ORDERS = {
    "before": THINK_FIRST,
    "after": ("answer", "/answer", "think", "/think"),
    "none": ("answer", "/answer"),
}


@reward
def format(completion: Completion, case: Case, *, think: str = "before") -> Score:
    """1 for exactly one think block, then exactly one answer block, neither empty, and nothing outside; else 0.

    Args:
        completion: its tags are read.
        case: not looked at.
        think: where the reasoning stands: "before" the answer (DeepSeek-R1, arXiv 2501.12948), "after" it, or "none"
            (both in Med-R1, arXiv 2503.13939).

    Returns:
        The score, for every completion.

    Raises:
        RewardError: `think` is not one of the three.
    """
    if think not in tuple(ORDERS):
        raise RewardError(f'format: think is "before", "after" or "none", not {think!r}')
    fault = malformed(completion, ORDERS[think])
    written = [tag.name for tag in completion.tags]
    return Score(float(fault is None), extracted=written, explanation=fault or "as asked")
