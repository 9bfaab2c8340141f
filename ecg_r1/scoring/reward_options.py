"""The options that a recipe gives a reward: their names, kinds and values, checked when the reward is loaded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from ecg_r1.errors import did_you_mean
from ecg_r1.scoring.contract import RewardError

# The annotation of an option -> the types that are taken for it, in words.
KINDS: dict[str, tuple[Any, str]] = {
    "int": (int, "a whole number"),
    "float": (int | float, "a number"),
    "str": (str, "a text"),
    "bool": (bool, "true or false"),
    "list": (list | tuple, "a list"),
}
_LIST = re.compile(r"(?:\w+\.)*(?:list|tuple|List|Tuple|Sequence)(?:\[[^|]*\])?")


def check_options(spec: str, function: Callable[..., Any], options: Mapping[str, Any], *, ours: bool) -> None:
    """Check the options of one reward.

    Args:
        spec: the reward, for messages.
        function: its function; its keyword-only parameters are the options there are.
        options: those given.
        ours: whether the function is called as f(completion, case, *, options). A function written for TRL is called by
            keyword only, so that only the names of its options can be checked.

    Raises:
        RewardError: an option is unknown, missing, of another kind than its annotation, or has a value that the reward
            itself refuses.
    """
    _check_names(spec, function, options)
    if ours and options:
        _check_kinds(spec, function, options)
        _check_values(spec, function, options)


def nearest_or_all(name: str, known: list[str]) -> str:
    """The end of a message: the nearest known name, or all of them where none is near."""
    return did_you_mean(name, known) or f" (known: {', '.join(sorted(known))})"


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}


def _check_names(spec: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values()):
        return
    known = _parameters(function)
    for name in options:
        if name not in known:
            raise RewardError(f'reward "{spec}": unknown option "{name}"{nearest_or_all(name, list(known))}')
    missing = [name for name, p in known.items() if p.default is p.empty and name not in options]
    if missing:
        raise RewardError(f'reward "{spec}": needs a value for option "{missing[0]}"')


def _check_kinds(spec: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    for name, parameter in _parameters(function).items():
        given, annotation = options.get(name, parameter.default), parameter.annotation
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        kind, words = KINDS.get("list" if _LIST.fullmatch(text) else text, (object, ""))
        number = kind is not object and isinstance(given, bool) and kind is not bool  # True is an int to Python
        if name in options and (number or not isinstance(given, kind)):
            example = "" if parameter.default is parameter.empty else f", as {parameter.default!r}"
            raise RewardError(f'reward "{spec}": option "{name}" is {words}{example}, not {given!r}')


class _Read(BaseException):
    """The reward has begun to read: it accepts its options."""


class _Unread:
    """Stands for a completion or a case that may not be read yet."""

    def __getattr__(self, name: str) -> Any:
        raise _Read


def _check_values(spec: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Call the reward with a completion and a case that cannot be read.

    What it refuses before it reads anything is an option. It gets no further than its first look at the completion or
    the case, so that nothing is computed, and no judge is asked.
    """
    unread: Any = _Unread()
    scope = getattr(function, "reward_scope", "sample")
    try:
        returned = function(
            unread if scope == "sample" else [unread], [unread] if scope == "batch" else unread, **options
        )
        if inspect.iscoroutine(returned):
            try:
                returned.send(None)
            finally:
                returned.close()
    except RewardError:
        raise
    except ValueError as error:
        raise RewardError(f'reward "{spec}": {error}') from error
    except (_Read, Exception, SystemExit):  # what else goes wrong is found where the reward is tried; see `check`
        return
