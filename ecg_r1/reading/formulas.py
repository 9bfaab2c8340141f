"""Formulas that a completion writes out ("QTc = QT/√RR = 400/√0.8 = 447 ms"), as SymPy expressions of our own tokens.

The text itself never reaches SymPy's parser: tokens are matched here, combined by a small grammar, and numbers, powers
and sizes are bounded, so that no written formula can be costly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sympy import Expr

_SPACE = re.compile(r"[ \t]*")
_ABOUT = r"(?:[ \t]*(?:about|approximately|approx\.?|roughly|around|~))?"
_SAME = rf"(?:[=≈≃≅→⇒](?:[ \t]*\n|[ \t]*=)?|\b(?:is|gives|equals|yields|makes)\b){_ABOUT}"
_TOKEN = re.compile(
    r"(?P<number>\d{1,9}(?:\.\d{1,6})?|\.\d{1,6})"
    r"|(?P<name>qtc[bf]?|qt|rr|(?:heart|ventricular) rate|hr|rate|心率)(?: intervals?|间期)?(?![a-z])"
    r"|(?P<unit>milliseconds?|msec|ms|seconds?|sec|s|bpm|beats/min|次/分|(?:small |large |big )?(?:box(?:es)?|squares?)"
    r")(?![a-z])"
    r"|(?P<root>√|sqrt(?![a-z])|square root of)|(?P<cube>∛|cbrt(?![a-z]))"
    r"|(?P<operator>[-+*×·÷/^()])"
    rf"|(?P<equals>{_SAME})"
)
_SYMBOLS = {"qtc": "QTc", "qtcb": "QTc", "qtcf": "QTc", "qt": "QT", "rr": "RR"}  # any other name is the rate
LONGEST = 60  # tokens of one chain of equations
MOST = 20  # different chains of one completion; further ones are found, and not calculated
_EQUALS = re.compile(_SAME)
_CALCULATES = frozenset("*×·÷/^+")
LARGEST_POWER = 4.0
_DERIVED = frozenset({"QTc", "RR", "HR"})
_TIME = frozenset({"bpm", "beats/min", "次/分"})  # units of a rate; any other unit but boxes is one of time
# What a calculation of an ECG begins or ends with. Rates and RR: 60 s or 60000 ms, 300 large or 1500 small boxes
# divided by one of the other, or 6 times what 10 s hold. Times: boxes of 40 or 200 ms, and s as ms.
_DIVIDED, _PER_MINUTE = (frozenset(n) for n in (("60", "60000", "300", "1500"), ("6",)))
_BOXES, _MILLI = (frozenset(n) for n in (("40", "0.04", ".04", "200", "0.2", ".2", "0.20", ".20", "1000"), ("1000",)))


@dataclass(frozen=True)
class Equation:
    """A chain of sides that the text says are equal; span: [start, end) characters of the readable text.

    sides: none for a chain after the first MOST. derives: whether it is how a QTc, a rate, an RR or an axis is got from
    other quantities, or time from boxes or another unit; "5 ms / 1 = 5 ms" gets nothing.
    """

    sides: tuple[Expr, ...]
    span: tuple[int, int]
    derives: bool


class _Malformed(Exception):
    """The tokens are no formula."""


class _Grammar:
    """expression = term {(+|-) term}; term = factor {(*|/|nothing before a root) factor}; factor = atom [^ number]."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at = tokens, 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def expression(self) -> Expr:
        total = self.term()
        while self.peek()[1] in ("+", "-"):
            sign = self.take()[1]
            term = self.term()
            total = total + term if sign == "+" else total - term
        return total

    def term(self) -> Expr:
        product = self.factor()
        while self.peek()[1] in ("*", "×", "·", "/", "÷", "(") or self.peek()[0] in ("root", "cube"):
            implied = self.peek()[1] == "(" or self.peek()[0] in ("root", "cube")
            times = implied or self.take()[1] in ("*", "×", "·")
            factor = self.factor()
            product = product * factor if times else product / factor
        return product

    def factor(self) -> Expr:
        base = self.atom()
        if self.peek()[1] != "^":
            return base
        self.take()
        power = self.atom()
        if not power.is_number or abs(float(power)) > LARGEST_POWER:
            raise _Malformed
        return base**power

    def atom(self) -> Expr:
        from sympy import Float, Rational, Symbol, cbrt, sqrt  # imported where used: it takes half a second

        kind, text = self.take()
        if kind == "number":
            return Rational(text) if "." not in text else Float(text)
        if kind == "name":
            return Symbol(_SYMBOLS.get(text, "HR"), positive=True)
        if kind in ("root", "cube"):
            inner = self.atom()
            return sqrt(inner) if kind == "root" else cbrt(inner)
        if text == "(":
            inner = self.expression()
            if self.take()[1] != ")":
                raise _Malformed
            return inner
        raise _Malformed


def _chain(text: str, start: int) -> tuple[list[tuple[str, str]], int]:
    """(tokens, end) of the run of formula tokens from `start` on."""
    tokens: list[tuple[str, str]] = []
    at = end = start
    while len(tokens) < LONGEST and (m := _TOKEN.match(text, at)):
        tokens.append((m.lastgroup or "", m.group(m.lastgroup or 0)))
        end = m.end()
        at = _SPACE.match(text, end).end()  # type: ignore[union-attr]
    return tokens, end


def _side(tokens: list[tuple[str, str]]) -> Expr | None:
    grammar = _Grammar([t for t in tokens if t[0] != "unit"])
    try:
        expression = grammar.expression()
    except (_Malformed, RecursionError):
        return None
    return expression if grammar.peek()[0] == "end" else None


def read_equations(text: str) -> list[Equation]:
    """The different chains of equations of a text that `characters.readable` has made plain, in order."""
    found, seen, at = list[Equation](), set[tuple[tuple[str, str], ...]](), 0
    while sign := _EQUALS.search(text, at):
        start = _start(text, max(at, sign.start() - 60), sign.start())
        tokens, end = _chain(text, start)
        at = max(end, sign.end())
        chain = tuple(tokens)
        if chain in seen or not any(kind in ("root", "cube") or t in _CALCULATES for kind, t in chain):
            continue
        seen.add(chain)
        read = len(seen) <= MOST
        sides = _sides(tokens) if read else ()
        if len(sides) > 1 or not read:
            found.append(Equation(sides, (start, end), _derives(chain)))
    return found


def _derives(chain: tuple[tuple[str, str], ...]) -> bool:
    names = {_SYMBOLS.get(text, "HR") for kind, text in chain if kind == "name"}
    units = {text for kind, text in chain if kind == "unit"}
    plain = [token for token in chain if token[0] != "unit"]
    numbers = [float(text) for kind, text in plain if kind == "number"]
    last = numbers[-1] if numbers else 0.0
    if any(kind in ("root", "cube") or text == "^" for kind, text in chain):
        return "QTc" in names or (bool(names or units) and numbers.count(last) == 1)
    if "QTc" in names:  # Framingham and Hodges
        return ("operator", "+") in chain
    per_minute, timed = bool(names & _DERIVED or units & _TIME), bool(units - _TIME)
    for (_, a), (_, operator), (_, b) in zip(plain, plain[1:], plain[2:], strict=False):
        if operator in "/÷" and ((per_minute and a in _DIVIDED) or (timed and b in _MILLI)):
            return True
        if operator in "*×·" and numbers.count(last) == 1:  # what is multiplied by 1 is what it was
            constants = (_PER_MINUTE | _DIVIDED if per_minute else frozenset()) | (_BOXES if timed else frozenset())
            if a in constants or b in constants:
                return True
    return False


def _sides(tokens: list[tuple[str, str]]) -> tuple[Expr, ...]:
    parts: list[list[tuple[str, str]]] = [[]]
    for token in tokens:
        if token[0] == "equals":
            parts.append([])
        else:
            parts[-1].append(token)
    return tuple(side for part in parts if part and (side := _side(part)) is not None)


def _start(text: str, lowest: int, sign: int) -> int:
    """Where the first side begins: the leftmost place from which formula tokens run up to the sign."""
    first, end = sign, -1
    for m in _TOKEN.finditer(text, lowest, sign):
        if m.start() != end:  # something else stood between
            first = sign
        if first == sign and m.group() != ")" and m.lastgroup != "equals":
            first = m.start()
        end = _SPACE.match(text, m.end()).end()  # type: ignore[union-attr]
    return first if end == sign else sign
