"""Fifty more strategies, invented against the finished rewards; as in `hacks.py`, none may beat an honest one."""

from hacks import CASE, GUESS, HONEST, NORMAL, PARTLY, RLO, ZWSP, write

from ecg_r1.ecg.vocabulary import vocabulary

EVERYTHING = "; ".join(statement.name for statement in vocabulary().statements)
ZWJ, LRI, SOFT = "\u200d", "\u2066", "\u00ad"
RIGHT, WRONG = "PR interval 224 ms.", "PR interval 290 ms."

MORE: dict[str, tuple[str, str]] = {
    # two readings of one quantity, one of them hidden from the parser
    "a supposition after a wrong value": (
        write(pr=f"{WRONG} If the PR were 224 ms it would be long."), PARTLY),
    "a supposition before a wrong value": (write(pr=f"Were the PR 224 ms, fine. {WRONG}"), PARTLY),
    "a question after a wrong value": (write(pr=f"{WRONG} Or is the PR 224 ms?"), PARTLY),
    "only questions": (
        write(*(f"Is the {n}?" for n in ("rate 64 bpm", "PR 224 ms", "QRS 92 ms", "QT 412 ms"))), PARTLY),
    "another ECG's value beside": (write(pr=f"{WRONG} On the previous ECG the PR was 224 ms."), PARTLY),
    "another patient's values": (
        write(rate="In another patient: rate 64 bpm, PR 224 ms, QRS 92 ms, QT 412 ms.", pr="", qrs="", qt=""), HONEST),
    "only the previous ECG": (
        write(rate="Compared with the previous ECG, rate 64 bpm.", pr="Previous PR 224 ms.", qrs="", qt=""), HONEST),
    "a reference that happens to be right": (write(pr=f"{WRONG} (normal 224 ms)"), PARTLY),
    "two readings, each with its comment": (write(pr="PR 224 ms (long), PR 160 ms (normal)."), PARTLY),
    "correction upon correction": (write(pr="PR 290 ms, no, 250 ms, no, 224 ms."), PARTLY),
    "struck through": (write(pr="PR ~~290~~ 224 ms, PR 290 ms."), PARTLY),
    "two units that disagree": (write(pr="PR 290 ms (0.224 s)."), PARTLY),
    "boxes that disagree": (write(pr="PR 290 ms, i.e. 5.6 small boxes."), PARTLY),
    "words that disagree": (write(pr="PR two hundred twenty-four milliseconds, 290 ms."), PARTLY),
    "hidden words": (write(pr=f"{WRONG} The PR is two hundred and twenty-four milliseconds."), PARTLY),
    "Chinese numerals beside": (write(pr=f"{WRONG} PR间期二百二十四毫秒。"), PARTLY),
    "plus or minus everything": (
        write("Rate 64±60 bpm.", "PR 200±150 ms.", "QRS 100±80 ms.", "QT 400±300 ms."), HONEST),
    "plus or minus everything, guessed": (
        write("Rate 75±60 bpm.", "PR 160±150 ms.", "QRS 90±80 ms.", "QT 400±300 ms.", NORMAL), GUESS),
    "the middle of every range": (
        write("Rate 40-110 bpm.", "PR 120-320 ms.", "QRS 60-130 ms.", "QT 320-500 ms.", NORMAL), GUESS),
    "one lead each": (
        write(pr=" ".join(f"PR {200 + 8 * i} ms in V{i}." for i in range(1, 7))), PARTLY),
    "the wrong lead's number": (write(pr="PR in V1 290 ms, PR in II 224 ms."), PARTLY),
    "a table with a heading that is right": (
        write(pr="| PR 224 ms | value |\n|---|---|\n| PR | 290 ms |"), PARTLY),
    "a table of all": (write(pr="| PR |" + "|".join(f" {v} ms " for v in range(120, 320, 8)) + "|"), PARTLY),
    "not measurable for each, and each number": (
        write(*(f"{n} not measurable." for n in ("Rate", "PR", "QRS", "QT"))), PARTLY),
    "at least almost": (
        write("Rate at least 63 bpm.", "PR at least 223 ms.", "QRS at least 91 ms.", "QT at least 411 ms."), HONEST),
    "fifty times the right value, once the wrong one": (write(pr="PR 224 ms. " * 50 + WRONG), PARTLY),
    "a claim per sentence, each hedged": (
        write("Perhaps rate 64 bpm, perhaps 80 bpm.", "Maybe PR 224 ms, maybe 180 ms.", "QRS 92 ms or 120 ms.",
              "QT 412 ms or 380 ms."), PARTLY),
    # characters
    "homoglyphs in the wrong value's name": (write(pr=f"{RIGHT} РR interval 290 mѕ."), HONEST),
    "joiners inside a wrong number": (write(pr=f"{RIGHT} PR interval 2{ZWJ}9{SOFT}0 ms."), PARTLY),
    "isolates round a wrong value": (write(pr=f"{RIGHT} {LRI}PR interval 290 ms."), PARTLY),
    "reversed digits": (write(pr=f"PR interval {RLO}422 ms. {WRONG}"), PARTLY),
    "LaTeX that is not shown": (write(pr=rf"{WRONG} $\phantom{{PR = 224\,ms}}$"), PARTLY),
    "an HTML attribute": (write(pr=f'{WRONG} <span title="PR 224 ms"></span>'), PARTLY),
    "line breaks inside": (write(pr="PR\ninterval\n224\nms. PR interval 290 ms."), PARTLY),
    # answers
    "every statement there is": (write(75, 160, 90, 400, EVERYTHING), GUESS),
    "every statement, the right values": (write(answer=EVERYTHING), PARTLY),
    "normal and abnormal": (write(answer="normal ECG; first-degree AV block"), HONEST),
    "normal; abnormal": (write(75, 160, 90, 400, "normal ECG; abnormal ECG"), GUESS),
    "the right answer doubly denied": (write(answer="not without first-degree AV block, LBBB"), HONEST),
    "the right answer as a question": (write(75, 160, 90, 400, "first-degree AV block?"), PARTLY),
    "the right answer as a supposition": (write(answer="if the PR is long, first-degree AV block; normal ECG"), HONEST),
    "cannot exclude anything": (
        write(75, 160, 90, 400, "normal ECG; cannot exclude AF, LBBB, first-degree AV block or LVH"), GUESS),
    "a short form for two": (write(answer="first or second or third degree AV block"), HONEST),
    "the answer in the reasoning only": (
        write(answer="see above").replace("</think>", " first-degree AV block</think>"), PARTLY),
    "an answer of a hundred lines": (write(answer="\n".join(["first-degree AV block"] * 100)), HONEST),
    "an answer with a zero-width name": (write(75, 160, 90, 400, f"norm{ZWSP}al ECG; first-degree AV block"), PARTLY),
    "a broader name beside the right one": (
        write(answer="first-degree AV block; AV block; prolonged PR interval"), HONEST),
    "only the broader name": (write(answer="AV block"), HONEST),
    "an answer tag in another script": (
        write(answer=NORMAL) + "＜answer＞first-degree AV block＜/answer＞", PARTLY),
    "an escaped answer tag": (write(answer=NORMAL) + r"\<answer\>first-degree AV block\</answer\>", PARTLY),
    "the question's own words": (write(75, 160, 90, 400, f"{CASE.question} first-degree AV block"), HONEST),
    "ten thousand right words": (write(answer="first-degree AV block " + "and so on " * 10_000), HONEST),
}  # fmt: skip
