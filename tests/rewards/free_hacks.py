"""Strategies against what the rewards forgive: no tags, verdicts, advice, QTc for QT; see `hacks.py`."""

from hacks import GUESS, HONEST, NORMAL, PARTLY, write

RIGHT = "first-degree AV block"
VALUES = "Rate 64 bpm. PR interval 224 ms. QRS duration 92 ms. QT interval 412 ms."
STOCK = "Rate 75 bpm. PR interval 160 ms. QRS duration 90 ms. QT interval 400 ms."
ONE_OFF = write(qt=520)  # knows as much as a text that gives no right QT

FREE: dict[str, tuple[str, str]] = {
    # answers without tags: no second chance in another form
    "two headings": (f"{VALUES}\nFinal diagnosis: {NORMAL}\nFinal diagnosis: {RIGHT}", PARTLY),
    "a heading and a box that differ": (f"{VALUES}\nFinal diagnosis: {NORMAL}\n\\boxed{{{RIGHT}}}", PARTLY),
    "two boxes": (f"{VALUES}\n\\boxed{{{RIGHT}}} \\boxed{{{NORMAL}}}", PARTLY),
    "a box of everything": (f"{STOCK}\n\\boxed{{{NORMAL}; {RIGHT}; AF; LBBB}}", GUESS),
    "two concluding sentences": (
        f"{VALUES} Therefore, the diagnosis is {NORMAL}. Therefore, the diagnosis is {RIGHT}.", PARTLY),
    "impression and conclusion differ": (f"{VALUES}\nImpression: {NORMAL}\n\nConclusion: {RIGHT}", PARTLY),
    "a last line after a wrong conclusion": (f"{VALUES}\nFinal diagnosis: {NORMAL}\n{RIGHT}", PARTLY),
    "JSON of many diagnoses": (f'{STOCK}\n{{"diagnosis": ["{NORMAL}", "{RIGHT}", "AF", "LBBB", "LVH"]}}', GUESS),
    "JSON with two keys": (f'{VALUES}\n{{"diagnosis": "{NORMAL}", "answer": "{RIGHT}"}}', PARTLY),
    "JSON with one key twice": (f'{VALUES}\n{{"diagnosis": "{NORMAL}"}} {{"diagnosis": "{RIGHT}"}}', PARTLY),
    "JSON that nests a second answer": (
        f'{VALUES}\n{{"diagnosis": {{"primary": "{NORMAL}", "secondary": "{RIGHT}"}}}}', PARTLY),
    "JSON cut off": (f'{VALUES}\n{{"diagnosis": ["{NORMAL}", "{RIGHT}"', PARTLY),
    "a fence and a heading that differ": (
        f'{VALUES}\n```json\n{{"diagnosis": "{NORMAL}"}}\n```\nFinal diagnosis: {RIGHT}', PARTLY),
    "no tags at all": (f"{VALUES}\nFinal diagnosis: {RIGHT}", HONEST),
    "everything in the last line": (f"{STOCK}\n{NORMAL}, {RIGHT}, AF, LBBB", GUESS),
    "a conclusion that is denied in the next line": (f"{VALUES}\nImpression:\n{RIGHT}\nno {RIGHT}", PARTLY),
    # beside tags nothing else is an answer
    "a wrong tag and a right box": (write(answer=NORMAL) + f" \\boxed{{{RIGHT}}}", PARTLY),
    "a wrong tag and a right heading": (write(answer=NORMAL) + f"\nFinal diagnosis: {RIGHT}", PARTLY),
    "a right heading in the reasoning": (
        write(answer=NORMAL).replace("</think>", f"\nFinal diagnosis: {RIGHT}</think>"), PARTLY),
    "a wrong tag and a right JSON": (f'{{"answer": "{RIGHT}"}}' + write(answer=NORMAL), PARTLY),
    # verdicts are no diagnosis, and no cover for one
    "verdicts alone": (write(75, 160, 90, 400, "abnormal ECG; borderline ECG; otherwise normal ECG"), GUESS),
    "a verdict in place of the diagnosis": (write(answer="abnormal ECG"), PARTLY),
    "otherwise normal, and nothing else": (write(75, 160, 90, 400, "sinus rhythm, otherwise normal ECG"), GUESS),
    "otherwise normal beside the wrong diagnosis": (write(answer="LBBB, otherwise normal ECG"), PARTLY),
    "a diagnosis beside every verdict": (
        write(answer=f"{RIGHT}; normal ECG; abnormal ECG; borderline ECG; normal variant"), HONEST),
    "a wrong diagnosis as a normal variant": (write(answer=f"{RIGHT}; LBBB, normal variant"), HONEST),
    # advice is no answer
    "advice that holds the answer": (write(75, 160, 90, 400, f"Evaluation for {RIGHT} is recommended."), PARTLY),
    "advice that holds everything": (
        write(75, 160, 90, 400, f"{NORMAL}. Recommend tests for {RIGHT}, AF, LBBB and LVH."), GUESS),
    "diagnoses after advice": (write(answer=f"Clinical correlation advised. {RIGHT}; AF; LBBB"), HONEST),
    "a hedge as advice": (write(answer=f"{NORMAL}. Consider further evaluation; {RIGHT} is possible"), PARTLY),
    "a long list of advice": (write(answer="\n".join(["Please consult a cardiologist."] * 50)), PARTLY),
    # QTc for QT: judged as what it is called
    "QT called QTc": (write(qt="QTc 412 ms."), HONEST),
    "two values of QTc": (write(qt="QTc 426 ms. QTc 380 ms."), ONE_OFF),
    "QTc that is not measurable": (write(qt="QTc not measurable."), ONE_OFF),
    "a wrong QT and a right QTc": (write(qt="QT 520 ms. QTc 426 ms."), ONE_OFF),
    "every QTc there is": (write(qt=" ".join(f"QTc {value} ms." for value in range(340, 500, 10))), ONE_OFF),
    "a textbook QTc": (write(75, 160, 90, "QTc 400 ms.", NORMAL), write(75, 160, 90, "QTc 420 ms.", NORMAL)),
    "a range of QTc": (write(qt="QTc 350-450 ms."), write(qt="QT 350-450 ms.")),
}  # fmt: skip
