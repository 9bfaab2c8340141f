"""What became of a split's records, in a few lines for the terminal."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from ecg_r1.corpus.rows import CorpusError
from ecg_r1.corpus.store import COMPLETE
from ecg_r1.files import read_json, read_json_lines
from ecg_r1.terminal import visible

REASONS = 3  # shown, of the reasons and of the labels
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def summary(folder: Path) -> str:
    """The summary of a split that is complete: what was used, quarantined and left out."""
    counts = read_json(folder / COMPLETE)
    lines = [f"{folder}: {counts['records']} records and {counts['examples']} examples"]
    if counts["quarantined"]:
        lines.append(f"  {counts['quarantined']} records quarantined, see quarantine.jsonl:")
        lines += [f"    {count} x {visible(reason)}" for reason, count in commonest_reasons(folder)]
    if counts["doubtful"]:
        lines.append(
            f"  records kept whose checksum or gain contradicts their signal: {counts['doubtful']} "
            "(`refuse_doubtful: true` leaves them out)"
        )
    if counts["examples_left_out"]:
        lines.append(
            f"  {counts['examples_left_out']} examples left out: a record of theirs is quarantined or missing, see "
            "left-out.jsonl"
        )
    if untold := counts["untold"]:
        most = ", ".join(f"{count} x {name}" for name, count in list(untold.items())[:REASONS])
        more = ", …" if len(untold) > REASONS else ""
        lines.append(
            f"  {sum(untold.values())} findings of a diagnosis not written, because the signal contradicts them: "
            f"{most}{more}"
        )
    if conflicts := counts["conflicts"]:
        kinds = ", ".join(f"{count} x {kind}" for kind, count in conflicts.items())
        lines.append(f"  {sum(conflicts.values())} disagreements of label and signal, see conflicts.jsonl: {kinds}")
    if counts["rewritten"] or counts["rewrites_refused"]:
        refused = counts["rewrites_refused"]
        why = "".join(f"; {count} x {reason}" for reason, count in refused.items())
        lines.append(
            f"  {counts['rewritten']} texts worded anew by a language model, {sum(refused.values())} refused"
            + (f", see rewrites.jsonl{why}" if refused else "")
        )
    if unknown := counts["unknown_labels"]:
        most = ", ".join(f"{count} x {visible(label)}" for label, count in list(unknown.items())[:REASONS])
        more = ", …" if len(unknown) > REASONS else ""
        lines.append(f"  {sum(unknown.values())} labels dropped that the vocabulary does not know: {most}{more}")
    return "\n".join(lines)


def commonest_reasons(folder: Path) -> list[tuple[str, int]]:
    """Why records of a split are quarantined, and how many: reasons that differ in a name or a number are one."""
    reasons = Counter(
        general(row["quarantined"], row["record"])
        for _, row in read_json_lines(folder / "quarantine.jsonl", CorpusError)
    )
    return reasons.most_common(REASONS)


def general(reason: str, record: str) -> str:
    """A reason without the record's name and numbers, so that reasons of one kind can be counted."""
    for name in (record, Path(record).name):
        reason = re.sub(rf"^{re.escape(name)}(?:\.\w+)?: ", "", reason).replace(name, "…")
    return _NUMBER.sub("…", reason)
