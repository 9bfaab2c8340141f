"""Questions, the wording of `style: brief`, and what a corrupted value is: `data/prompts/reports.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.shipped import shipped_table


@cache
def prompts() -> Mapping[str, Any]:
    """The file as it ships."""
    data: Mapping[str, Any] = shipped_table("prompts", "reports.yaml")
    return data


def write_question(rng: np.random.Generator, wordings: Sequence[str] = (), language: str = "en") -> str:
    """One question that a report answers, of the recipe's wordings or the shipped ones of the language."""
    options = wordings or prompts()["questions"][language]
    return options[int(rng.integers(len(options)))]


def expected_steps(measurements: Measurements) -> dict[str, list[str]]:
    """What each step of a reading says of the measurements, as the reward `evidence` asks for it.

    The steps are those of ECG-R1's protocol (PKU, arXiv 2602.04279); one in which nothing is measured is left out.
    """
    phrases = {
        step: [
            f"{QUANTITIES[name].title} {value:.0f} {QUANTITIES[name].unit}"
            for name in names
            if (value := measurements.value(name)) is not None
        ]
        for step, names in prompts()["steps"].items()
    }
    return {step: said for step, said in phrases.items() if said}
