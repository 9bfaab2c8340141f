"""Holds every claimed finding against what was measured on the signal, lead by lead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from ecg_r1.ecg.definitions import Definition, definitions
from ecg_r1.ecg.findings import Finding, Findings, State
from ecg_r1.ecg.leads import LEADS
from ecg_r1.reading.findings.finding_claims import FindingClaim
from ecg_r1.reading.findings.finding_words import GROUPS
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.judgement import FINDING, Judgement, Verdict
from ecg_r1.scoring.labels import truth_of
from ecg_r1.scoring.verify import LOOSE, graded

MOSTLY = 2 / 3  # of the leads that are named must show a finding that is claimed in them
# What is the contrary of another finding, and so a claim of one is a denial of the other.
CONTRARIES = {"p_absent": "p_present", "qrs_narrow": "qrs_broad", "rhythm_regular": "rhythm_irregular"}
# What says enough without a lead, or without saying which of several findings it is.
_ENOUGH = ("lvh_voltage", "low_voltage", "delta_wave", "notched_qrs")


@dataclass(frozen=True)
class Held:
    """A claim of a finding beside what was measured.

    name: of the finding, or of a group of several; a claim of a contrary is a denial of it ("narrow QRS" of
    "qrs_broad"). present: whether it is claimed to be there. cells: what was measured in each lead that counts, or of
    the record as a whole. hidden: leads that are named and not shown. recall: share of the leads that show the
    finding which the text names, where this claim names leads. labelled: whether a label of the case says the same: who
    is right is open then, where the signal contradicts it.
    """

    claim: FindingClaim
    name: str
    present: bool
    cells: tuple[Finding, ...]
    hidden: tuple[str, ...] = ()
    recall: float | None = None
    labelled: bool = False

    @cached_property
    def right(self) -> int:
        """Leads, or records, in which the claim is true."""
        return sum(cell.state is (State.PRESENT if self.present else State.ABSENT) for cell in self.cells)

    @cached_property
    def wrong(self) -> int:
        """Leads, or records, in which the claim is false."""
        return sum(cell.state is (State.ABSENT if self.present else State.PRESENT) for cell in self.cells)

    @cached_property
    def verdict(self) -> Verdict:
        """A claim of leads holds where most of them show the finding, a denial where none does.

        What is borderline, or cannot be measured, says nothing. A lead that is not shown leaves a claim open which the
        others do not contradict.
        """
        judged = self.right + self.wrong
        if judged and (self.right / judged < MOSTLY if self.present else self.wrong > 0):
            return "unverifiable" if self.labelled else "contradicted"
        return "supported" if judged and not self.hidden else "unverifiable"

    @cached_property
    def score(self) -> float | None:
        """By how much the leads meet or miss the threshold: 1 where all do, less by margin and by leads left out.

        A claim that says less is worth `LOOSE` of that: one of several findings ("ST-T changes"), or of no lead.
        """
        if self.verdict == "unverifiable":
            return None
        worth = [_worth(cell, self.present) for cell in self.cells if cell.state in (State.PRESENT, State.ABSENT)]
        precision = sum(worth) / len(worth) if self.present else min(worth)
        if self.present and self.recall is not None:
            precision = 2 * precision * self.recall / (precision + self.recall) if precision + self.recall else 0.0
        vague = self.present and (self.claim.what in GROUPS or (self.recall is None and _per_lead(self.name)))
        return LOOSE * precision if vague and self.name not in _ENOUGH else precision

    @property
    def reason(self) -> str:
        """One line: the measured number of the lead that speaks most against the claim, and its margin."""
        if self.claim.voltage is not None:
            cell = self.cells[0]
            return cell.reason if cell.value is None else f"measured {_number(cell)}"
        if not self.cells:
            return f"{', '.join(self.hidden)} not shown" if self.hidden else "not measured"
        cell = self.worst
        if cell.margin is None:
            return f"{cell.reason} in {cell.lead}" if cell.lead else cell.reason
        where = f" in {cell.lead}" if cell.lead else ""
        side = "within the threshold" if cell.margin >= 0 else "short of the threshold"
        said = (
            f"{cell.name.replace('_', ' ')}: measured {_number(cell)}{where}, {abs(cell.margin):.3g} {cell.unit} {side}"
        )
        state = ", borderline" if cell.state is State.BORDERLINE else ""
        counts = f"; {self.right} of {self.right + self.wrong} leads as claimed" if len(self.cells) > 1 else ""
        hidden = f"; {', '.join(self.hidden)} not shown" if self.hidden else ""
        label = "; a label says so" if self.labelled and self.verdict == "unverifiable" else ""
        return said.replace(" ,", ",") + state + counts + hidden + label

    @property
    def worst(self) -> Finding:
        """The cell that speaks most against the claim."""
        known = [cell for cell in self.cells if cell.margin is not None]
        if not known:
            return self.cells[0]
        return min(known, key=_relative) if self.present else max(known, key=_relative)

    def judgement(self, completion: Completion) -> Judgement:
        """As evidence: its claim is the finding's name, so that what is said of one finding shares its credit."""
        claim = self.claim
        cell = self.worst if self.cells else None
        return Judgement(
            self.name, self.verdict, self.score, claim.span, self.reason, completion.text[slice(*claim.span)],
            kind=FINDING, unit=(cell.unit or None) if cell else None, lead=", ".join(claim.leads) or None,
            measured=cell.value if cell else None, tolerance=definitions()[cell.name].band if cell else None,
            quoted=claim.voltage,
        )  # fmt: skip


def _per_lead(name: str) -> bool:
    return any(definitions()[each].per_lead for each in GROUPS.get(name, (name,)))


def _number(cell: Finding) -> str:
    return f"{cell.value:.3g} {cell.unit}".strip() if cell.value is not None else cell.reason


def _relative(cell: Finding) -> float:
    """The margin in borderline widths, so that findings of several units compare."""
    assert cell.margin is not None
    return cell.margin / (_definition(cell).band or 1.0)


def _definition(cell: Finding) -> Definition:
    return definitions()[cell.name]


def _worth(cell: Finding, present: bool) -> float:
    """1 where a cell is as claimed, else by how far it is past the borderline, in borderline widths."""
    if (cell.state is State.PRESENT) == present:
        return 1.0
    return graded(max(0.0, abs(_relative(cell)) - 1.0), 1.0)


def hold(completion: Completion, case: Case) -> tuple[Held, ...]:
    """Hold each finding that a text claims or denies of this ECG against the case's measurements, in order.

    What it doubts, asks, supposes or says of another ECG is no claim.
    """
    shown, labelled = shown_findings(case), _labelled(frozenset(truth_of(case).asserted))
    found = [_held(claim, case, shown) for claim in completion.findings if claim.stance in ("claimed", "denied")]
    found = [replace(each, labelled=each.present and each.name in labelled) for each in found]
    return tuple(_with_recall(each, found, shown) for each in found)


def verify_findings(completion: Completion, case: Case) -> tuple[Judgement, ...]:
    """One judgement for each finding that is claimed or denied, in the order of the text; see `Held`."""
    return tuple(held.judgement(completion) for held in hold(completion, case))


@lru_cache(maxsize=4096)
def _labelled(labels: frozenset[str]) -> frozenset[str]:
    """The findings that labels name: "inverted T-waves"."""
    named = (claim for label in labels for claim in Completion.parse(label).findings)
    return frozenset(claim.what for claim in named if claim.stance == "claimed")


def shown_findings(case: Case) -> Findings:
    """The findings of a case; without those of leads that are not shown, and those that need such a lead."""
    findings = case.measurements.findings
    if len(case.leads) == len(LEADS):
        return findings
    measured = {key: cell for key, cell in findings.measured.items() if key[1] is None or key[1] in case.leads}
    for name, definition in definitions().items():
        if (lacks := definition.lacks(case.leads)) and (name, None) in measured:
            measured[name, None] = f"{lacks}, not shown"
    return Findings(measured)


def _held(claim: FindingClaim, case: Case, shown: Findings) -> Held:
    present = claim.stance == "claimed"
    name = claim.what
    if name in CONTRARIES:
        name, present = CONTRARIES[name], not present
    names = GROUPS.get(name, (name,))
    if claim.voltage is not None:
        return _quoted(claim, name, shown)
    if not _per_lead(name):
        return Held(claim, name, present, (_strongest(names, None, shown),))
    normal = set.intersection(*(set(definitions()[each].normal_in) for each in names))
    leads = claim.leads
    if not present and len(leads) > len(normal):  # "no T inversion in V1-V6" is said of the leads where it would be one
        leads = tuple(lead for lead in leads if lead not in normal)
    if not leads or (not present and claim.leads == LEADS):
        return Held(claim, name, present, (_strongest(names, None, shown),))
    hidden = tuple(lead for lead in leads if lead not in case.leads)
    cells = tuple(_strongest(names, lead, shown) for lead in leads if lead in case.leads)
    return Held(claim, name, present, cells, hidden)


def _strongest(names: Iterable[str], lead: str | None, shown: Findings) -> Finding:
    """Of several findings the one that is there most clearly: they are all absent where it is."""
    cells = [shown[name, lead] for name in names]
    known = [cell for cell in cells if cell.margin is not None]
    return max(known, key=_relative) if known else cells[0]


def _quoted(claim: FindingClaim, name: str, shown: Findings) -> Held:
    """A quoted voltage is true where it lies within two borderline widths of the measured one."""
    cell = shown[name, None]
    if cell.value is None or claim.voltage is None:
        return Held(claim, name, True, (cell,))
    error = abs(claim.voltage - cell.value)
    band = 2 * definitions()[name].band
    as_if = Finding(name, None, State.PRESENT if error <= band else State.ABSENT, cell.value, cell.unit, band - error)
    return Held(claim, name, True, (as_if,))


def leads_with(name: str, shown: Findings) -> tuple[str, ...]:
    """The leads in which a finding of single leads is present, leads aside in which it is normal."""
    names = GROUPS.get(name, (name,))
    normal = set.intersection(*(set(definitions()[each].normal_in) for each in names))
    return tuple(lead for lead in LEADS if lead not in normal and _strongest(names, lead, shown).state is State.PRESENT)


def _with_recall(held: Held, found: Iterable[Held], shown: Findings) -> Held:
    if not held.present or not held.claim.leads or not _per_lead(held.name):
        return held
    there = set(leads_with(held.name, shown))
    if not there:
        return held
    named = {
        lead for each in found if each.present and each.name == held.name
        for lead in (*each.claim.leads, *each.claim.further)
    }  # fmt: skip
    return replace(held, recall=len(there & named) / len(there))


def settle_findings(held: Iterable[Held]) -> float | None:
    """What all claims of one finding are worth together: the least; 0 where one of several is contradicted.

    So repeating a claim, or claiming a finding and its contrary, pays nothing. None where none can be judged.
    """
    judged = [(each.verdict, each.score) for each in held if each.score is not None]
    if len(judged) > 1 and any(verdict == "contradicted" for verdict, _ in judged):
        return 0.0
    return min((score for _, score in judged if score is not None), default=None)


def lead_counts(held: Iterable[Held], shown: Findings) -> Iterator[tuple[int, int, int]]:
    """(leads rightly named, leads named, leads that show it) of each finding that is claimed in leads."""
    by_name: dict[str, list[Held]] = {}
    for each in held:
        if each.present and each.claim.leads and _per_lead(each.name):
            by_name.setdefault(each.name, []).append(each)
    for name, claims in by_name.items():
        cells = {cell.lead: cell.state for each in claims for cell in each.cells}
        right = sum(state is State.PRESENT for state in cells.values())
        wrong = sum(state is State.ABSENT for state in cells.values())
        yield (
            right,
            right + wrong,
            len({*leads_with(name, shown)} | {k for k, v in cells.items() if v is State.PRESENT}),
        )
