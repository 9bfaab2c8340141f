"""What the compared runs wrote about a case in their own training, where they were trained on it too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ecg_r1.evaluation.inspect import InspectError, read_completions
from ecg_r1.runs import layout
from ecg_r1.runs.read import Run

SHOWN = 3  # completions of each run: the first, one amid the training, the last


@dataclass(frozen=True)
class Practised:
    """The training completions of one run about one case.

    Attributes:
        run: its name.
        colour: its number among the models.
        count: of all that were saved.
        shown: step, advantage and text of `SHOWN` of them, in the order of training.
    """

    run: str
    colour: int
    count: int
    shown: Sequence[tuple[int, float | None, str]]


def practised(runs: Sequence[Run], examples: Sequence[str]) -> dict[str, list[Practised]]:
    """The saved completions of GRPO runs, by case; a file that is damaged is left out.

    Args:
        runs: of the comparison.
        examples: ids of the cases. A training example is about the same case where its id is the same up to "#".

    Returns:
        Of each case that a run was trained on, what its runs wrote.
    """
    wanted = {example.partition("#")[0]: example for example in examples}
    found: dict[str, list[Practised]] = defaultdict(list)
    for number, run in enumerate(runs):
        of_case: dict[str, list[tuple[int, float | None, str]]] = defaultdict(list)
        for file in sorted((run.folder / layout.COMPLETIONS).glob("*.parquet")):
            try:
                rows = read_completions(file)
            except InspectError:
                continue
            for row in rows:
                if case := wanted.get(row["example"].partition("#")[0]):
                    of_case[case].append((row["step"], row["advantage"], row["completion"]))
        for case, rows_of in of_case.items():
            rows_of.sort(key=lambda row: row[0])
            places = sorted({round(part * (len(rows_of) - 1) / (SHOWN - 1)) for part in range(SHOWN)})
            found[case].append(Practised(run.name, number % 6, len(rows_of), [rows_of[place] for place in places]))
    return found
