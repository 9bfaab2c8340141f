"""Rewards by name, file and dotted path; each mistake is one clear line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_r1.scoring import RewardError, RewardPool, load_reward, reward
from ecg_r1.scoring.listing import listing
from ecg_r1.scoring.registry import library

FILE = Path(__file__).with_name("misbehaving.py")


def test_a_reward_is_found_by_name_path_and_dotted_path() -> None:
    by_name = load_reward("intervals", {"quantities": ["pr_ms"]})
    by_dots = load_reward("ecg_r1.rewards.intervals.intervals")
    assert by_name.function is by_dots.function
    assert by_name.__name__ == "intervals"
    assert load_reward(f"{FILE}:relative").scope == "group"
    assert load_reward(f"{FILE}:for_trl").scope == "trl"


def test_every_reward_of_the_library_loads_and_says_what_it_is() -> None:
    for name in library():
        loaded = load_reward(name)
        assert loaded.function.__doc__, name
        assert loaded.function.__module__ == f"ecg_r1.rewards.{name}"


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("intervls", {}, 'unknown reward "intervls" — did you mean "intervals"?'),
        ("nowhere.py:f", {}, "no file"),
        (str(FILE), {}, "say which function of the file"),
        (f"{FILE}:sleep", {}, 'no function "sleep" .* did you mean "sleeps"'),
        (f"{FILE}:no_reward", {}, r"is no reward; mark f\(completion, case\) with @reward"),
        ("no_such_package.rewards.f", {}, 'no module "no_such_package"'),
        ("intervals", {"quantites": ["pr_ms"]}, 'unknown option "quantites" — did you mean "quantities"'),
        (f"{FILE}:with_options", {}, 'needs a value for option "needed"'),
    ],
)
def test_a_mistake_is_one_clear_line(spec: str, options: dict, message: str) -> None:
    with pytest.raises(RewardError, match=message) as caught:
        load_reward(spec, options)
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n")
    with pytest.raises(RewardError, match=r"broken\.py.*SyntaxError"):
        load_reward(f"{tmp_path / 'broken.py'}:f")


def test_a_wrong_signature_is_told_where_it_is_written() -> None:
    with pytest.raises(RewardError, match=re.escape("a sample reward is f(completion, case, *, options)")):

        @reward
        def wrong(text, case):
            return 1.0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("format", {"think": "befor"}, "think is"),
        ("intervals", {"quantities": ["foo"]}, "foo"),
        ("intervals", {"quantities": []}, "quantities"),
        ("intervals", {"quantities": "pr_ms"}, 'option "quantities" is a list'),
        ("diagnosis", {"match": "f2"}, "match is one of"),
        ("length", {"limit": "abc"}, "option \"limit\" is a whole number, as 400, not 'abc'"),
        ("length", {"limit": 10, "cache": 20}, "cache"),
        ("length", {"unit": "chars"}, "unit is"),
        ("repetition", {"n": 0}, "repetition: n"),
        ("language", {"language": "xx"}, "language is"),
        ("steps", {"parts": ["x"]}, "steps: parts"),
        ("steps", {"alpha": True}, 'option "alpha" is a number'),
        ("evidence", {"mode": "paper"}, "mode is"),
        ("localisation", {"where": "nowhere"}, "where is"),
        ("choice", {"field": 3}, 'option "field" is a text'),
    ],
)
def test_a_bad_option_value_is_refused_when_the_reward_is_loaded(name: str, options: dict, message: str) -> None:
    for spec in (name, f"ecg_r1.rewards.{name}.{name}"):
        with pytest.raises(RewardError, match=message):
            load_reward(spec, options)


MINE = """
import asyncio, time
from collections.abc import Sequence
from ecg_r1.scoring import RewardError, reward

def checked(words):
    if words < 1:
        raise RewardError(f"words is at least 1, not {words}")

@reward
def sample(
    completion, case, *, words: int = 150, share: float = 1, names: Sequence[str] = ("a",), on: bool = True, x=3
):
    checked(words)
    while completion.text:
        time.sleep(1)

@reward(scope="group")
def group(completions, case, *, words: "int"):
    checked(words)
    return [case.record_id for _ in completions]

@reward(scope="batch")
async def batch(completions, cases, *, words: int = 5):
    if words < 1:
        raise ValueError("words is at least 1")
    await asyncio.sleep(len(cases[0].record_id))

def trl(prompts, completions, *, words: int = 5, **columns):
    raise AssertionError("called")
"""


@pytest.mark.parametrize("name", ["sample", "group", "batch"])
def test_the_options_of_a_users_reward_are_checked_as_ours_are(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    spec = f"{tmp_path}/mine.py:{name}"
    for words, message in ((0, "words is at least 1"), (True, "a whole number"), (1.5, "a whole number"), ("3", "3")):
        with pytest.raises(RewardError, match=message) as caught:
            load_reward(spec, {"words": words})
        assert "\n" not in str(caught.value)
    assert load_reward(spec, {"words": 3}).options == {"words": 3}  # it is not called further than its first look


def test_an_option_is_of_its_annotated_kind_and_of_any_kind_without_one(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    spec = f"{tmp_path}/mine.py:sample"
    load_reward(spec, {"share": 0.5, "names": ["b"], "on": False, "x": {"b": 1}})
    for wrong, message in (
        ({"share": "half"}, "option \"share\" is a number, as 1, not 'half'"),
        ({"share": True}, 'option "share" is a number'),
        ({"names": "b"}, 'option "names" is a list'),
        ({"on": 1}, 'option "on" is true or false'),
    ):
        with pytest.raises(RewardError, match=message):
            load_reward(spec, wrong)
    load_reward(f"{tmp_path}/mine.py:trl", {"words": "many"})  # TRL calls it with columns that are not known here


def test_good_option_values_are_taken() -> None:
    load_reward("length", {"unit": "tokens", "limit": 20, "cache": 10})
    load_reward("steps", {"alpha": 1, "parts": ["validity"]})
    load_reward("intervals", {"quantities": ("pr_ms",)})


def test_the_rewards_load_no_deep_learning_library() -> None:
    code = (
        "import sys, ecg_r1.scoring, ecg_r1.rewards, ecg_r1.scoring.adapters, ecg_r1.scoring.child_main\n"
        "from ecg_r1.scoring.registry import library, load_reward\n"
        "[load_reward(name) for name in library()]\n"
        "print([m for m in ('torch', 'transformers', 'trl', 'vllm') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_reward_file_may_import_the_files_beside_it(tmp_path: Path) -> None:
    for folder, value in (("a", 0.25), ("b", 0.75)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helpers.py").write_text(f"VALUE = {value}\n")
        (tmp_path / folder / "json.py").write_text("raise RuntimeError('hides the installed json')\n")
        (tmp_path / folder / "mine.py").write_text(
            "import json\nfrom helpers import VALUE\nfrom ecg_r1.scoring import reward\n\n\n"
            "@reward\ndef f(completion, case):\n    return VALUE + len(json.dumps(None)) - 4\n"
        )
    path = list(sys.path)
    values = [load_reward(f"{tmp_path}/{folder}/mine.py:f").function(None, None) for folder in ("a", "b")]
    assert values == [0.25, 0.75]
    assert sys.path == path
    assert "helpers" not in sys.modules
    assert json.dumps(None) == "null"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_to_be_found", r"mine\.py:1: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("x = 1\nx / 0", r"mine\.py:2: ZeroDivisionError"),
        ("def f(:", r"mine\.py:1: SyntaxError"),
        ("x = '\0'", r"mine\.py: ValueError|SyntaxError"),
    ],
)
def test_a_reward_file_that_cannot_be_imported_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text + "\n")
    with pytest.raises(RewardError, match=message):
        load_reward(f"{tmp_path}/mine.py:f")


def test_another_package_adds_a_reward_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_package.py").write_text(
        "from ecg_r1.scoring import reward\n\n\n@reward\ndef outside(completion, case, *, bonus: float = 0.5):\n"
        '    """From elsewhere."""\n    return bonus\n'
    )
    info = tmp_path / "other_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ecg_r1.rewards]\noutside = other_package:outside\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_reward("outside", {"bonus": 1.0})(None, None) == 1.0
    assert "outside" in {row["name"] for row in listing()}
    with pytest.raises(RewardError, match='did you mean "outside"'):
        load_reward("outsid")


def test_a_broken_entry_point_is_named_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raises_when_imported.py").write_text("1 / 0\n")
    info = tmp_path / "broken_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1.0\n")
    points = "gone = no_such_package:f\nfails = raises_when_imported:f\nformat = other_package:f\n"
    (info / "entry_points.txt").write_text(f"[ecg_r1.rewards]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))
    about = [(row["name"], row["about"]) for row in listing()]
    assert {name for name, _ in about} >= {*library(), "gone", "fails"}
    assert "No module named 'no_such_package'" in dict(about)["gone"]
    assert "ZeroDivisionError" in dict(about)["fails"]
    assert [text[:8] for name, text in about if name == "format"][1] == "not used"


def test_two_rewards_of_one_name_are_named() -> None:
    pair = [load_reward("format"), load_reward("intervals"), load_reward("ecg_r1.rewards.format.format")]
    with pytest.raises(RewardError, match=r"of one name: format and ecg_r1\.rewards\.format\.format; rename"):
        RewardPool(pair)
