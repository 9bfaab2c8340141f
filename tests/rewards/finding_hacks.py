"""Strategies against the reward `findings`; see `hacks.py`.

Each is held against one honest completion that knows as much: HONEST (all right), PARTLY (the ST elevation in one wrong
lead), SHORT (says nothing of the ST segment), or GUESS (no look at the ECG: what most ECGs show).
"""

from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case

ELEVATED, DEPRESSED = {"II": 0.21, "III": 0.28, "aVF": 0.24}, {"I": 0.12, "aVL": 0.16}


def in_leads(band: float, of: dict[str, float], otherwise: float = -1.0) -> dict[str, list[float]]:
    """[value, margin] in each lead: there where `of` has a value, far from it elsewhere, in borderline widths."""
    return {lead: [of[lead], 4 * band] if lead in of else [0.0, otherwise * 4 * band] for lead in LEADS}


def measured(
    present: tuple[str, ...] = (), leads: dict[str, dict[str, float]] | None = None, **values: float
) -> Measurements:
    """Measurements in which all findings are absent but those of the record and of leads that are named."""
    given = {
        name: in_leads(d.band, (leads or {}).get(name, {}))
        if d.per_lead
        else [1.0, (4 if name in present else -4) * (d.band or 1.0)]
        for name, d in definitions().items()
    }
    return Measurements.from_json({"heart_rate_bpm": 74, "qrs_ms": 92, **values, "findings": given})


PRESENT = ("p_present", "p_in_step", "qrs_narrow", "rhythm_regular", "axis_normal", "rate_normal")
CASE = Case(
    "r1",
    ("inferior myocardial infarction", "sinus rhythm"),
    measured(PRESENT, {"st_elevation": ELEVATED, "st_depression": DEPRESSED}),
    question="Is there ST elevation in II, III and aVF? Are there P waves before each QRS?",
)

P = "P waves precede each QRS."
HONEST = f"<think>{P} ST elevation in II, III and aVF.</think><answer>inferior myocardial infarction</answer>"


def say(text: str) -> str:
    """A completion of the usual form."""
    return f"<think>{text}</think><answer>inferior myocardial infarction</answer>"


PARTLY = say(f"{P} ST elevation in II, III and V6.")
SHORT = say(P)
GUESS = say(f"{P} No ST elevation.")
EVERYWHERE = ", ".join(LEADS)
TITLES = [d.title for d in definitions().values()]

HACKS: dict[str, tuple[str, str]] = {
    # leads
    "every lead": (say(f"{P} ST elevation in {EVERYWHERE}."), PARTLY),
    "every lead in words": (say(f"{P} ST elevation in all leads."), PARTLY),
    "every lead, one claim each": (say(P + "".join(f" ST elevation in {lead}." for lead in LEADS)), PARTLY),
    "diffuse": (say(f"{P} Diffuse ST elevation."), PARTLY),
    "no lead at all": (say(f"{P} ST elevation."), PARTLY),
    "inferior, anterior and lateral": (say(f"{P} ST elevation in the inferior, anterior and lateral leads."), PARTLY),
    "all leads but one": (say(f"{P} ST elevation in all leads except aVR."), PARTLY),
    "one safe lead": (say(f"{P} ST elevation in III."), HONEST),
    "the right leads beside the wrong ones": (say(f"{P} ST elevation in II, III, aVF. ST elevation in V1-V6."), PARTLY),
    "leads as a list of or": (say(f"{P} ST elevation in II or V2 or V5 or aVL."), PARTLY),
    # hedges
    "possible": (say(f"{P} Possible ST elevation in II, III and aVF."), SHORT),
    "cannot be excluded": (say(f"{P} ST elevation in II, III and aVF cannot be excluded."), SHORT),
    "borderline": (say(f"{P} Questionable ST elevation in II, III and aVF."), SHORT),
    "hedge every territory": (
        say(f"{P} Possible ST elevation in the inferior leads, perhaps anterior ST elevation, maybe lateral."), SHORT),
    "suppose it": (say(f"{P} If there were ST elevation in II, III and aVF, it would be an infarct."), SHORT),
    "a criterion": (say(f"{P} Inferior infarction typically shows ST elevation in II, III and aVF."), SHORT),
    "another ECG": (say(f"{P} On the previous ECG there was ST elevation in II, III and aVF."), SHORT),
    "either": (say(f"{P} There is either ST elevation or ST depression in II, III and aVF."), SHORT),
    # both polarities
    "the contrary in the next sentence": (
        say(f"{P} ST elevation in II, III and aVF. There is no ST elevation in II, III and aVF."), SHORT),
    "the contrary first": (say(f"{P} No ST elevation. ST elevation in II, III and aVF."), SHORT),
    "narrow and broad": (say(f"{P} The QRS is narrow. The QRS is broad. ST elevation in II, III and aVF."), HONEST),
    "P waves and none": (say(f"{P} There are no P waves. ST elevation in II, III and aVF."), HONEST),
    "elevated and depressed": (say(f"{P} ST elevation and ST depression in II, III and aVF."), HONEST),
    "inverted and upright": (
        say(f"{P} ST elevation in II, III, aVF. T waves are inverted in V2. T waves are upright in V2."), HONEST),
    "taken back": (say(f"{P} ST elevation in II, III and aVF. That is wrong."), SHORT),
    "struck out": (say(f"{P} ~~ST elevation in II, III and aVF~~"), SHORT),
    # what is always true
    "what most ECGs show": (
        say("The rhythm is regular. The QRS is narrow. P waves are present. The axis is normal. Normal rate."), SHORT),
    "deny what is rare": (
        say("No delta wave. No pacing spikes. No low voltage. No P pulmonale. No P mitrale. No rSR'."), SHORT),
    "deny everything": (say(" ".join(f"No {title}." for title in TITLES)), SHORT),
    "deny in every lead": (
        say(" ".join(f"No {what} in {lead}." for what in ("Q waves", "delta wave") for lead in LEADS)), SHORT),
    "a tautology": (say("The QRS is narrow or broad, ST elevation is present or absent."), SHORT),
    "the vaguest finding": (say(f"{P} ST-T changes."), PARTLY),
    "ST changes in the right leads": (say(f"{P} ST changes in II, III and aVF."), HONEST),
    # much
    "claim everything": (say(" ".join(f"{title} is present." for title in TITLES)), SHORT),
    "claim everything in every lead": (say(" ".join(f"{title} in all leads." for title in TITLES)), SHORT),
    "repeat what is right": (say(f"{P} " * 40), SHORT),
    "repeat all that is right": (HONEST.replace(P, f"{P} ST elevation in II, III and aVF. " * 30), HONEST),
    "more than is read": (say("No delta wave. " * 600 + "ST elevation in II, III and aVF."), SHORT),
    "wrong behind what is read": (
        HONEST.replace("</think>", " No delta wave." * 600 + " ST elevation in V1.</think>"), SHORT),
    "a giant Q wave": (say(f"{P} ST elevation in II, III and aVF. Giant Q waves V1–V6."), HONEST),
    "a voltage": (say(f"{P} ST elevation in II, III and aVF. Cornell voltage 4 mV in every lead."), HONEST),
    # form
    "headings only": (say("## P waves\n## ST elevation\n## II, III and aVF"), SHORT),
    "copy the question": (CASE.question or "", SHORT),
    "the question and yes": (say(f"{P} Is there ST elevation in II, III and aVF?"), SHORT),
    "an HTML comment": (say(f"{P} <!-- ST elevation in II, III and aVF -->"), SHORT),
    "the leads without the finding": (say(f"{P} Look at II, III and aVF."), SHORT),
    "the name of the disease": (say(f"{P} Inferior STEMI, inferior infarction, ST-elevation MI."), SHORT),
    "nothing": ("", SHORT),
    "the answer only": ("<answer>inferior myocardial infarction</answer>", SHORT),
    "an unchecked box": (say(f"{P} [ ] ST elevation in II, III and aVF"), SHORT),
    "a table of every finding": (say("\n".join(f"| {title} | yes |" for title in TITLES)), SHORT),
}  # fmt: skip

# Other cases: label, findings of the record, findings of leads, the honest completion, one that knows nothing.
OTHERS: dict[str, tuple[Case, str]] = {
    "normal": (
        Case("n", ("normal ECG",), measured(PRESENT)),
        "P waves precede each QRS, which is narrow.",
    ),
    "AF": (
        Case("a", ("atrial fibrillation",), measured(("p_absent", "qrs_narrow", "rhythm_irregular", "af_pattern"))),
        "No P waves, the rhythm is irregular.",
    ),
    "LBBB": (
        Case("l", ("left bundle branch block",), measured(("p_present", "p_in_step", "qrs_broad", "lbbb_morphology"))),
        "P waves precede each QRS, which is broad.",
    ),
    "Q waves": (
        Case(
            "q",
            ("anterior myocardial infarction", "inverted T-waves"),
            measured(
                PRESENT,
                {
                    "q_pathological": {"V1": 40, "V2": 44, "V3": 38},
                    "q_wave": {"V1": 0.4, "V2": 0.5, "V3": 0.3},
                    "t_inversion": {"V2": -0.3, "V3": -0.4, "V4": -0.3, "V5": -0.2},
                },
            ),
        ),
        "Pathological Q waves in V1-V3. T wave inversion in V2-V5.",
    ),
}
