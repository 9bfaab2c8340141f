import pytest

from ecg_r1.evaluation.benchmarks import ecgbench_compat as compat
from ecg_r1.evaluation.benchmarks import ecgbench_strict as strict
from ecg_r1.evaluation.benchmarks.items import BenchmarkError

pytest.importorskip("sklearn")


def item(key, value, name="id"):
    return {name: key, "conversations": [{"from": "human", "value": "<image>\n?"}, {"from": "gpt", "value": value}]}


def subset(pairs, name="id", **more):
    """pairs: (right answer, given answer)."""
    items = [item(f"q{i}", gold, name) for i, (gold, _) in enumerate(pairs)]
    return items, [{"question_id": f"q{i}", "text": text, **more} for i, (_, text) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("C", "C"),
        ("C. Atrial fibrillation", "C"),
        ("D. not B.", "B"),  # the first in the alphabet, not in the text
        ("It shows AF. So B is right.", "F"),  # "F." ends "AF."
        ("The correct option is G", "G"),
        ("The correct option is the third. Answer: C", None),  # "t" is no letter, and nothing further is looked for
        ("Answer: (H)", "H"),
        ("Answer: sinus rhythm with PVC", "C"),  # "C" of PVC, the first in the alphabet
        ("answer: B", None),
        ("(B)", None),
        ("b", None),
        ("", None),
        ("The correct option is ", None),  # where the script itself ends with an IndexError
    ],
)
def test_compat_finds_the_letter_that_the_script_finds(text, letter):
    assert compat.extract(text) == letter


def test_compat_draws_random_letters_in_the_scripts_order():
    # random.seed(42): A A C of four letters (mmmu-ecg), then D D C B of eight (csn, g12), from one generator
    subsets = {
        "g12-test-no-cot": subset([("C. x", "?"), ("B. x", "?")]),
        "csn-test-no-cot": subset([("D. x", "?"), ("A. x", "?")]),
        "mmmu-ecg": subset([("A", "?"), ("A", "?"), ("A", "?")], "No"),
    }
    found = compat.score(subsets)
    assert found["mmmu-ecg"]["accuracy"] == pytest.approx(2 / 3)
    assert found["csn-test-no-cot"]["accuracy"] == pytest.approx(1 / 2)
    assert found["g12-test-no-cot"]["accuracy"] == 1.0
    assert "200 only" in found["mmmu-ecg"]["skipped"]
    assert strict.score(subsets)["g12-test-no-cot"] == {"answers": 2, "accuracy": 0.0, "invalid": 1.0}


def test_compat_finds_labels_inside_other_words():
    found = compat.score({"ptb-test": subset([("NORM", "ABNORMAL"), ("STTC", "no MI; STTC"), ("MI", "MI")])})[
        "ptb-test"
    ]
    # said: NORM | MI STTC | MI. F1: NORM 1, STTC 1, MI 2/3. Area: MI (1 + 1/2) / 2. Hamming: 1 of 9
    assert found["f1"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert found["auc"] == pytest.approx((1 + 1 + 0.75) / 3)
    assert found["hamming"] == pytest.approx(1 / 9)
    honest = strict.score({"ptb-test": subset([("NORM", "ABNORMAL"), ("STTC", "no MI; STTC"), ("MI", "MI")])})[
        "ptb-test"
    ]
    # said: nothing | STTC | MI
    assert honest["f1"] == pytest.approx((0 + 1 + 1) / 3)
    assert (honest["accuracy"], honest["invalid"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AFLT", ["AF"]),  # atrial flutter
        ("STEMI", ["STE"]),
        ("Not AF but PVC.", ["AF", "PVC"]),  # ruled out
        ("<think>LBBB? RBBB!</think>", ["LBBB", "RBBB"]),  # only spoken of
        ("af", []),
        ("sinus rhythm, I-AVB", ["I-AVB"]),
        ("ABNORMAL", ["NORM"]),
    ],
)
def test_compat_takes_a_label_wherever_its_letters_stand(text, found):
    assert compat._labels("cpsc-test", "AF", text) == (["AF"], found)


def test_compat_drops_labels_that_no_right_answer_holds_and_one_class_without_an_area_makes_the_mean_nan():
    found = compat.score({"cpsc-test": subset([("AF", "AF LBBB"), ("AF, PVC", "AF")])})["cpsc-test"]
    assert found["f1"] == pytest.approx((1 + 0) / 2)  # LBBB is nowhere in the right answers, and costs nothing
    assert found["hamming"] == pytest.approx(1 / 4)
    assert found["auc"] != found["auc"]  # every case has AF


def test_compat_of_code15():
    pairs = [
        ("NORM", "Thinking of AF. Answer: NORM"),  # what stands before the last "Answer:" is cut off
        ("ABNORMAL", "ABNORMAL"),
        ("1dAVb, SB", "1dAVb"),
        ("ST", "STD"),  # "ST" inside "STD"
        ("AF", "NORM AF"),
    ]
    found = compat.score({"code15-test": subset(pairs)})["code15-test"]
    # NORM: one hit, one false alarm: 2/3. SB: 0. ABNORMAL, 1dAVb, ST, AF: 1
    assert found["f1"] == pytest.approx((2 / 3 + 0 + 4) / 6)
    assert found["hamming"] == pytest.approx(2 / 30)
    # NORM (1 + 3/4) / 2, SB 1/2, the other four 1
    assert found["auc"] == pytest.approx((0.875 + 0.5 + 4) / 6)


def test_compat_of_ecgqa_takes_any_option_inside_the_text_and_a_string_by_its_letters():
    prompt = "Which? Options: yes, no, not sure Only answer based on the given Options without any explanation."
    items = [item("a", ["no"]), item("b", ["no"]), item("c", "no"), item("d", ["yes"])]
    said = [("a", "No"), ("b", "not sure"), ("c", "no"), ("d", "Yes.")]
    answers = [{"question_id": key, "text": text, "prompt": prompt} for key, text in said]
    # b: "no" stands inside "not sure", and so does "not sure"; c: {"no"} is not {"n", "o"}
    assert compat.score({"ecgqa-test": (items, answers)})["ecgqa-test"]["accuracy"] == pytest.approx(2 / 4)
    nested = [row | {"prompt": {"prompt": prompt}} for row in answers]
    assert compat.score({"ecgqa-test": (items, nested)})["ecgqa-test"]["accuracy"] == pytest.approx(2 / 4)
    found = strict.score({"ecgqa-test": (items, answers)})["ecgqa-test"]
    assert found["accuracy"] == pytest.approx(3 / 4)


def test_answers_may_be_named_response_and_id():
    items, answers = subset([("NORM", "NORM"), ("MI", "CD")])
    renamed = [{"id": row["question_id"], "response": row["text"]} for row in answers]
    assert compat.score({"ptb-test": (items, renamed)}) == compat.score({"ptb-test": (items, answers)})


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("<think>A or B? Not C.</think><answer>B</answer>", True),
        ("B", True),
        ("The correct option is B.", True),
        ("<answer>AF. So B.</answer>", True),
        ("<answer>B or C</answer>", False),
        ("<answer>not B</answer>", False),
        ("<answer>sinus rhythm</answer>", False),
    ],
)
def test_strict_choices(text, right):
    found = strict.score({"csn-test-no-cot": subset([("B. Atrial fibrillation", text)])})
    assert found["csn-test-no-cot"]["accuracy"] == float(right)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("AF, LBBB", {"AF", "LBBB"}),
        ("<think>RBBB? No, not RBBB.</think><answer>LBBB</answer>", {"LBBB"}),
        ("<answer>atrial fibrillation; left bundle branch block</answer>", {"AF", "LBBB"}),
        ("<answer>first-degree AV block</answer>", {"I-AVB"}),
        ("<answer>No PVC. AF.</answer>", {"AF"}),
        ("<answer>ABNORMAL</answer>", set()),
        ("<answer>STEMI</answer>", set()),
    ],
)
def test_strict_labels(text, names):
    assert strict.labels(text, compat.SPACES["cpsc-test"]) == names


def test_strict_superclasses_stand_for_their_diagnoses():
    said = strict.labels(
        "<answer>anterior myocardial infarction; left bundle branch block</answer>", strict._SUPERCLASSES
    )
    assert said == {"MI", "CD"}


@pytest.mark.parametrize("module", [compat, strict])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda items, answers: (items, answers[:1]), "1 items have no answer, e.g. 'q1'"),
        (lambda items, answers: (items[:1], answers), "1 answers are to no item"),
        (lambda items, answers: (items, [{"id": "q0"}, {"id": "q1"}]), "neither `text` nor `response`"),
        (lambda items, answers: ([{"id": "q0"}, {"id": "q1"}], answers), "no second turn"),
    ],
)
def test_files_that_do_not_fit_are_refused(module, change, message):
    with pytest.raises(BenchmarkError, match=message):
        module.score({"ptb-test": change(*subset([("NORM", "NORM"), ("MI", "MI")]))})
