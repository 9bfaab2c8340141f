"""The sections of a full reading, in clinical order: each says what was measured, and nothing that was not."""

from __future__ import annotations

from ecg_r1.corpus.text.label import rhythms
from ecg_r1.corpus.text.repolarisation import is_secondary, qt, st, t
from ecg_r1.corpus.text.ventricles import LEFT_BUNDLE, ventricles
from ecg_r1.corpus.text.writer import Writer
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS

PRESENT, ABSENT, BORDERLINE = State.PRESENT, State.ABSENT, State.BORDERLINE
SAID_OF_QUALITY = 0.3  # share of the sound records of which the quality is said
PR_LONG, UPPER_PR, PR_SHORT = 200.0, 195.0, 120.0
SLOW, VERY_SLOW, FAST = 60.0, 50.0, 100.0  # bpm
SINUS = "sinus rhythm"
FLUTTER = "atrial flutter"
FIBRILLATION = {"atrial fibrillation", "chronic atrial fibrillation", "paroxysmal atrial fibrillation"}
TWO_TO_ONE = (125.0, 175.0)  # bpm: half of the 250 to 350 a minute of typical flutter
_QUALITY = (("flat leads", "flat"), ("saturated leads", "saturated"), ("doubtful", "doubtful"))


def quality(w: Writer) -> list[str]:
    """What limits the reading; of a sound record, sometimes that nothing does."""
    said = list[str]()
    if missing := [lead for lead in LEADS if lead not in w.subject.leads]:
        said.append(w.say("quality.missing", leads=w.language.leads(missing)))
    for note in w.subject.quality:
        kind, _, rest = note.partition(": ")
        named = [lead for lead in rest.split() if lead in LEADS]
        key = next((key for begin, key in _QUALITY if kind.startswith(begin)), None)
        if key and (named or key == "doubtful"):
            said.append(w.say(f"quality.{key}", leads=w.language.leads(named) if named else None))
        elif "swapped" in note:
            said.append(w.say("quality.swapped"))
        elif "do not add up" in note:
            said.append(w.say("quality.other"))
    if not said and w.rng.random() < SAID_OF_QUALITY:
        said.append(w.say("quality.good"))
    return list(dict.fromkeys(said))


def rhythm(w: Writer) -> list[str]:
    """Rate and rhythm."""
    rate, rr = w.quantity("heart_rate_bpm"), w.quantity("rr_ms")
    name, pace = _rhythm(w), _pace(w)
    if rate is None:
        said = [w.say("rhythm.unmeasured", name=name)] if name else []
    elif name:
        said = [w.say(f"rhythm.{pace}", name=name, rate=rate, rr=rr)]
    else:
        said = [
            w.say("rhythm.fibrillation" if w.state("af_pattern") is PRESENT else "rhythm.unnamed", rate=rate, rr=rr)
        ]
    if rr and any(rr in sentence for sentence in said):
        rr = None
    ectopic, irregular = w.finding("ectopic_beats"), w.state("rhythm_irregular")
    beats = w.ectopics() if ectopic.state is PRESENT and ectopic.value else None
    span = w.m["heart_rate_bpm"].range
    if irregular is PRESENT and beats and w.state("rhythm_regular") is PRESENT:
        said.append(w.say("rhythm.apart", beats=beats))
        beats = None
    elif irregular is PRESENT and not any("irregular" in sentence for sentence in said):
        low, high = (f"{span[0]:.0f}", w.language.number("heart_rate_bpm", span[1])) if span else (None, None)
        said.append(w.say("rhythm.irregular", low=low, high=high))
    elif irregular is ABSENT and w.state("rhythm_regular") is PRESENT:
        said.append(w.say("rhythm.regular", rr=rr))
    if beats:
        said.append(w.say("rhythm.ectopic", beats=beats))
    if FLUTTER in w.subject.names and (sentence := _flutter(w)):
        said.append(sentence)
    if w.state("pacing_spikes") is PRESENT and w.subject.names & {"artificial pacemaker rhythm", "ventricular pacing"}:
        said.append(w.say("rhythm.spikes"))
    return said


def _rhythm(w: Writer) -> str | None:
    """The rhythm that the label names; without one, that of the sinus node where P waves precede each QRS."""
    if named := [w.sure(one) for one in w.subject.stated if one.rhythm]:
        return w.language.listed(named)
    rate = w.m.value("heart_rate_bpm")
    seen = all(w.state(name) is PRESENT for name in ("p_present", "p_in_step"))
    if rate is None or w.distorted("heart_rate_bpm") or not seen:
        return None
    slow, fast = w.state("bradycardia") is PRESENT, w.state("tachycardia") is PRESENT
    return w.name("sinus bradycardia" if slow else "sinus tachycardia" if fast else SINUS)


def _pace(w: Writer) -> str:
    """How a rhythm is called whose name does not say that it is slow or fast, and that is."""
    rate, named = w.m.value("heart_rate_bpm"), {one for one in w.subject.names if one in rhythms()}
    if rate is None or w.distorted("heart_rate_bpm"):
        return "named"
    if named and named <= FIBRILLATION:
        return "rapid" if w.state("tachycardia") is PRESENT else "slow_response" if rate < VERY_SLOW else "named"
    if named != {SINUS}:
        return "named"
    if round(rate) < SLOW:
        return "very_slow" if rate < VERY_SLOW else "slow"
    return "fast" if w.state("tachycardia") is PRESENT else "named"


def _flutter(w: Writer) -> str | None:
    """What of atrial flutter is seen without its waves being looked for: the rate of 2:1 conduction."""
    rate = w.m.value("heart_rate_bpm")
    two_to_one = rate is not None and TWO_TO_ONE[0] <= rate <= TWO_TO_ONE[1]
    if two_to_one and w.state("rhythm_regular") is PRESENT and w.state("qrs_narrow") is PRESENT:
        return w.say("rhythm.two_to_one")
    return None


def atria(w: Writer) -> list[str]:
    """P waves and the PR interval."""
    p, said = w.quantity("p_ms"), list[str]()
    wide = w.state("p_mitrale") is PRESENT and p is not None
    if w.state("p_in_step") is PRESENT:
        said.append(w.say("p.in_step", p=None if wide else p))
    elif w.state("p_absent") is PRESENT:
        said.append(w.say("p.absent"))
    if wide:
        said.append(w.say("p.wide", p=p))
    if w.state("p_pulmonale") is PRESENT:
        said.append(w.say("p.tall"))
    pr = w.quantity("pr_ms")
    if pr is None:
        if w.m["pr_ms"].absent or not w.m["pr_ms"].unknown:
            said.append(w.say("pr.absent"))
        return said
    key, limit = "plain", PR_LONG
    if not w.distorted("pr_ms"):
        if w.state("pr_prolonged") is PRESENT:
            key = "prolonged"
        elif w.state("pr_short") is PRESENT:
            key, limit = "short", PR_SHORT
        elif w.state("pr_prolonged") is BORDERLINE and (value := w.m.value("pr_ms") or 0.0) > UPPER_PR:
            key = "upper" if round(value) <= PR_LONG else "over"
        elif w.state("pr_short") is ABSENT and not w.names("prolonged PR interval", "first-degree AV block"):
            key = "normal"
    return [*said, w.say(f"pr.{key}", pr=pr, limit=w.language.limit("pr_ms", limit))]


def repolarisation(w: Writer) -> list[str]:
    """ST segment, T wave and QT; none is read off flutter waves."""
    if FLUTTER in w.subject.names:
        return [w.say("flutter.not_read")]
    deviation = [*st(w), *t(w)]
    if is_secondary(w):
        deviation.append(w.say("st.secondary", name=w.name(LEFT_BUNDLE)))
    return [*deviation, *qt(w)]


ALL = (quality, rhythm, atria, ventricles, repolarisation)  # in clinical order
