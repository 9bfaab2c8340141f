"""Cases and completions as JSON lines, for `ecg-r1 reward score` and for rewards used outside this framework."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg_r1.ecg.diagnosis import vocabulary
from ecg_r1.ecg.measurements import QUANTITIES, Measurements
from ecg_r1.errors import UserError
from ecg_r1.scoring.contract import Case

# What is no quantity where the diagnosis says that a wave is absent: a measurer may find one all the same.
NEEDS = {"P": ("pr_ms", "p_ms")}
_MEASURED = (*QUANTITIES, "unmeasurable", "spread", "method")
_KEYS = ("id", "diagnoses", "measurements", "record", "completion", "evidence", "question", "extra")


class CaseError(UserError):
    """A line that is no case; the message names the file, the line and the key."""


@dataclass(frozen=True)
class Sample:
    """One completion with its case. id: as its line gives it."""

    id: str | int
    case: Case
    completion: str


def case_from(record_id: str, diagnoses: Iterable[str], measurements: Measurements, **fields: Any) -> Case:
    """A Case whose PR and P are unmeasurable where a diagnosis says that there are no P waves (atrial fibrillation)."""
    names = tuple(diagnoses)
    for name in names:
        statement = vocabulary().find(name)
        for wave in statement.absent_waves if statement else ():
            measurements = measurements.without(NEEDS.get(wave, ()), f"no {wave} waves")
    return Case(record_id, names, measurements, **fields)


def sample_from(row: Mapping[str, Any], where: str, measure: Callable[[Path], Measurements] | None = None) -> Sample:
    """The sample of one line {"id", "diagnoses", "measurements" or "record", "completion"}; `where` begins the errors.

    measure: reads a record's path into measurements; needed only for lines that name a "record".
    Raises CaseError.
    """
    unknown = [key for key in row if key not in _KEYS]
    if unknown:
        raise CaseError(f'{where}: unknown key "{unknown[0]}" (known: {", ".join(_KEYS)})')
    if not isinstance(row.get("completion"), str):
        raise CaseError(f'{where}: "completion" is a text, not {row.get("completion")!r}')
    diagnoses = row.get("diagnoses", [])
    if not isinstance(diagnoses, list) or not all(isinstance(name, str) for name in diagnoses):
        raise CaseError(f'{where}: "diagnoses" is a list of names or codes, not {diagnoses!r}')
    given = row.get("id", where)
    if not isinstance(given, str | int):
        raise CaseError(f'{where}: "id" is a text or a whole number, not {given!r}')
    measurements = _measurements(row, where, measure)
    extra = {"evidence": row.get("evidence") or {}, "question": row.get("question"), "extra": row.get("extra") or {}}
    return Sample(given, case_from(str(given), diagnoses, measurements, **extra), row["completion"])


def _measurements(row: Mapping[str, Any], where: str, measure: Callable[[Path], Measurements] | None) -> Measurements:
    if "record" in row and measure is not None:
        if not isinstance(row["record"], str):
            raise CaseError(f'{where}: "record" is a path, not {row["record"]!r}')
        try:
            return measure(Path(row["record"]))
        except UserError as error:
            raise CaseError(f"{where}: {error}") from error
    given = row.get("measurements")
    if not isinstance(given, Mapping):
        raise CaseError(f'{where}: needs "measurements", {{"pr_ms": 164, …}}, or "record", the path of one')
    for name, value in given.items():
        if name in ("unmeasurable", "spread") and not isinstance(value, Mapping):
            raise CaseError(f'{where}: "{name}" is an object by quantity, not {value!r}')
        if name not in _MEASURED:
            raise CaseError(f'{where}: unknown measurement "{name}" (known: {", ".join(_MEASURED)})')
        if isinstance(value, float) and not math.isfinite(value):
            raise CaseError(f'{where}: "{name}" is {value}; a finite number or null belongs here')
    try:
        return Measurements.from_json(given)
    except ValueError as error:
        raise CaseError(f'{where}: "measurements": {error}') from error


def read_samples(path: Path, measure: Callable[[Path], Measurements] | None = None) -> Iterator[Sample]:
    """The samples of a JSON lines file, in its order. Raises CaseError."""
    if not path.is_file():
        raise CaseError(f"{path}: no such file")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(line, parse_constant=_no_number)
            except ValueError as error:
                raise CaseError(f"{where}: no JSON: {error}") from error
            if not isinstance(row, dict):
                raise CaseError(f"{where}: one object a line, not {type(row).__name__}")
            yield sample_from(row, where, measure)


def _no_number(name: str) -> float:
    raise ValueError(f'{name} is no number; null and a reason under "unmeasurable" say what is not measured')
