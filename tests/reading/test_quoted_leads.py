"""Which leads a quote is for."""

import pytest

from ecg_r1.ecg.leads import LEADS
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.scoring.completion import Completion

CHEST = LEADS[6:]


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("In Ableitung I beträgt die PQ-Zeit 160 ms.", ("I",)),
        ("PQ-Zeit in Abl. II 172 ms", ("II",)),
        ("QRS 90 ms in den Ableitungen I und aVL", ("I", "aVL")),
        ("I导联PR间期160ms", ("I",)),
        ("在II导联测得PR间期160ms", ("II",)),
        ("V1至V4导联ST段抬高2mm", LEADS[6:10]),
        ("ST-Hebung von 2 mm in V1 bis V4", LEADS[6:10]),
        ("PR 160 ms in D II", ("II",)),
    ],
)
def test_leads_as_german_chinese_and_latin_texts_write_them(text: str, leads: tuple[str, ...]) -> None:
    (quote,) = Completion.parse(text).quantities
    assert quote.lead is not None
    assert leads_named(quote.lead) == leads


@pytest.mark.parametrize(
    ("written", "leads"),
    [
        ("v2", ("V2",)),
        ("v2 and v3", ("V2", "V3")),
        ("v2-v4", ("V2", "V3", "V4")),
        ("v1 through v6", CHEST),
        ("v4-v2", ("V2", "V3", "V4")),
        ("v2、v3", ("V2", "V3")),
        ("v2至v4", ("V2", "V3", "V4")),
        ("v2-v4, i and avl", ("I", "aVL", "V2", "V3", "V4")),
        ("ii, iii and avf", ("II", "III", "aVF")),
        ("i-iii", ("I", "II", "III")),
        ("ii-avf", ("II", "aVF")),  # no row of leads: only what is named
        ("v3-v3", ("V3",)),
        ("all leads", LEADS),
        ("all 12 leads", LEADS),
    ],
)
def test_a_list_of_leads(written, leads):
    assert leads_named(written) == leads


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("2 mm of ST elevation in V2 and V3.", ["v2 and v3"]),
        ("ST depression of 1 mm in leads II, III and aVF.", ["ii, iii and avf"]),
        ("1 mm ST elevation in I and aVL with 1 mm ST depression in II, III, aVF.", ["i and avl", "ii, iii, avf"]),
        ("1 mm ST elevation in aVL and I.", ["avl and i"]),
        ("ST elevation of 2 mm is seen in leads V2 and V3.", ["v2 and v3"]),
        ("ST elevation in V2 (2 mm) and V3 (3 mm).", ["v2", "v3"]),
        ("ST elevation in V2 2 mm, V3 3 mm.", ["v2", "v3"]),
        ("2 mm ST elevation in V2, V3 and 3 mm in V4.", ["v2, v3", "v4"]),
        ("R wave amplitude in V5 is 2.1 mV.", ["v5"]),
        ("SV1 14 mm, RV5 21 mm.", ["v1", "v5"]),
        ("Q wave 3 mm deep in III.", ["iii"]),
        ("ST elevation of 2 mm in all leads.", ["all leads"]),
        ("ST elevation of 2 mm in all leads but aVR.", [None]),
        ("ST elevation of 2 mm in V1-V4 except V2.", [None]),
        ("I measure 2 mm of ST elevation, and I see no Q wave.", [None]),
    ],
)
def test_the_leads_of_a_quote(text, leads):
    assert [quote.lead for quote in Completion.parse(text).quantities] == leads
