"""The text of a recipe -> plain values: bounded YAML, in which a key stands once and a number is what it looks.

PyYAML reads YAML 1.1, where `1e-4` is a string, `no` is false, `010` is 8, `1:30` is 90 and `2026-01-01` is a date.
Here plain words are read as by YAML 1.2's core schema: such a word is a string unless it is a decimal, hexadecimal (0x)
or octal (0o) number, true, false or null.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from ecg_r1.errors import UserError
from ecg_r1.files import read_bounded

LARGEST = 2**16  # bytes of a recipe together with its bases; the shipped ones have at most 2,000
EXPANDED = 2**18  # characters with each alias written out, where a value costs `VALUE` beside its own
VALUE = 16
DEEPEST = 32  # levels of values within values
LONGEST_KEY = 200
DIGITS = 64  # of a number
CORE = "tag:yaml.org,2002:"
INTEGER, FLOAT, MERGE = f"{CORE}int", f"{CORE}float", f"{CORE}merge"
READ = {f"{CORE}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}  # by their tags
KEYS = {f"{CORE}str", INTEGER, MERGE}


class RecipeError(UserError):
    """A recipe cannot be read, or keys or values of it are wrong: a line for each."""


def read_file(path: Path, largest: int = LARGEST) -> tuple[Any, int]:
    """Read a file of YAML.

    Args:
        path: of the file.
        largest: bytes that it may have.

    Returns:
        What it holds, and its size in bytes.

    Raises:
        RecipeError: there is no such file, it is too large or not a regular file, or `parse` refuses it.
    """
    content = read_bounded(path, largest, RecipeError)
    return parse(content, str(path)), len(content)


def parse(text: str | bytes, where: str) -> Any:
    """Read YAML.

    Args:
        text: a document; bytes are UTF-8, or UTF-16 with its mark.
        where: it stands, for messages.

    Raises:
        RecipeError: it is no YAML, too large with its aliases written out, or nested too deeply; a key stands twice in
            one mapping, or is no word; a value has a tag of its own, or is a number that nothing takes.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        raise RecipeError(
            f"{where}: cannot be read as YAML: character {error.position + 1} is not allowed; save the file as UTF-8"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        kind = "" if isinstance(error, _Refused) else "cannot be read as YAML: "
        raise RecipeError(f"{where}: {kind}{line}{error.problem or error.context}") from None
    except (ValueError, OverflowError) as error:  # of an escape such as "\UFFFFFFFF", or `!!int x`
        raise RecipeError(f"{where}: cannot be read as YAML: {error}") from None


class _Refused(yaml.MarkedYAMLError):
    """YAML that a recipe must not hold."""

    def __init__(self, problem: str, mark: yaml.Mark):
        super().__init__(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012
    yaml_constructors = {  # noqa: RUF012
        tag: build for tag, build in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in READ
    }

    def __init__(self, text: str | bytes):
        super().__init__(text)
        self._depth = self._spent = 0
        self._costs: dict[yaml.Node, int] = {}  # of nodes that are composed whole, with their aliases written out

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse a bomb before it is built: what aliases repeat is counted each time."""
        mark, before = self.peek_event().start_mark, self._spent
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused(f"nested more than {DEEPEST} levels deep", mark)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and node not in self._costs:
            raise _Refused("a value holds itself", mark)
        self._spent += self._costs[node] if is_alias else VALUE
        if isinstance(node, yaml.ScalarNode) and not is_alias:
            self._spent += len(node.value)
            if not node.value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in node.value):
                raise _Refused("half a character (a lone surrogate)", mark)
        if self._spent > EXPANDED:
            raise _Refused("too many values, with each alias written out", mark)
        if not is_alias:
            self._costs[node] = self._spent - before
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Refuse a key that stands twice: PyYAML would keep the last one."""
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if key.tag not in KEYS or len(name[1]) > LONGEST_KEY or not name[1].isprintable():
                problem = f"a key must be a word of at most {LONGEST_KEY} printable characters"
                raise _Refused(problem, key.start_mark)
            if name in lines:
                problem = f'the key "{key.value}" stands on line {lines[name]} too; keep one of them'
                raise _Refused(problem, key.start_mark)
            lines[name] = line
        return node


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    text = str(loader.construct_scalar(node)).replace("_", "")
    if len(text) > DIGITS:
        problem = f"a number of {len(text)} digits; no option takes one of more than {DIGITS}"
        raise _Refused(problem, node.start_mark)
    if node.tag == INTEGER:
        return int(text, 0 if text.lstrip("+-")[:2] in ("0x", "0o") else 10)
    number = float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    if not math.isfinite(number):
        raise _Refused(f"{text} is not finite; no option takes it", node.start_mark)
    return number


class _Dumper(yaml.SafeDumper):
    """Quotes a string that YAML 1.1 or the words below would read as something else."""


def dump(values: Any) -> str:
    """Plain values as YAML, which `parse` reads back as they are, and other readers too."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


for _tag, _pattern, _first in (
    (f"{CORE}null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (f"{CORE}bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (INTEGER, r"[-+]?[0-9][0-9_]*|[-+]?0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    (FLOAT, r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    (FLOAT, r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    (MERGE, r"<<", ["<"]),
):
    for _reader in (_Loader, _Dumper):
        _reader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)
for _tag in (INTEGER, FLOAT):
    _Loader.add_constructor(_tag, _number)
