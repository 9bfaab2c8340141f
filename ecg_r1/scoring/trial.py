"""A completion with its case on which the library's rewards are tried: their options, and what they import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case, RewardError

if TYPE_CHECKING:
    from ecg_r1.scoring.registry import Reward

TEXT = "<think>Rate 75 bpm. PR 160 ms. QRS 92 ms. No LBBB.</think><answer>normal ECG</answer>"
KINDS: dict[type, tuple[Any, str]] = {  # of an option's default: what may be given instead, in words
    int: (int, "a whole number"), float: (int | float, "a number"), str: (str, "a text"),
    tuple: (list | tuple, "a list"),
}  # fmt: skip


def sample() -> tuple[Completion, Case]:
    """A short completion with token ids, and a case that expects phrases and leads."""
    measured = Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 92})
    case = Case("", ("normal ECG",), measured, expected={"3": ["PR 160 ms"], "leads": ["II"]})
    return Completion.parse(TEXT, range(40)), case


def try_options(reward: Reward) -> None:
    """Score the sample with a reward that checks its options when it is called.

    Raises RewardError: the reward's own, or one that names the option whose value is of a wrong type.
    """
    defaults = reward.function.__kwdefaults__ or {}
    for name, value in reward.options.items():
        kind, words = KINDS.get(type(defaults[name]), (object, "anything"))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
            raise RewardError(
                f'reward "{reward.spec}": option "{name}" is {words}, as {defaults[name]!r}, not {value!r}'
            )
    reward(*sample())
