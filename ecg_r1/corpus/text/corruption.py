"""The values that a text quotes: as measured, or wrong in a way that is known from real report corpora.

Report corpora are not clean, and a comparison of SFT and RL on clean ones would say little. The recipe's `reports`
states which share of the quoted values is corrupted in which way; each is known from real corpora:

- *boilerplate*: a template's value, whatever the signal (LLM-written and templated reports);
- *rounded*: read from the signal, rounded as clinicians do;
- *qt_from_qrs_end*: QT counted from the end of the QRS, as the public feature code behind GEM's
  ECG-Grounding does (PKUDigitalHealth/FeatureDB, `extract_features`): a bias of one QRS duration.
"""

from __future__ import annotations

import numpy as np

from ecg_r1.corpus.text.prompts import prompts
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.recipe import Reports


def quoted_value(name: str, measurements: Measurements, shares: Reports, rng: np.random.Generator) -> float | None:
    """The value that a text quotes of one of `EXPECTED`; None where it cannot be measured. Two draws, always."""
    wording = prompts()
    source, bias = rng.random(), rng.random()
    value = measurements.value(name)
    if source < shares.boilerplate:
        return float(wording["boilerplate"][name])
    if value is None:
        return None
    qrs = measurements.value("qrs_ms")
    if name == "qt_ms" and qrs is not None and bias < shares.qt_from_qrs_end:
        value -= qrs
    if source < shares.boilerplate + shares.rounded:
        step = wording["rounding"][name]
        value = step * round(value / step)
    return value
