"""Every quoted interval, rate and axis against what neurokit2 measured on the signal."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from ecg_r1.ecg.quantities import EXPECTED, QUANTITIES
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.verify import settle, verify


@reward
def intervals(
    completion: Completion,
    case: Case,
    *,
    quantities: Sequence[str] = EXPECTED,
    owed: int | None = None,
    qtc_for_qt: bool = True,
) -> Score | None:
    """Mean over the needed quantities of exp(-error / tolerance); one left out, or quoted in two ways, is worth 0.

    "Not measurable" is worth 1 where it is true (no P waves, so no PR) and a number is then worth 0. A quantity nobody
    measured, or one the signal is too poor for, is left out of the mean. A text with more names and numbers than are
    read is worth 0: what contradicts might stand behind them. Tolerances: `ecg_r1.ecg.quantities`, wider where the
    leads disagree.

    Args:
        completion: its quotes are judged by `scoring.verify`.
        case: its measurements.
        quantities: what a reading may quote for the mean. Others that are quoted, those of single leads among them, pay
            nothing and count as a 0 where contradicted.
        owed: how many of these a reading must quote; all of them unless given. With fewer it pays to leave out the one
            that is hardest to read, so give fewer only where the reports of the corpus quote fewer.
        qtc_for_qt: whether a quoted QTc, judged as a QTc, stands for QT in a text that quotes none: many reports, all
            of ECG-R1's among them, give the corrected value alone.

    Returns:
        The mean, 0 to 1; None where nothing is left.

    Raises:
        RewardError: `quantities` is not a list of known quantities, `owed` is not 1 up to their number, or
            `qtc_for_qt` is not true or false.
    """
    known = tuple(QUANTITIES)
    if not isinstance(quantities, list | tuple) or not quantities or any(name not in known for name in quantities):
        raise RewardError(f"intervals: quantities is a list of {', '.join(known)}, one at least, not {quantities!r}")
    if owed is not None and (isinstance(owed, bool) or not isinstance(owed, int) or not 1 <= owed <= len(quantities)):
        raise RewardError(f"intervals: owed is a whole number from 1 to {len(quantities)}, not {owed!r}")
    if not isinstance(qtc_for_qt, bool):
        raise RewardError(f"intervals: qtc_for_qt is true or false, not {qtc_for_qt!r}")
    if completion.flooded:
        return Score(0.0, explanation="more names and numbers than are read")
    rows = verify(completion, case)
    by_name = sorted(rows, key=_quantity)
    quoted = {name: settle(group) for name, group in groupby(by_name, key=_quantity)}
    stands_for = {}
    if qtc_for_qt and _corrected_only(quoted, quantities) and not case.measurements["qt_ms"].unknown:
        stands_for["qt_ms"] = "qtc_ms"
    scores, missing = [], []
    for name in quantities:
        if case.measurements[name].unknown:
            continue
        quote = stands_for.get(name, name)
        if quote not in quoted:
            missing.append(name)
        elif (value := quoted[quote]) is not None:
            scores.append(value)
    wanted = len(quantities) if owed is None else owed
    scores += [0.0] * min(len(missing), max(0, wanted - len(scores)))
    extra = quoted.keys() - {*quantities, *stands_for.values()}
    scores += [0.0 for name in extra if any(r.verdict == "contradicted" for r in rows if r.quantity == name)]
    if not scores:
        return None
    supported = sum(row.verdict == "supported" for row in rows)
    explanation = f"{supported} of {len(rows)} quotes supported" + (
        f"; left out: {', '.join(missing)}" if missing else ""
    )
    return Score(sum(scores) / len(scores), extracted=quoted, explanation=explanation, evidence=rows)


def _corrected_only(quoted: Mapping[str, float | None], quantities: Sequence[str]) -> bool:
    return "qt_ms" not in quoted and quoted.get("qtc_ms") is not None and "qtc_ms" not in quantities


def _quantity(row: Judgement) -> str:
    return row.quantity or ""
