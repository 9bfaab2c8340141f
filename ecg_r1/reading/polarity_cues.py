"""The words before a diagnosis that deny it or leave it open: data of `polarity`."""

from __future__ import annotations

OTHER = "previous|prior|earlier|old|last|outside|baseline|another|other|different"
RECORD = (
    "ecgs?|ekgs?|electrocardiograms?|tracings?|traces?|recordings?|strips?|stud(?:y|ies)|patients?|persons?|people|exam"
)
KIN = "mother|father|brother|sister|son|daughter|uncle|aunt|wife|husband|sibling|neighbour|neighbor|family|twin"
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
