"""What a reward is: a plain function of one completion and one case that returns a `Score`, a number or None."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ecg_r1.ecg.leads import LEADS
from ecg_r1.errors import UserError
from ecg_r1.scoring.judgement import Evidence

if TYPE_CHECKING:
    from ecg_r1.ecg.measurements import Measurements

Scope = Literal["sample", "group", "batch"]
LARGEST_SCORE = 1e6  # a score lies between its negative and it, so that no weighted sum of scores overflows
F = TypeVar("F", bound=Callable[..., Any])

# The two leading parameters that each scope calls its function with.
PARAMETERS: dict[str, tuple[str, str]] = {
    "sample": ("completion", "case"),
    "group": ("completions", "case"),
    "batch": ("completions", "cases"),
}


class RewardError(UserError):
    """A reward that cannot be loaded or used; the message says which and what to do."""


@dataclass(frozen=True)
class Score:
    """What one reward says of one completion.

    value: the reward, a finite number from -LARGEST_SCORE to LARGEST_SCORE; True counts as 1 and False as 0. None where
    the reward does not apply: no gradient, which is never the same as 0.
    extracted: what was read from the completion. explanation: one line for a human.
    evidence: a Judgement for each claim that was judged, or a mapping with its fields (`judgement.judgement_of`); other
    mappings are kept as data. error: the traceback, where the reward failed.
    """

    value: float | None
    extracted: Any = None
    explanation: str = ""
    evidence: tuple[Evidence, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Case:
    """What a reward may know of one example. No arrays: measurements are made once per record, before training.

    Attributes:
        record_id: the record that the question is about; of several, the first.
        diagnoses: the labels of that record: names and codes of the vocabulary, or free text (`labels.truth_of`).
        measurements: of that record.
        leads: those that are shown to the model.
        expected: what a right response says, by the rewards that ask for it: phrases by step, leads, windows.
        question: as the model is asked.
        extra: other fields of the example, such as the right letter of a choice.
        example_id: one record can have many examples; the record's own id where it has one.
        others: the cases of the other records, where an example compares several.
        unlabelled: kinds of statement ("axis", "form", "rhythm", "diagnostic") that its labels leave out: they cost
            nothing in an answer.
    """

    record_id: str
    diagnoses: tuple[str, ...]
    measurements: Measurements
    leads: tuple[str, ...] = LEADS
    expected: Mapping[str, Any] = field(default_factory=dict)
    question: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    example_id: str = ""
    others: tuple[Case, ...] = ()
    unlabelled: tuple[str, ...] = ()


@overload
def reward(function: F) -> F: ...
@overload
def reward(*, scope: Scope = "sample", applies: Callable[..., bool] | None = None) -> Callable[[F], F]: ...
def reward(
    function: F | None = None, *, scope: Scope = "sample", applies: Callable[..., bool] | None = None
) -> F | Callable[[F], F]:
    """Mark a function as a reward. Its options are its keyword-only parameters.

    Args:
        function: the reward, where the decorator is written without parentheses.
        scope: how the function is called; it may be `async def`.
            "sample": f(completion, case) -> Score | float | None.
            "group": f(completions, case) -> one of these for each of the G completions of one prompt.
            "batch": f(completions, cases) -> one for each completion of the batch.
            A number past LARGEST_SCORE, and whatever else is no legal `Score.value`, is an error of its sample.
        applies: applies(case, *, options) -> whether the function can score completions of this case at all. It names
            those options of the reward that it needs. The first line of its docstring says what a case must have, to
            stand behind "it needs". A recipe is refused whose corpus has no such case. The function still returns
            None for the cases that it cannot score.

    Returns:
        The function itself, marked.

    Raises:
        RewardError: the parameters of the function are not those of its scope, or `applies` asks for an option that the
            reward does not have.
    """

    def mark(f: F) -> F:
        parameters = list(inspect.signature(f).parameters.values())
        leading = tuple(p.name for p in parameters[:2] if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
        others = [p.name for p in parameters[2:] if p.kind is not p.KEYWORD_ONLY]
        if leading != PARAMETERS[scope] or others:
            wanted = ", ".join(PARAMETERS[scope])
            raise RewardError(f"reward {f.__name__}{inspect.signature(f)}: a {scope} reward is f({wanted}, *, options)")
        f.reward_scope = scope  # type: ignore[attr-defined]
        if applies is not None:
            _check_applies(f.__name__, applies, {p.name for p in parameters[2:]})
            f.reward_applies = applies  # type: ignore[attr-defined]
        return f

    if scope not in PARAMETERS:
        raise RewardError(f'unknown scope "{scope}": one of {", ".join(PARAMETERS)}')
    return mark if function is None else mark(function)


def _check_applies(name: str, applies: Callable[..., bool], options: set[str]) -> None:
    signature = inspect.signature(applies)
    parameters = list(signature.parameters.values())
    named = all(p.kind is p.KEYWORD_ONLY and p.name in options for p in parameters[1:])
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY or not named:
        raise RewardError(f"reward {name}: applies{signature} is not applies(case, *, options of the reward)")
