"""Loads the reward that a recipe names: by name, `path.py:function`, dotted path or entry point."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ecg_r1.scoring.contract import Case, RewardError
from ecg_r1.scoring.reward_options import check_options, nearest_or_all

TRL_PARAMETERS = {"prompts", "completions", "completion_ids"}  # what TRL passes, beside the columns of the data set
LIBRARY = "ecg_r1.rewards"
GROUP = "ecg_r1.rewards"  # the entry points by which other packages add rewards


@dataclass(frozen=True)
class Reward:
    """A reward with its options, ready to be called. A worker process loads the same one from `spec` and `given`.

    Attributes:
        name: in logs and tables.
        spec: what the recipe names.
        function: the reward itself.
        options: its keyword arguments.
        scope: "sample", "group" or "batch"; "trl" for a function written for TRL, "trl-chat" for one that expects
            messages.
    """

    name: str
    spec: str
    function: Callable[..., Any] = field(compare=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    scope: str = "sample"

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def given(self) -> dict[str, Any]:
        """The options that it was loaded with."""
        return dict(self.options) | ({"conversational": True} if self.scope == "trl-chat" else {})

    @property
    def ours(self) -> bool:
        """Whether it is one of the library's."""
        return getattr(self.function, "__module__", None) == f"{LIBRARY}.{self.spec}"

    @property
    def source(self) -> str:
        """Where the function is written: file:line."""
        return f"{self.file}:{inspect.getsourcelines(self._code)[1]}"

    @property
    def file(self) -> str:
        """The file in which the function is written."""
        return str(inspect.getsourcefile(self._code))

    @property
    def _code(self) -> Any:
        code = inspect.unwrap(self.function)
        return code if inspect.isroutine(code) else type(code)  # an object that can be called

    @property
    def applies(self) -> Callable[[Case], bool] | None:
        """Whether the reward can score a completion of a case, where it says so: `@reward(applies=...)`."""
        declared = self._declared
        if declared is None:
            return None
        parameters = inspect.signature(self.function).parameters
        wanted = list(inspect.signature(declared).parameters)[1:]
        options = {name: self.options.get(name, parameters[name].default) for name in wanted}
        return partial(declared, **options)

    @property
    def needs(self) -> str:
        """What a case must have: the first line of the docstring of `applies`, as it stands within a sentence."""
        said = (inspect.getdoc(self._declared) or "").partition("\n")[0].rstrip(".") if self._declared else ""
        return said[0].lower() + said[1:] if said[1:2].islower() else said

    @property
    def _declared(self) -> Callable[..., bool] | None:
        return getattr(self.function, "reward_applies", None)

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments, **self.options)


def library() -> list[str]:
    """The names of the rewards that ship with ecg_r1."""
    package = importlib.import_module(LIBRARY)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def plugins() -> dict[str, EntryPoint]:
    """The rewards that other installed packages add, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Make the modules of this folder importable, after all others, so that none of them hides an installed one.

    They are forgotten again afterwards, so that two reward files of two folders may each have their own `helpers`.
    """
    before, entry = set(sys.modules), str(folder)
    added = entry not in sys.path
    if added:
        sys.path.append(entry)
    try:
        yield
    finally:
        if added:
            sys.path.remove(entry)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if added and file and folder in Path(file).parents:
                del sys.modules[name]


@cache
def _file(path: Path) -> ModuleType:
    name = f"_reward_file_{path.stem}_{abs(hash(path))}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise RewardError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    with _importing(str(path)), _beside(path.parent):
        found.loader.exec_module(module)
    return module


@contextmanager
def _importing(where: str) -> Iterator[None]:
    """Turn whatever goes wrong while a user's code is imported into a RewardError.

    Raises:
        RewardError: in place of any other error; it names the file and the line, or `where`.
    """
    try:
        with redirect_stdout(sys.stderr):  # stdout is the command's
            yield
    except SyntaxError as error:
        raise RewardError(f"{error.filename or where}:{error.lineno}: SyntaxError: {error.msg}") from error
    except RewardError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's own code: anything may go wrong while it is imported
        lines = [f":{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__) if frame.filename == where]
        raise RewardError(f"{where}{''.join(lines[-1:])}: {type(error).__name__}: {error}") from error


def _attribute(module: ModuleType, name: str, spec: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        own = [n for n, f in vars(module).items() if callable(f) and getattr(f, "__module__", None) == module.__name__]
        raise RewardError(f'reward "{spec}": no function "{name}" in {module.__file__}{nearest_or_all(name, own)}')
    return function


def _function(spec: str) -> tuple[str, Callable[..., Any]]:
    """The name and the function of a spec."""
    if ":" in spec and spec.rpartition(":")[0].endswith(".py"):
        file, _, name = spec.rpartition(":")
        path = Path(file).expanduser().resolve()
        if not path.is_file():
            raise RewardError(f'reward "{spec}": no file {path}')
        return name, _attribute(_file(path), name, spec)
    if spec.endswith(".py"):
        raise RewardError(f'reward "{spec}": say which function of the file, as {spec}:function')
    if "." in spec or ":" in spec:
        module_name, _, name = spec.replace(":", ".").rpartition(".")
        with _importing(f'reward "{spec}"'):
            try:
                module = importlib.import_module(module_name)
            except ModuleNotFoundError as error:
                raise RewardError(f'reward "{spec}": no module "{error.name}"') from error
        return name, _attribute(module, name, spec)
    if spec in library():
        return spec, _attribute(importlib.import_module(f"{LIBRARY}.{spec}"), spec, spec)
    added = plugins()
    if spec in added:
        with _importing(f'reward "{spec}", an entry point of {GROUP} for {added[spec].value}'):
            return spec, added[spec].load()
    raise RewardError(f'unknown reward "{spec}"{nearest_or_all(spec, [*library(), *added])}')


def _scope(spec: str, function: Callable[..., Any]) -> str:
    scope = getattr(function, "reward_scope", None)
    if scope is not None:
        return str(scope)
    parameters = inspect.signature(function).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values()) and "completion" not in parameters
    if takes_any or TRL_PARAMETERS & parameters.keys():
        return "trl"
    raise RewardError(
        f'reward "{spec}": {inspect.signature(function)} is no reward; '
        "mark f(completion, case) with @reward from ecg_r1.scoring"
    )


def load_reward(spec: str, options: Mapping[str, Any] | None = None) -> Reward:
    """Load a reward and check its options.

    Args:
        spec: a name of the library, `path.py:function`, a dotted path, or an entry point of `ecg_r1.rewards`. A
            function written for TRL, f(prompts, completions, **columns), is taken as it is.
        options: the keyword arguments of the function; for a function written for TRL also `conversational: true`,
            which gives it messages in place of texts.

    Returns:
        The reward, ready to be called.

    Raises:
        RewardError: the reward cannot be found or imported (with the nearest known name), or an option is unknown,
            missing or wrong.
    """
    name, function = _function(spec)
    scope, options = _scope(spec, function), dict(options or {})
    if scope == "trl" and options.pop("conversational", False):
        scope = "trl-chat"
    check_options(spec, function, options, ours=not scope.startswith("trl"))
    return Reward(name, spec, function, options, scope)
