"""Whether the completion says that there is no ECG, where none is shown."""

from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.abstention import reads_anyway, says_no_ecg


@reward
def abstain(completion: Completion, case: Case) -> Score:
    """1 for saying that there is no ECG, and reading nothing, where none is shown; -1 for saying so where one is.

    Models answer much of a benchmark without its images (arXiv 2603.21687), and nothing in a reward for right values
    tells them not to. `dropout: {nothing: …}` shows none in that share of the examples. There the other rewards of
    measurements and diagnoses do not apply, as nothing is known of what is not shown.

    Args:
        completion: what it says of the ECG's absence is read by `scoring.abstention`.
        case: its leads; none are shown where no record of the example has any.

    Returns:
        Where nothing is shown 1, or 0 for any reading; where an ECG is shown, whole or in part, 0 or -1.
    """
    says, shown = says_no_ecg(completion), any(one.leads for one in (case, *case.others))
    if shown:
        return Score(-float(says), extracted=says, explanation=f"an ECG is shown{', and denied' if says else ''}")
    reads = reads_anyway(completion)
    told = "is said" if says and not reads else "is said, and read all the same" if says else "is not said"
    return Score(float(says and not reads), extracted=says, explanation=f"that no ECG is shown {told}")
