"""Cases and completions as JSON lines, for `ecg-r1 reward score` and for rewards used outside this framework."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as shown  # however long
from typing import Any, get_args

from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.vocabulary import Kind, vocabulary
from ecg_r1.errors import UserError
from ecg_r1.files import read_json_lines
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.labels import read_labels

# What is no quantity where the diagnosis says that a wave is absent: a measurer may find one all the same.
NEEDS = {"P": ("pr_ms", "p_ms")}
# What cannot be said of P waves where the diagnosis says that there are none, and the signal shows some all the same.
OF_P_WAVES = ("p_present", "p_absent", "p_in_step", "p_dissociated", "p_pulmonale", "p_mitrale")
# What a measurement's JSON may hold.
_PARTS = ("unmeasurable", "spread", "range", "absent", "by_lead", "method", "notes", "findings", "rhythm")
_MEASURED = (*QUANTITIES, *_PARTS)
_KEYS = (
    "id", "diagnoses", "unlabelled", "measurements", "record", "leads", "completion", "expected", "question", "extra",
)  # fmt: skip


class CaseError(UserError):
    """A line that is no case; the message names the file, the line and the key."""


@dataclass(frozen=True)
class Sample:
    """One completion with its case. id: as its line gives it."""

    id: str | int
    case: Case
    completion: str


def case_from(record_id: str, diagnoses: Iterable[str], measurements: Measurements, **fields: Any) -> Case:
    """The one constructor of cases: for the store, other frameworks' rows, `ask` and `reward score`.

    PR and P are absent where a diagnosis says that there are no P waves (atrial fibrillation), whatever a measurer
    finds. The findings of P waves count as not measurable then, if the signal shows P waves: who is right is open.

    Args:
        diagnoses: labels: names, codes or free text.
        fields: the other fields of `Case`.
    """
    labels = tuple(diagnoses)
    for name in read_labels(labels).asserted:
        statement = vocabulary().find(name)
        for wave in statement.absent_waves if statement else ():
            reason = f"no {wave} waves ({name})"
            measurements = measurements.without(NEEDS.get(wave, ()), reason, absent=True)
            if wave == "P" and measurements.findings["p_present", None].state in (State.PRESENT, State.BORDERLINE):
                findings = measurements.findings.without(OF_P_WAVES, f"P waves are measured, and {name} has none")
                measurements = replace(measurements, findings=findings)
    return Case(record_id, labels, measurements, **fields)


def sample_from(row: Mapping[str, Any], where: str, measure: Callable[[Path], Measurements] | None = None) -> Sample:
    """The sample of one line {"id", "diagnoses", "measurements" or "record", "completion"}; `where` begins the errors.

    "leads" names those that are shown: all unless given, and none where no ECG is.

    measure: reads a record's path into measurements; needed only for lines that name a "record".
    Raises CaseError.
    """
    unknown = [key for key in row if key not in _KEYS]
    if unknown:
        raise CaseError(f'{where}: unknown key "{unknown[0]}" (known: {", ".join(_KEYS)})')
    if not isinstance(row.get("completion"), str):
        raise CaseError(f'{where}: "completion" is a text, not {shown(row.get("completion"))}')
    diagnoses = diagnoses_from(row.get("diagnoses", []), where)
    given = row.get("id", where)
    if not isinstance(given, str | int):
        raise CaseError(f'{where}: "id" is a text or a whole number, not {shown(given)}')
    measurements = _measurements(row, where, measure)
    fields = {key: row.get(key) or {} for key in ("expected", "extra")}
    for key, value in fields.items():
        if not isinstance(value, Mapping):
            raise CaseError(f'{where}: "{key}" is an object, not {shown(value)}')
    question = row.get("question")
    if not isinstance(question, str | None):
        raise CaseError(f'{where}: "question" is a text, not {shown(question)}')
    fields |= {"question": question, "unlabelled": unlabelled_from(row.get("unlabelled", []), where)}
    fields |= {"leads": leads_from(row.get("leads"), where)}
    return Sample(given, case_from(str(given), diagnoses, measurements, **fields), row["completion"])


def diagnoses_from(given: Any, where: str) -> list[str]:
    """The names or codes of a line or row. Raises CaseError."""
    given = _listed(given)
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise CaseError(f'{where}: "diagnoses" is a list of names or codes, not {shown(given)}')
    return list(given)


def unlabelled_from(given: Any, where: str) -> tuple[str, ...]:
    """The kinds of statement that the labels of a line or row leave out.

    Raises:
        CaseError: it is not a list of kinds.
    """
    given = _listed(given)
    kinds = get_args(Kind)
    if not isinstance(given, list | tuple) or any(kind not in kinds for kind in given):
        raise CaseError(f'{where}: "unlabelled" is a list of {", ".join(kinds)}, not {shown(given)}')
    return tuple(given)


def leads_from(given: Any, where: str) -> tuple[str, ...]:
    """The leads of a line or row that are shown, in the order of `LEADS`; all of them where it does not say.

    Raises:
        CaseError: it is not a list of leads.
    """
    given = _listed(given)
    if given is None:
        return LEADS
    if not isinstance(given, list | tuple) or any(lead not in LEADS for lead in given):
        raise CaseError(f'{where}: "leads" is a list of {", ".join(LEADS)}, not {shown(given)}')
    return tuple(lead for lead in LEADS if lead in given)


def _measurements(row: Mapping[str, Any], where: str, measure: Callable[[Path], Measurements] | None) -> Measurements:
    if "record" in row and measure is not None:
        if not isinstance(row["record"], str):
            raise CaseError(f'{where}: "record" is a path, not {shown(row["record"])}')
        try:
            return measure(Path(row["record"]))
        except UserError as error:
            raise CaseError(f"{where}: {error}") from error
    return measurements_from(row.get("measurements"), where)


def measurements_from(given: Any, where: str) -> Measurements:
    """The measurements of a line or row. What is under "unmeasurable", with a reason, is so whatever its value.

    Raises CaseError.
    """
    if given is None:
        raise CaseError(f'{where}: needs "measurements", {{"pr_ms": 164, …}}, or "record", the path of one')
    if not isinstance(given, Mapping):
        raise CaseError(f'{where}: "measurements" is an object, {{"pr_ms": 164, …}}, not {shown(given)}')
    given = dict(given)
    for name in ("unmeasurable", "spread"):
        if not isinstance(given.get(name) or {}, Mapping):
            raise CaseError(f'{where}: "{name}" is an object by quantity, not {shown(given[name])}')
        given[name] = {key: value for key, value in (given.get(name) or {}).items() if value is not None}
        _known(given[name], QUANTITIES, f"{where}: {name}")
    _known(given, _MEASURED, where)
    if given.get("absent") is not None:
        given["absent"] = absent = _listed(given["absent"])
        if not isinstance(absent, list | tuple) or not all(isinstance(name, str) for name in absent):
            raise CaseError(f'{where}: "absent" is a list of quantities, not {shown(absent)}')
        _known(absent, QUANTITIES, f"{where}: absent")
    for name, reason in given["unmeasurable"].items():
        if not isinstance(reason, str):
            raise CaseError(f'{where}: unmeasurable: "{name}" is a text that says why, not {shown(reason)}')
    for name, value in [*given.items(), *given["spread"].items()]:
        if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
            raise CaseError(f'{where}: "{name}" is {shown(value)}; a finite number or null belongs here')
    for name, value in given["spread"].items():
        if not isinstance(value, int | float):
            raise CaseError(f'{where}: spread: "{name}" is a number, not {shown(value)}')
    try:
        return Measurements.from_json(given | dict.fromkeys(given["unmeasurable"]))
    except ValueError as error:
        raise CaseError(f'{where}: "measurements": {error}') from error


def _listed(given: Any) -> Any:
    """A column of a parquet file holds arrays where JSON has lists."""
    return given.tolist() if hasattr(given, "tolist") else given


def _known(given: Iterable[str], known: Collection[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise CaseError(f'{where}: unknown measurement "{name}" (known: {", ".join(known)})')


def read_samples(path: Path, measure: Callable[[Path], Measurements] | None = None) -> Iterator[Sample]:
    """The samples of a JSON lines file, in its order. Raises CaseError."""
    for where, row in read_json_lines(path, CaseError, constant=_no_number):
        yield sample_from(row, where, measure)


def _no_number(name: str) -> float:
    raise ValueError(f'{name} is no number; null and a reason under "unmeasurable" say what is not measured')
