"""The corruption profile of the texts that were audited: how their values are wrong, by quantity, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ecg_r1.corpus.audit.values import Quoted, boilerplate
from ecg_r1.corpus.profile import FARTHEST, Profile, Quantity, Share, Template
from ecg_r1.ecg.quantities import EXPECTED, TABLE

STEPS = {"heart_rate_bpm": 5.0, "pr_ms": 10.0, "qrs_ms": 10.0, "qt_ms": 10.0}  # to which clinicians round
Z = 1.96  # of a 95% interval
DECILES = np.linspace(0.05, 0.95, 10)  # of the errors; the tails are left aside, because a few slips would make them


def profile(quantities: Mapping[str, Quoted], source: str) -> Profile:
    """Measure the profile of a corpus, as a recipe's `corruption` takes it.

    Args:
        quantities: its quotes.
        source: what was audited.
    """
    found = {name: _quantity(name, quantities[name]) for name in EXPECTED if name in quantities}
    return Profile(source=source, quantities={name: row for name, row in found.items() if row.quotes})


def _quantity(name: str, quoted: Quoted) -> Quantity:
    """Its templates; of what they did not write, the values on a step beyond what chance puts there, and those that are
    wrong for no reason; and of the other QT values those that only the end of the QRS explains."""
    judged = [(value, measured) for value, measured in quoted.values if measured is not None]
    right, wrong = quoted.verdicts["supported"], quoted.verdicts["contradicted"]
    tolerance, step = TABLE[name].tolerance, STEPS[name]
    rows = boilerplate(quoted.values, tolerance)
    templates = [
        Template(value=row["value"], share=wilson(row["template_share"], len(judged) - row["records_that_have_it"]))
        for row in rows
    ]
    copied = {template.value for template in templates}
    own = [(value, measured) for value, measured in judged if value not in copied]
    room = 1 - min(1.0, sum(template.share.share for template in templates))
    on_step = wilson(_mean([value % step == 0 for value, _ in own]), len(own))
    rounded = Share(**{end: _beyond_chance(at, 1 / step) * room for end, at in on_step.model_dump().items()})
    errors = [TABLE[name].difference(value, measured) for value, measured in own]
    from_end = [value for value in quoted.from_qrs_end if value not in copied]
    far = sorted(error for error in errors if abs(error) > tolerance)
    unexplained = max(0, len(far) - len(from_end))
    other = wilson(unexplained / len(judged) if judged else 0.0, len(judged))
    most = max(0.0, 1 - sum(template.share.share for template in templates) - rounded.share)
    if unexplained == 0:
        other = Share(share=0.0, low=other.low, high=other.high)
    other = Share(share=min(other.share, most), low=min(other.low, most), high=other.high)
    left = [error for error in far if not (from_end and error < 0)] or far
    return Quantity(
        quotes=right + wrong,
        supported=wilson(right / (right + wrong), right + wrong) if right + wrong else None,
        templates=templates,
        rounded=rounded,
        step=step,
        other=other if left else Share(share=0.0),
        errors=np.quantile(left, DECILES).clip(-FARTHEST, FARTHEST).round(1).tolist() if left else [],
        from_qrs_end=wilson(len(from_end) / len(own) if own else 0.0, len(own))
        if name == "qt_ms"
        else Share(share=0.0),
    )


def _beyond_chance(share: float, chance: float) -> float:
    return max(0.0, (share - chance) / (1 - chance))


def _mean(given: list[bool]) -> float:
    return sum(given) / len(given) if given else 0.0


def wilson(share: float, count: int) -> Share:
    """A share of so many with its 95% interval (Wilson, JASA 1927)."""
    if count <= 0:
        return Share(share=min(share, 1.0))
    share = min(share, 1.0)
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return Share(share=share, low=max(0.0, min(share, centre - half)), high=min(1.0, max(share, centre + half)))
