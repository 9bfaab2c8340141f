"""Reports of PTB-XL as answers to their own codes: what they are worth, and where each lost point goes.

    python benchmarks/labels.py PTBXL_DATABASE.csv [MORE.csv ...] [--labels diagnostic,rhythm] [--likelihood 50]

Only reports that are written in English count. Each is scored like an answer (`diagnosis`, match: jaccard); what is
missing to 1 is shared out among the diagnoses that cost it:

- never stated: a code that no word of the report speaks of;
- wording unknown: the report has the words of the code, and the reader does not read the diagnosis in them;
- degree: report and code name it, one as certain and the other as possible;
- disagree: the report says something else than the code, or more.

Prints the tables and, as its last line, the same as JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ecg_r1.datasets.card import find_card
from ecg_r1.datasets.entry import KINDS, Entry
from ecg_r1.datasets.folder import entry_of
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.text.sentences import sentences
from ecg_r1.rewards.diagnosis import similarity, weighted
from ecg_r1.scoring import Case, Completion
from ecg_r1.scoring.answers import Answer, read_answer, unread
from ecg_r1.scoring.labels import held_against, truth_of
from ecg_r1.scoring.phrases import content

_ENGLISH = re.compile(
    r"\b(?:the|of|and|is|are|rhythm|wave|changes|block|cannot|fibrillation|tachycardia|bradycardia|pacemaker|pathology)\b"
)
_OTHER = re.compile(
    r"\b(?:sinusrhythmus|sinusrytm|\w*typ|ekg|und|bei|mit|sonst|vorhof\w*|links\w+|rechts\w+)\b|[äöüåø]", re.IGNORECASE
)
WHY = ("never stated", "wording unknown", "degree", "disagree")
_GENERAL = frozenset(content("wave segment changes abnormality ecg interval left right lead leads complex qrs heart"))


def english(table: Path) -> Iterator[Entry]:
    """The entries of a table whose report is in English."""
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entry = entry_of(find_card("ptb-xl"), Path(row["ecg_id"]), row["ecg_id"], row, table)
            report = entry.report or ""
            if _ENGLISH.search(report) and not _OTHER.search(report) and not entry.fault:
                yield entry


def lost(case: Case, report: str) -> tuple[float, list[tuple[str, str, float]]]:
    """(score of the report, (diagnosis, why, points) of each loss)."""
    truth = truth_of(case)
    text = Completion(report, all_answer=True)
    answer = held_against(read_answer(text), case)
    given = weighted(answer, truth)
    union = {*truth.given, *given}
    losses = []
    for name in sorted(union):
        worth = given.get(name, 0.0) if name in truth.given else 0.0
        if worth < 1.0:
            losses.append((name, _why(name, truth, answer, report), (1.0 - worth) / len(union)))
    return 1.0 - sum(points for _, _, points in losses), losses


def _why(name: str, truth: Answer, answer: Answer, report: str) -> str:
    if name in answer.given:
        return "degree" if name in truth.given else "disagree"
    if any(similarity(name, other) > 0.25 for other in answer.given):
        return "disagree"
    return "wording unknown" if has_words_of(name, report) else "never stated"


def has_words_of(name: str, report: str) -> bool:
    """Whether a sentence of the report has most of the words of a diagnosis, whatever it says of it."""
    said = [set(content(report.lower()[start:end])) for start, end in sentences(report.lower())]
    statement = vocabulary().find(name)
    wordings = (set(content(wording.lower())) - _GENERAL for wording in (statement.wordings if statement else (name,)))
    return any(words and any(len(words & sentence) >= 0.6 * len(words) for sentence in said) for words in wordings)


def main() -> None:
    """Score the reports and print where their points are lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path)
    parser.add_argument("--labels", default=",".join(KINDS), help="kinds of PTB-XL's statements, as in a recipe")
    parser.add_argument("--likelihood", type=float, default=0.0)
    parser.add_argument("--show", type=int, default=0, help="so many of the lowest reports, with their losses")
    options = parser.parse_args()
    entries = {entry.path.name: entry for table in options.tables for entry in english(table)}
    points, names = Counter[str](), defaultdict[str, Counter[str]](Counter)
    scored, unknown = [], Counter[str]()
    for entry in entries.values():
        entry = entry.choose(options.labels.split(","), options.likelihood)
        case = Case(entry.path.name, entry.diagnoses or (), Measurements.from_json({}), unlabelled=entry.unlabelled)
        if not truth_of(case).given:
            continue
        value, losses = lost(case, entry.report or "")
        scored.append((value, entry, losses))
        for name, why, lost_points in losses:
            points[why] += lost_points
            names[why][name] += 1
        unknown.update(unread_sentences(entry.report or ""))
    mean = sum(value for value, _, _ in scored) / len(scored)
    table = Table(title=f"{len(scored)} English reports, mean Jaccard {mean:.3f}; of 1.000 is lost:")
    for column in ("why", "points", "most often"):
        table.add_column(column)
    for why in WHY:
        most = ", ".join(f"{count} x {name}" for name, count in names[why].most_common(8))
        table.add_row(why, f"{points[why] / len(scored):.3f}", most)
    console = Console(width=160)
    console.print(table)
    console.print("Sentences of which nothing is read:", [f"{n} x {said}" for said, n in unknown.most_common(25)])
    for value, entry, losses in sorted(scored, key=lambda row: row[0])[: options.show]:
        console.print(f"{value:.2f}", entry.path.name, entry.report, entry.diagnoses, losses)
    shares = {why: round(points[why] / len(scored), 4) for why in WHY}
    print(json.dumps({"reports": len(scored), "jaccard": round(mean, 4), "lost": shares}))


def unread_sentences(report: str) -> Iterator[str]:
    """The sentences of a report in which no diagnosis, verdict or remark is read."""
    for start, end in sentences(report):
        said = " ".join(report[start:end].split()).strip(" .")
        if said and not vocabulary().find(said) and said in unread(said):
            yield said


if __name__ == "__main__":
    main()
