"""The words before a diagnosis that deny it or leave it open: data of `polarity`."""

from __future__ import annotations

_FULLY = r"(?:\w{2,12}ly |yet |be |been ){0,3}"
_NO_END = r"(?! ?(?:[,)]|and\b))"  # "AF excluded, LBBB" excludes no LBBB
_SEEN = "measurable|determinable|assessable|applicable|visible|seen|identifiable|discernible|prolonged|normal|regular"
_WAVES = r"(?:[pr][- ]waves?|atrial activity)"
_EVIDENCE = (
    "evidence|features?|findings?|signs?|criteri(?:a|on)|indications?|suggestions?|hints?|support|reasons?|leads?|basis"
    "|changes?|abnormalit(?:y|ies)|patterns?|parts?|grounds|proof|trace|documentation|doubt"
)
_DENY = "exclude|rule out|discard|dismiss|refute|eliminate"
_DENIED = "excluded|ruled out|discarded|dismissed|refuted|eliminated"
_TELL = "distinguish|differentiate|separate|tell"
_CONCEDE = "deny|dispute|doubt|ignore|overlook|miss|question"
OTHER = "previous|prior|earlier|old|last|outside|baseline|another|other|different"
RECORD = (
    "ecgs?|ekgs?|electrocardiograms?|tracings?|traces?|recordings?|strips?|stud(?:y|ies)|patients?|persons?|people|exam"
)
KIN = "mother|father|brother|sister|son|daughter|uncle|aunt|wife|husband|sibling|neighbour|neighbor|family|twin"
_SHOWED = "shows?|showed|shown|had|has|have|was|were|is|reads?|demonstrated"
_FIRST = (
    "left|right|atrial|sinus|ventricular|first|second|third|inferior|anterior|lateral"  # of a compound: "non-left …"
)
_CONCLUDE = "be|suggest|indicate|mean|represent|imply|point to|qualify"


def _each(words: str, after: str = "", before: str = "") -> list[str]:
    return [f"{before}{word}{after}" for word in words.split()]


def _verbs(words: str, after: str = "") -> list[str]:
    """Each verb in its forms: "fail, fails, failed"."""
    forms = []
    for verb in words.split():
        stem = verb[:-1] if verb[-1] in "ey" else verb
        third = f"{stem}ies" if verb[-1] == "y" else f"{verb}s"
        past = f"{stem}ied" if verb[-1] == "y" else f"{stem}ed"
        forms += [f"{form}{after}" for form in (verb, third, past)]
    return forms


# Cues before a mention, by what they do; where two begin at one word the one given first counts.
BEFORE: dict[str, list[str]] = {
    # A denial denied leaves it open …
    "open": [
        *(
            f"{negated} {_FULLY}(?:{_DENY}|{_DENIED})"
            for negated in ("can not", "cannot", "can't", "could not", "couldn't", "not", "unable to", "doesn't",
                            "don't", "didn't", "isn't", "wasn't", "hardly", "never", "insufficient to",
                            "insufficiently")
        ),
        *_each("difficult hard impossible premature early unsafe",
        rf" to {_FULLY}(?:{_DENY}|{_TELL}|say|confirm|certain|sure|know)"),
        *_each("cannot not can't", " be (?:certain|sure|confident|determined|established|known|said|decided)"),
        "not (?:certain|sure|clear|definite|diagnostic|conclusive|specific|pathognomonic)",
        *(f"{verb} (?:\\w{{1,12}} ){{0,2}}(?:assessment|evaluation|interpretation|analysis|reliabl)"
          for verb in _verbs("preclude prevent limit hinder")),
        *_each("advise advised recommend recommended need needed required warranted necessary suggested requested "
               "obtain repeat perform", r" (?:\w{1,14} ){0,4}to (?:exclude|rule out|confirm|verify|detect)"),
        "neither confirm nor (?:exclude|refute|rule out|deny)",
        *(f"{verb} the (?:chance|likelihood|probability|odds|risk|suspicion) (?:of|for|that)"
          for verb in _verbs("lower reduce decrease diminish lessen")),
        *_each("lowering reducing decreasing diminishing lessening",
               " the (?:chance|likelihood|probability|odds|risk|suspicion) (?:of|for|that)"),
        *_each("nonspecific non-specific",
               " but (?:\\w{2,12} )?(?:consistent|compatible|suggest\\w*|may|might|could)(?: with)?"),
        *_each("cannot can't", f" (?:{_TELL})"), f"not possible to (?:{_TELL}|{_DENY}|confirm)", "nondiagnostic",
        "inconclusive", "non-diagnostic",
        "cannot (?:say|tell|decide|confirm)",
    ],
    # … or concedes the diagnosis; and these hold a word of denial or doubt, but deny and doubt no diagnosis.
    "sure": [
        *(f"{no} {_FULLY}(?:be )?(?:{_CONCEDE})" for no in ("cannot", "can not", "can't", "not", "impossible to")),
        *_each("perhaps probably possibly", " the (?:most|best|clearest|only)"), "no denying", "no hesitation",
        "no (?:other|alternative) (?:\\w{1,12} )?(?:than|to|but)",
        "no (?:reasonable )?(?:doubt|question(?! of)|mistaking)", "not only", "not just", "not merely",
        "not without", "no longer only", "no change in",
        "beyond (?:any |all )?(?:reasonable )?(?:doubt|dispute|question)",
        "without (?:any |a )?(?:doubt|question)", "nothing (?:but|other than|less than)", "none other than",
        "no other than",
        "if anything", r"if (?:we|you|one) (?:look|examine|inspect|consider|focus|check|zoom|compare|ignor"
        r"|disregard|now|go)\w*",
        "borderline (?:ecg|ekg|electrocardiogram|tracing|trace|picture|recording|record|strip|study|result|finding)s?",
        "could see", "not surprising(?:ly)?", "not unexpected(?:ly)?", rf"not (?:\w{{1,12}} )?(?:{_SEEN})",
        *(rf"{no} (?:\w{{1,14}} ){{0,2}}{_WAVES}" for no in ("no", "without", "absence of", "lack of", "loss of")),
        rf"absent {_WAVES}", "no organi[sz]ed", "not (?:yet )?know",
    ],
    # Ends the reach of the cues before it …
    "turn": [
        "but", "although", "though", "yet", "while", "whereas", "nevertheless", "nonetheless", "except", "hence",
        "(?<!not, )however", "so(?! far)(?!-called)", "therefore", "thus", "then", "when", "since", "despite",
        "in spite of",
        "regardless of", "notwithstanding", "in favou?r of",
        *_each("for shows demonstrates leaves leaving diagnose diagnoses conclude read call", before="(?<=and )"),
        *_each("leaves leaving", before="(?<=, )"), "conversely", "on the contrary", "on the other hand",
        *_each("just only simply merely with rather", "(?! than)", "(?<=, )"), "(?<=and )with",
        "(?<!that )(?<!whether )(?<!if )(?<!think )(?<!believe )there (?:is|are|was|were)(?! (?:no|not|nothing))",
    ],
    # … save for a doubt right before it: "possibly due to".
    "cause": [
        *_each("excluded refuted eliminated dismissed disproved contradicted", " by"),
        "ruled out by", "argued against by",
        "because(?: of)?", "given", "due to", "owing to", "secondary to", "as a result of", "attributable to",
        *(f"{verb} by" for verb in ("explained", "caused", "produced", "masked", "obscured")),
        "in (?:the )?(?:setting|context|presence) of",
    ],
    # Says that the words before it speak for the mention, unless it is denied itself: "does not suggest".
    "reveal": [
        *_verbs("confirm indicate suggest support reveal fulfill define establish prove favor favour represent "
                "diagnose identify imply reflect signify fulfil"),
        *_each("meet meets met fulfilled mean means"), *_verbs("point", " to(?:wards?)?"),
        *_verbs("speak argue", " for"),
        *_each("make makes making made render renders rendering"), "(?<!that )this is",
        "(?<!that )the (?:rhythm|diagnosis|ecg) is",
    ],
    # Denies what is said of a mention, however far the verb.
    "nothing": [
        *_each("zero little scant minimal",
        rf" (?:\w{{1,12}} )?(?:to suggest|to support|to indicate|(?:{_EVIDENCE}) (?:of|for|to))"),
        "nothing", "nobody", "no one", "none of", "neither of", "nowhere",
        rf"no (?:\w{{1,14}} ){{0,2}}(?:{_EVIDENCE})(?![a-z])",
        rf"no (?:\w{{1,14}} ){{0,2}}(?:{_EVIDENCE}),[^,.;:\n]{{1,30}},",
    ],
    # Denies what is said of it in the next words.
    "verbal": [
        r"not (?:to )?be (?:mistaken|confused|misread|misinterpreted) (?:for|with|as)",
        "would be (?:wrong|incorrect|a mistake|an error|misleading|inappropriate) to",
        r"not,[^,.;:\n]{1,30},",
        r"not (?:\w{1,12}ly |just )?(?:due|secondary|attributable|because|caused|explained) ?(?:to|of|by)?",
        "not yet", "ain't", "not", "never", "nor", *_verbs("fail"), "failing to", "insufficient", "insufficiently",
        "inadequate",
        "inconsistent with", "incompatible with", "cannot", "can not", "hardly", "scarcely", "barely",
        *_each("can't isn't aren't wasn't weren't doesn't don't didn't won't wouldn't couldn't haven't hasn't"),
        *_each("denies denied against contradicting"), *_verbs("contradict disprove refute negate reject"),
        "by no means",
        "in no way",
        "far from", "anything but", "atypical (?:of|for)", "contrary to", "at odds with",
    ],
    # Denies the mention.
    "nominal": [
        # what a reading uses to deny, and does: "that is all you need to rule out AF"
        *(f"{means} to (?:{_DENY})" for means in (r"all (?:you|we|one|i|it) (?:needs?|takes?|requires?)", "enough",
          "sufficient", "suffices", "suffice", "serves", "used", r"allows (?:us|one|me)", "helps", "possible", "easy",
          "safe", "able", "ample")),
        *(f"{all_of} (?:except|but|apart from|save|other than|else than|besides)(?: for)?" for all_of in (
          "everything(?: else)?", "anything(?: else)?",
          r"all(?: (?:diagnos[ei]s|rhythms?|conditions?|of these|options|others?))?",
          r"any (?:\w{2,12} )?(?:diagnosis|rhythm|condition|one|thing)")),
        *_each("pseudo fake simulated non un null", f"(?=[ -](?:(?:{_FIRST}) )?$)"),
        "opposite of", "cured of", "free of", "devoid of",
        *_each("deny reject refute retract withdraw revoke scratch discard dismiss disbelieve"),
        *_each("untrue false", " that"), "replaces", "replacing", "(?<!been )replaced(?! by)",
        *_each("hard difficult impossible", " to (?:reconcile|square) with"), "in contrast to", "as opposed to",
        "no", "without", "w/o", "zero", "neither", "resolution of", "disappearance of",
        # right before it: "favours LBBB over RBBB", "below LVH threshold"
        *_each("over below under", r" (?:an? |the )?$"), r"neg\.? (?:for|of)", "negative (?:for|of)", "absence of",
        *_each("free devoid void clear", " (?:of|from)"), "lack of",
        *_each("lack lacks lacking lacked"), "rather than", "instead of", "as opposed to", "other than", "unlike",
        *_each("preclude precludes precluding exclude excludes excluding eliminates eliminating dismiss dismissing"),
        "rules out", "ruling out", "unlikely to be", "improbable", *_each("disagree disagrees", " with"),
        "overcalled", "overcalls", "less likely",
        "below (?:the )?(?:[\\w.-]{1,14} ){0,4}(?:needed|required|necessary|demanded|sufficient)(?: (?:for|to))?",
        *_each("low little minimal", " (?:likelihood|probability|suspicion|chance)"),
        *_each("short shy", " of"), *_each("below under",
        r"(?: the)? (?:[\w.]{1,12} ){0,3}(?:threshold|cut-?offs?|limits?|criteria)"),
        r"too (?:short|narrow|low|small|slow|fast|regular|few|brief|little)",
        *_each("misread mistaken mislabelled mislabeled misinterpreted misdiagnosed misclassified confused",
        " (?:as|for|with)"),
        *_each("took mistook take taking", r" (?:this|it|that|the \w{1,12}) (?:for|as|to be)"),
        "thought (?:this|it|that) (?:was|to be|to show)",
        *_each("erroneously incorrectly wrongly falsely mistakenly mimic mimics mimicking simulating masquerading "
               "mistook"),
        *(cue + _NO_END for cue in ("excluded", "ruled out", "absent", "unlikely")),
    ],
    "rule": ["rule out"],  # an instruction, or what the findings do
    # Doubts the noun it stands before, and what is listed with it.
    "adjective": _each(
        "possible probable likely suspected borderline questionable presumed equivocal potential conceivable "
        "presumptive so-called doubtful poss prob susp query"
    ),
    # Doubts all of its clause.
    "doubted": [
        *_each("possibly probably perhaps maybe presumably potentially conceivably suspect suspects suspecting may "
               "might could consider considering differential either uncertain unclear unsure wonder wonders "
               "wondering whether doubt unconfirmed tentative tentatively r/o d/d"),
        "considered(?! as)", f"would (?:\\w{{2,9}} ){{0,2}}(?:{_CONCLUDE})", "suspicious (?:for|of)",
        *_each("suspicion concern", " (?:for|of|about)"),
        "concerning for", "worrisome for", *_verbs("worry", " about"), "possibility (?:of|that)",
        *_each("spectre specter", " of"), "history of", "chance (?:of|that|this)", "possibilities", *_verbs("raise",
        " the question"),
        "question of", "cannot be (?:distinguished|differentiated)", "difficult to (?:distinguish|differentiate)",
        *_each("check checking look looking screen screening assess assessing evaluate evaluating search searching "
               "test", " for"),
        "think of", *_each("lean leans leaning", " towards?"), "h/o", "in all (?:likelihood|probability)",
        "reminiscent of", "tempted to", "pending", "awaiting",
    ],
    # Tells of another day or another patient, which claims nothing of this ECG.
    "occasion": [
        "yesterday", *_each("last", " (?:year|month|week|time|visit|admission)"),
        *(rf"{other} (?:\w{{1,12}} )?(?:{RECORD}) (?:{_SHOWED})" for other in OTHER.split("|")),
        *(rf"{kin} (?:\w{{1,12}} )?(?:has|have|had|with|suffers?|suffered|of)" for kin in KIN.split("|")),
    ],
    "record": [rf"{other} (?:\w{{1,12}} )?(?:{RECORD})" for other in OTHER.split("|")],  # "on the previous ECG"
    "elsewhere": [
        *_each("former past previous prior resolved remote future previously formerly once",
               r"(?= (?:(?!and|with|to |un|now|noted|known|seen|described"
               r"|documented|reported|present)\w{2,12} ){0,2}$)"),
        "(?<![a-z] )definition of", "risk of", "prevent", *_each("converted conversion", " from"),
    ],
    "now": ["now", "today", "currently", "at present", "this time", *_each("current present new", f" (?:{RECORD})"),
            f"this (?:{RECORD})"],
    # Says who says it; what is said next may contradict.
    "attributed": [
        *_each("initially first originally", 
               r",? (?:i|we|one) (?:\w{1,12} )?(?:thought|suspected|read|called|considered)"),
        *_each("computer machine algorithm software device automated printout monitor colleague referrer referral",
               r" (?:\w{1,14} ){0,3}(?:suggest|call|label|read|report|interpret|diagnos|print|flag|claim|say|said|list"
               r"|think|thought|propose|give|gave)\w{0,5}"),
    ],
    # … and what follows its comma.
    "supposed": [
        *_each("if unless provided assuming suppose supposing"),
        *_each("were had should", " (?:this|it|there|the)", "(?<![a-z] )"),
        "in case", "in the event of", "in order to (?:call|diagnose)",
    ],
    "listed": [*_each("differential differentials", "(?: diagnos[ei]s)?(?: (?:include|includes|including|of|is|are"
    "|remains|lies|would))?"),
               "ddx(?: (?:include|includes|including|of|is))?", "dd(?: (?:includes?|of))?"],
}  # fmt: skip
# What heads a list: "Excluded: AF, LBBB", "DDx: …".
HEADINGS = (
    r"(?P<denied>(?:diagnos[ei]s |findings? )?(?:excluded|ruled out|absent|rejected|discarded|dismissed|refuted|denied"
    r"|wrong|false|incorrect|eliminated|negated)(?: (?:diagnos[ei]s|findings?|rhythms?|conditions?|answers?|options?"
    r"|are|is|were))?"
    r"|(?<![^\n>])(?:no|not)|not diagnosed|negatives?(?: findings?| for)?"
    r"|not (?:seen|present|found|detected|met|identified)|no (?:evidence|signs?) (?:of|for)|unlikely"
    r"|(?:已|可)?(?:排除|除外|否定)(?:的?诊断)?|阴性|未见|未检出|无|否|不(?:存在|考虑|支持|符合|是))"
    r"|(?P<doubted>differentials?(?: diagnos[ei]s)?|dd|ddx|d/d|(?:possible|suspected|probable)(?: \w{1,12}){0,2}"
    r"|consider|to (?:be )?(?:considere?d?|excluded?|ruled? out|confirmed)|rule out|r/o|queries|query|possibilities"
    r"|uncertain|鉴别诊断|可能(?:诊断)?|待排|疑似)"
)
