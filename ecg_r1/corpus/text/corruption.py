"""The values that a text quotes: as measured, or wrong in a way that is known from real report corpora.

Report corpora are not clean, and a comparison of SFT and RL on clean ones would say little. The recipe's `corruption`
states which share of the quoted values is corrupted in which way, or names a profile that was measured on a corpus:

- *boilerplate*: a template's value, whatever the signal (LLM-written and templated reports);
- *rounded*: read from the signal, rounded as clinicians do;
- *qt_from_qrs_end*: QT counted from the end of the QRS, as the public feature code behind GEM's
  ECG-Grounding does (PKUDigitalHealth/FeatureDB, `extract_features`): a bias of one QRS duration;
- *other*, of a profile: wrong for no reason that is known, by as much as the values of that corpus are.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ecg_r1.corpus.profile import Profile, Quantity, profile_of
from ecg_r1.corpus.text.prompts import prompts
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.recipe import Corruption

AS_MEASURED = Quantity()


def profile(corruption: Corruption) -> Profile:
    """The profile of a recipe.

    Raises:
        ProfileError: the file that it names is missing or no profile.
    """
    return _of_shares(corruption) if corruption.profile is None else _read(corruption)


@cache
def _of_shares(corruption: Corruption) -> Profile:
    return _read(corruption)


def _read(corruption: Corruption) -> Profile:
    wording = prompts()
    steps = tuple(wording["rounding"][name] for name in wording["boilerplate"])
    return profile_of(corruption, tuple(wording["boilerplate"].items()), steps)


def quoted_value(name: str, measurements: Measurements, shares: Profile, rng: np.random.Generator) -> float | None:
    """The value that a text quotes of one of `EXPECTED`; None where it cannot be measured. Two draws, always."""
    source, bias = rng.random(), rng.random()
    found = shares.quantities.get(name, AS_MEASURED)
    value, edge = measurements.value(name), 0.0
    for template in found.templates:
        edge += template.share.share
        if source < edge:
            return template.value
    if value is None:
        return None
    if edge + found.rounded.share <= source < edge + found.rounded.share + found.other.share:
        return max(1.0, value + _drawn(found.errors, bias))
    qrs = measurements.value("qrs_ms")
    if qrs is not None and bias < found.from_qrs_end.share:
        value -= qrs
    if source < edge + found.rounded.share:
        value = found.step * round(value / found.step)
    return value


def _drawn(errors: list[float], place: float) -> float:
    """An error at a place from 0 to 1 among the deciles."""
    return float(np.interp(place, np.linspace(0, 1, len(errors)), errors))
