"""What of an answer is true: values beside the measured ones, diagnoses beside the labels, and contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ecg_r1.console import cell
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.quantities import QUANTITIES, TABLE
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.rewards.consistency import consistency, implications
from ecg_r1.scoring.answers import read_answer
from ecg_r1.scoring.cases import case_from
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.judgement import LOOKS, Judgement
from ecg_r1.scoring.labels import truth_of
from ecg_r1.scoring.verify import tolerance_of, verify
from ecg_r1.scoring.verify_findings import verify_findings


def checked(completion: Completion, records: Sequence[ECGRecord]) -> RenderableType:
    """Hold an answer against the records that it may be about, and against itself.

    With several records each value is held against each of them: the text does not say which it means.

    Args:
        completion: of the model.
        records: those that the model was shown.

    Returns:
        For rich's console: a table of the quoted values; tables of the findings and of the diagnoses, where the answer
        states findings and a record has labels; a line for each contradiction.
    """
    cases = [_case(record) for record in records]
    parts = [_values(completion, cases), *_findings(completion, cases), *_diagnoses(completion, cases)]
    look = LOOKS["contradicted"]
    return Group(*parts, *(cell(f"{look.mark} {line}", look.style) for line in contradictions(completion, cases)))


def contradictions(completion: Completion, cases: Sequence[Case]) -> list[str]:
    """Find what the answer contradicts.

    Args:
        completion: with an answer.
        cases: of the records that it may be about.

    Returns:
        A line for each diagnosis of the answer that disagrees with a quoted value, with the reasoning, with another
        diagnosis, or with what was measured on every one of the records.
    """
    score = consistency(completion, cases[0])  # it looks at the text alone
    rows = score.evidence if score else ()
    found = [row.reason for row in rows if isinstance(row, Judgement) and row.verdict == "contradicted"]
    measured = [list(_unmet(completion, case)) for case in cases]
    return [*dict.fromkeys(found), *(line for line in measured[0] if all(line in lines for lines in measured))]


def _unmet(completion: Completion, case: Case) -> Iterator[str]:
    """The diagnoses of the answer whose criterion the measurement does not meet, by more than its tolerance."""
    for name in read_answer(completion).asserted:
        for limit in implications(name, True) if vocabulary().find(name) else ():
            measured = case.measurements[limit.quantity]
            if limit.criterion is None or measured.value is None:
                continue
            quantity = QUANTITIES[limit.quantity]
            tolerance = tolerance_of(quantity, measured)
            near = (measured.value - tolerance, measured.value, measured.value + tolerance)
            if all(limit.criterion.holds(value) != limit.meets for value in near):
                yield f"{limit.wording}, measured {quantity.title} {quantity.written(measured.value)}"


def _values(completion: Completion, cases: Sequence[Case]) -> Table | Text:
    """One line for each quoted value, one column for each record."""
    quotes = {  # a value that is repeated is shown once
        rows[0].text: rows for rows in zip(*(verify(completion, case) for case in cases), strict=True)
    }
    if not quotes:
        return Text("The answer quotes no value that can be measured.", style="bright_black")
    table = _table(["quoted"], "measured", cases)
    for text, rows in quotes.items():
        table.add_row(cell(text), *map(_measured, rows))
    return table


def _findings(completion: Completion, cases: Sequence[Case]) -> Iterator[Table]:
    """One line for each finding that is claimed or denied, one column for each record."""
    judged = zip(*(verify_findings(completion, case) for case in cases), strict=True)
    claims = {(rows[0].claim, rows[0].text): rows for rows in judged}  # what is repeated is shown once
    if claims:
        table = _table(["finding"], "measured", cases)
        for rows in claims.values():
            looks = [LOOKS[row.verdict] for row in rows]
            cells = (cell(f"{look.mark} {row.reason}", look.style) for look, row in zip(looks, rows, strict=True))
            table.add_row(cell(rows[0].text), *cells)
        yield table


def _measured(row: Judgement) -> Text:
    known = row.measured is not None and row.quantity is not None
    found = TABLE[row.quantity].written(row.measured) if known else row.reason  # type: ignore[index, arg-type]
    look = LOOKS[row.verdict]
    return cell(f"{look.mark} {found}", look.style)


def _diagnoses(completion: Completion, cases: Sequence[Case]) -> Iterator[Table]:
    """One line for each diagnosis that is answered or labelled, one column for each record that has labels."""
    labelled = [case for case in cases if case.diagnoses]
    if not labelled:
        return
    answer = read_answer(completion)
    said = dict.fromkeys(answer.doubted, "possible") | dict.fromkeys(answer.asserted, "asserted")
    said = {name: how for name, how in said.items() if vocabulary().find(name)}
    said |= dict.fromkeys(answer.contradicted, "asserted and denied")
    truths = [truth_of(case).given for case in labelled]
    table = _table(["diagnosis", "answer"], "label", labelled)
    for name in dict.fromkeys([*said, *(name for truth in truths for name in sorted(truth))]):
        table.add_row(cell(name), Text(said.get(name, "–")), *(_labelled(name in said, name in t) for t in truths))
    yield table


def _labelled(answered: bool, label: bool) -> Text:
    verdict, words = {
        (True, True): ("supported", "yes"),
        (True, False): ("contradicted", "no"),
        (False, True): ("missing", "yes"),
        (False, False): ("unverifiable", "no"),
    }[answered, label]
    return Text(f"{LOOKS[verdict].mark} {words}", style=LOOKS[verdict].style)


def _table(first: Sequence[str], title: str, cases: Sequence[Case]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    for name in first:
        table.add_column(name)
    for case in cases:
        table.add_column(cell(title if len(cases) == 1 else f"{title}, {case.record_id}"))
    return table


def _case(record: ECGRecord) -> Case:
    return case_from(record.record_id, record.diagnoses, measure(record), leads=record.leads)
