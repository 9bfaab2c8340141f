"""Multiple choice: the letter of the answer against the right one."""

import re

from ecg_r1.reading.text.characters import readable
from ecg_r1.reading.text.marks import without_struck
from ecg_r1.scoring import Case, Completion, RewardError, Score, reward

_ALONE = re.compile(r"[\s*_`$\"'{}]*(?:\\(?:text|mathrm|mathbf)\{)?([A-Ja-j])[\s*_`$\"'{}]*")
# A letter by itself; "A" and "I" are words too, and letters only where a mark or a cue makes them so.
_LETTER = re.compile(r"(?<![A-Za-z0-9'’])[B-HJ](?![A-Za-z0-9'’])")
_MARKED = re.compile(
    r"(?<![A-Za-z0-9'’.])(?:[(\[{*_`\"'$]{1,4}([A-Ja-j])[)\]}*_`\"'$]"
    r"|([A-J])(?:[).:*\]]|,(?! [a-z]+,)| ?[-–—=] ?(?![a-z]))|([AI])(?=[ \t]*(?:\n|$)"
    r"|\s+(?:or|and|because|since|as|is|was|fits|seems|can|could|not|isn|only|\()\b))(?![A-Za-z0-9'’])"
)
_CUED = re.compile(
    r"\b(?:answer|option|choice|letter|statement)(?:\s+(?:is|would be|must be|should be|are))?[\s:=*_(\[\"']{1,6}"
    r"([A-Ja-j])(?![A-Za-z0-9'’])(?! (?!or\b|and\b|because\b|since\b|as\b|is\b|fits\b)[a-z])"
    r"|\b(?:choose|pick|select|go with|chose|opt for|therefore|thus|hence|so)[\s:*_(\[\"',]{1,6}"
    r"([AI])(?=\W*$|[.)*\],;:])",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?:^|\n)[ \t]*([a-j])(?:[).](?=\s)|[ \t]*(?=\n|$))")
_CAPITAL = re.compile("[A-J]")
# The reason for the choice, where other letters are spoken of: "B, because A and C do not fit".
_REASON = re.compile(r"[,;.(–—-]? ?\b(?:because|since|as (?!well)|given that|whereas|while)\b[^\n]*", re.IGNORECASE)
# A sentence that dismisses other letters than the chosen one.
_DISMISSED = re.compile(
    r"(?<=[.;\n]) ?(?:options? |choices? )?([A-J](?:(?:, and |, or |, | and | or )[A-J])*) "
    r"(?:do(?:es)? ?n(?:o|[’'])t (?:fit|match|apply)"
    r"|(?:is|are|can be|could be) (?:wrong|incorrect|excluded|ruled out|not (?:correct|right|supported)))[^.;\n]*"
)
_WRONG = (
    "wrong|incorrect|false|untrue|impossible|unlikely|least likely|excluded|eliminated|rejected|ruled out"
    "|left out|crossed out|out of the question"
)
_DENIES = (
    r"not|un|never|cannot|no(?! doubt)|hardly|scarcely|neither|nor|without|except|exclud\w+|eliminat\w+|reject\w*"
    r"|rul(?:e|es|ed|ing) out|(?:other|rather) than|instead of|apart from|far from|away from|opposite of"
    rf"|(?:any|all|every)(?:thing|one)? but|{_WRONG}"
)
_BEFORE = (
    rf"(?:\b(?:{_DENIES})|n't)[ :-]+(?:(?!but|so|hence|therefore|thus|then|because)[a-z']+ ){{0,4}}[^a-z0-9 ]{{0,2}}"
)
_IS = r"(?:(?:is|was|seems|looks|can be|has been|would be|must be) (?:the )?(?:\w+ly )?)?"
# What denies the letter after it, unless the clause turns ("not regular, so B"), and what denies the one before it.
_DENIED = re.compile(
    rf"(?:{_BEFORE}|(?:[¬!❌✗✘]|\[ \]) ?)[a-j]\b"
    rf"|\b[a-j]\b[^a-z0-9]{{0,3}}(?:which |that |it |option |answer )?{_IS}(?:{_WRONG})\b"
    r"|\b(?:rul(?:e|es|ed|ing)|leav(?:e|es|ing)|left|cross(?:es|ed|ing)?|cast(?:s|ing)?) (?:\w+ ){0,2}[a-j] out\b"
    r"|\b[a-j]\b[^a-z0-9]{1,4}(?:probability |likelihood |chance )?(?:of |is )?(?:0(?:\.0+)?|zero) ?%"
    r"|(?<![\d.])(?:0(?:\.0+)?|zero) ?% (?:\w+ ){0,3}[a-j]\b"
    r"|\b[a-j] (?:(?:is|was|does|can|could|would|should) ?(?:not|n't)|cannot|never)\b"
    r"|\b[a-j]\W{1,3}(?:(?:certainly |definitely )?(?:no|not)\W*$|[✗✘❌×])"
)


def has_letter(case: Case, *, field: str) -> bool:
    """The right letter, in the example's extra fields under the name that the option `field` gives."""
    return case.extra.get(field) is not None


@reward(applies=has_letter)
def choice(completion: Completion, case: Case, *, field: str = "answer") -> Score | None:
    """1 for the right letter alone, 0.5 for the right letter with other text, 0 for a wrong one, several or none.

    The ladder of MedVLM-R1 (arXiv 2502.19634). Its code counts the letters A-J inside words too, so that "B) infarct"
    gets 0; here a letter counts where it stands alone, and none counts where one is denied ("not B", "B is wrong").

    Args:
        completion: its answer is read, without what is struck out.
        case: `case.extra[field]` is the right letter, A to J.
        field: the key.

    Returns:
        The score; None where the case has no such field.

    Raises:
        RewardError: `field` is not a name, or the case's letter is not a letter from A to J.
    """
    if not isinstance(field, str) or not field:
        raise RewardError(f"choice: field is a key of the case's extra fields, such as answer, not {field!r}")
    truth = case.extra.get(field)
    if truth is None:
        return None
    if not isinstance(truth, str) or not re.fullmatch("[A-J]", truth):
        raise RewardError(f"choice: {field} of record {case.record_id} is one letter from A to J, not {truth!r}")
    answer = (completion.answer or "").strip()
    said = without_struck(answer)
    letters = chosen(said)
    if letters != {truth} or _DENIED.search(readable(_chosen_part(said))[0]):
        return Score(0.0, extracted=sorted(letters), explanation=f"right: {truth}")
    return Score(1.0 if len(answer) == 1 else 0.5, extracted=[truth], explanation=f"right: {truth}")


def chosen(answer: str) -> set[str]:
    """The letters that an answer names as its choice, in capitals; those of its reason are left out."""
    if alone := _ALONE.fullmatch(answer):
        return {alone[1].upper()}
    part = _chosen_part(answer)
    found = set(_LETTER.findall(part))
    for pattern in (_MARKED, _CUED, _LISTED):
        found |= {letter.upper() for groups in pattern.finditer(part) for letter in groups.groups() if letter}
    return found


def _chosen_part(answer: str) -> str:
    """An answer without the reason that follows its choice, and without sentences that dismiss other letters."""
    named = set(_CAPITAL.findall(_DISMISSED.sub("", answer)))
    answer = _DISMISSED.sub(lambda m: m[0] if named & set(_CAPITAL.findall(m[1])) else "", answer)
    begins = [m.start() for pattern in (_LETTER, _MARKED, _CUED, _LISTED) if (m := pattern.search(answer))]
    reason = _REASON.search(answer, min(begins)) if begins else None
    return answer[: reason.start()] if reason else answer
