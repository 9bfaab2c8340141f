"""All findings of a delineated record."""

from __future__ import annotations

from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import NO_FINDINGS, Findings, Key
from ecg_r1.ecg.lead_findings import LEAD_FINDINGS
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record_findings import NO_BOUNDS, RECORD_FINDINGS, Heart

NOT_IN_LEAD = "the lead was not recorded, or is too noisy"


def measured_findings(heart: Heart, sex: str | None = None, age: float | None = None) -> Findings:
    """Every finding of the table, for a patient whose sex and age some thresholds depend on."""
    values: dict[Key, float | str] = {}
    lost = NOT_IN_LEAD if heart.beats else NO_BOUNDS
    for name, definition in definitions().items():
        if definition.per_lead:
            measure = LEAD_FINDINGS[name]
            for lead in LEADS:
                values[name, lead] = measure(heart.beats[lead]) if lead in heart.beats else lost
        else:
            lacks = definition.lacks(heart.beats)
            values[name, None] = lost if lacks and not heart.beats else lacks or RECORD_FINDINGS[name](heart)
    return Findings(
        {
            (name, lead): value
            if isinstance(value, str)
            else (value, definitions()[name].margin(value, lead, sex, age))
            for (name, lead), value in values.items()
        }
    )


def none_measured(reason: str) -> Findings:
    """The findings of a record that cannot be measured at all."""
    return Findings({(name, lead): reason for name, lead in NO_FINDINGS if lead or not definitions()[name].per_lead})
