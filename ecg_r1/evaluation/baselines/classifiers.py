"""One classifier for each label, on a row of features: the measurements, or what an untrained tower makes of a signal.

Classifiers have their libraries' own settings but for what is written here: nothing is tuned on the split that is
answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, QUANTITIES
from ecg_r1.evaluation.baselines.contract import ECG, Answers, BaselineError, Fit, Labels, Said, asserted, learnable

Features = Callable[[Sequence[ECG]], np.ndarray]


def measured_values(ecgs: Sequence[ECG]) -> np.ndarray:
    """The measurements of each ECG.

    Returns:
        float64 (ECGs, features), see `features`.
    """
    return np.array([features(ecg.measurements) for ecg in ecgs])


def features(measurements: Measurements) -> np.ndarray:
    """The measured values: of each quantity of the record, then of each quantity in each lead.

    Returns:
        float64 (quantities + lead quantities x 12,); NaN where there is no value.
    """
    whole = [measurements.value(name) for name in QUANTITIES]
    by_lead = [measurements.in_lead(name, lead).value for name in LEAD_QUANTITIES for lead in LEADS]
    return np.array([np.nan if value is None else value for value in whole + by_lead], dtype=float)


def one_for_each_label(make: Callable[[int], Any], of: Features) -> Fit:
    """A baseline of one classifier for each label.

    Args:
        make: a classifier, as scikit-learn's, from a seed.
        of: the features of ECGs; NaN where a value is missing.
    """

    def fit(ecgs: Sequence[ECG], truths: Sequence[Labels], seed: int) -> Answers:
        values = of(ecgs)
        there = np.isfinite(values).any(axis=0)  # a quantity that no training record has tells nothing
        names, has = learnable(truths)
        models = [make(seed).fit(values[:, there], column) for column in has.T]

        def answers(asked: Sequence[ECG]) -> list[Said]:
            rows = of(asked)[:, there]
            return asserted(names, np.stack([model.predict_proba(rows)[:, 1] for model in models], axis=1))

        return answers

    return fit


def logistic(seed: int) -> Any:
    """scikit-learn's logistic regression on standardised values."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(_impute(), StandardScaler(), LogisticRegression(max_iter=1000))


def forest(seed: int) -> Any:
    """scikit-learn's random forest."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_impute(), RandomForestClassifier(n_estimators=200, random_state=seed))


def _impute() -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", add_indicator=True)  # that a value is missing tells something itself


def xgboost(seed: int) -> Any:
    """XGBoost; it reads missing values as they are.

    Raises:
        BaselineError: it is not installed.
    """
    if find_spec("xgboost") is None:
        raise BaselineError(
            "the baseline xgboost needs xgboost: pip install 'ecg-r1-gem[baselines]', or name the others with --kind"
        )
    from xgboost import XGBClassifier

    return XGBClassifier(random_state=seed)
