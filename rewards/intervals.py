"""Every quoted interval, rate and axis against what neurokit2 measured on the signal."""

from collections.abc import Sequence
from itertools import groupby

from ecg_r1.ecg.quantities import EXPECTED, QUANTITIES
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.verify import settle, verify


@reward
def intervals(completion: Completion, case: Case, *, quantities: Sequence[str] = EXPECTED) -> Score | None:
    """Mean over the needed quantities of exp(-error / tolerance); one left out, or quoted in two ways, is worth 0.

    quantities: what a reading must quote. Others that are quoted, those of single leads among them, pay nothing and
    count as a 0 where contradicted.
    "Not measurable" is worth 1 where it is true (no P waves, so no PR) and a number is then worth 0.
    A quantity nobody measured, or one the signal is too poor for, is left out of the mean. None where nothing is left.
    A text with more names and numbers than are read is worth 0: what contradicts might stand behind them.
    Tolerances: `ecg_r1.ecg.quantities`, wider where the leads disagree.
    """
    known = tuple(QUANTITIES)
    if not isinstance(quantities, list | tuple) or not quantities or any(name not in known for name in quantities):
        raise RewardError(f"intervals: quantities is a list of {', '.join(known)}, one at least, not {quantities!r}")
    if completion.flooded:
        return Score(0.0, explanation="more names and numbers than are read")
    rows = verify(completion, case)
    by_name = sorted(rows, key=_quantity)
    quoted = {name: settle(group) for name, group in groupby(by_name, key=_quantity)}
    scores, missing = [], []
    for name in quantities:
        if case.measurements[name].unknown:
            continue
        if name not in quoted:
            missing.append(name)
            scores.append(0.0)
        elif (value := quoted[name]) is not None:
            scores.append(value)
    extra = [name for name in quoted if name not in quantities]
    scores += [0.0 for name in extra if any(r.verdict == "contradicted" for r in rows if r.quantity == name)]
    if not scores:
        return None
    supported = sum(row.verdict == "supported" for row in rows)
    explanation = f"{supported} of {len(rows)} quotes supported" + (
        f"; left out: {', '.join(missing)}" if missing else ""
    )
    return Score(sum(scores) / len(scores), extracted=quoted, explanation=explanation, evidence=rows)


def _quantity(row: Judgement) -> str:
    return row.quantity or ""
