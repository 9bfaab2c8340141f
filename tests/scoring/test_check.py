"""Lines scored in order, and a user's reward tried on the shipped samples."""

import io
import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from ecg_r1.cli import app
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import read_record
from ecg_r1.scoring import Case, RewardError, RewardPool, load_reward
from ecg_r1.scoring.cases import CaseError, Sample, read_samples
from ecg_r1.scoring.check import check_reward, shipped_samples, try_rewards
from ecg_r1.scoring.listing import listing, score_samples, view

FILE = Path(__file__).with_name("misbehaving.py")
WEIGHTS = {"format": 0.1, "diagnosis": 0.45, "intervals": 0.45}


def test_lines_are_scored_in_order_with_evidence() -> None:
    samples = shipped_samples()
    with RewardPool([load_reward(name) for name in WEIGHTS]) as pool:
        lines = list(score_samples(samples, pool, WEIGHTS))
    assert [line["id"] for line in lines] == [sample.id for sample in samples]
    by_id = {line["id"]: line for line in json.loads(json.dumps(lines))}
    assert by_id["right"]["total"] == pytest.approx(1.0)
    assert by_id["empty"]["total"] == 0
    assert by_id["nothing measured"]["scores"] == {"format": 1.0, "diagnosis": None, "intervals": None}
    assert {row["verdict"] for row in by_id["partly wrong"]["evidence"]} == {"supported", "contradicted"}
    right = [line["total"] for name, line in by_id.items() if name.startswith("right")]
    assert min(right) > max(line["total"] for name, line in by_id.items() if name.startswith(("wrong", "hostile")))


def test_the_readable_view_shows_text_scores_and_reasons() -> None:
    sample = next(s for s in shipped_samples() if s.id == "partly wrong")
    with RewardPool([load_reward(name) for name in WEIGHTS]) as pool:
        line = next(iter(score_samples([sample], pool, WEIGHTS)))
    console = Console(record=True, width=160, file=io.StringIO())
    console.print(view(sample, line))
    text = console.export_text()
    assert "contradicted: QRS duration 134 ms (42 ms from the measured 92)" in text
    assert "intervals" in text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"bad\.jsonl:1: not JSON"),
        ("[]", "one object a line"),
        ('{"completion": 3}', '"completion" is a text'),
        ('{"completion": "x"}', 'needs "measurements"'),
        ('{"completion": "x", "measurements": {"pr_ms": "long"}}', '"measurements": pr_ms'),
        ('{"completion": "x", "measurements": {"pr_ms": NaN}}', "NaN is no number"),
        ('{"completion": "x", "measurements": {}, "diagnoses": "AF"}', '"diagnoses" is a list'),
        ('{"completion": "x", "measurments": {}}', 'unknown key "measurments"'),
        ('{"completion": "x", "measurements": {"pr": 160}}', 'unknown measurement "pr"'),
        ('{"completion": "x", "measurements": {"pr_ms": 1e999}}', '"pr_ms" is inf'),
        ('{"completion": "x", "measurements": {"unmeasurable": "PR"}}', '"unmeasurable" is an object'),
        (
            '{"completion": "x", "measurements": {"unmeasurable": {"pr": "no P"}}}',
            'unmeasurable: unknown measurement "pr"',
        ),
        ('{"completion": "x", "measurements": {"unmeasurable": {"pr_ms": 3}}}', '"pr_ms" is a text that says why'),
        ('{"completion": "x", "measurements": {"spread": {"pr_ms": "wide"}}}', 'spread: "pr_ms" is a number'),
        ('{"completion": "x", "measurements": {"pr_ms": 1' + "0" * 400 + "}}", '"pr_ms" is 1000'),
        ('{"completion": "x", "measurements": {"absent": "pr_ms"}}', '"absent" is a list of quantities'),
        ('{"completion": "x", "measurements": {"absent": ["pr"]}}', 'absent: unknown measurement "pr"'),
        ('{"completion": "x", "measurements": {"pr_ms": 164, "absent": ["pr_ms"]}}', "is named under `absent`"),
        ('{"completion": "x", "measurements": {}, "expected": [1]}', '"expected" is an object'),
        ('{"completion": "x", "measurements": {}, "extra": "q"}', '"extra" is an object'),
        ('{"completion": "x", "measurements": {}, "question": 3}', '"question" is a text'),
        ("[" * 100_000, r"bad\.jsonl:1: nested too deeply"),
        ("\udcff\udcfe", r"bad\.jsonl:1: not JSON: 'utf-8' codec"),
        ('{"completion": "x", "record": 7}', '"record" is a path'),
        ('{"completion": "x", "record": "nowhere"}', r"bad\.jsonl:1: .*nowhere"),
        ('{"completion": "x", "id": [1], "measurements": {}}', '"id" is a text'),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "bad.jsonl").write_text(line + "\n", errors="surrogateescape")
    with pytest.raises(CaseError, match=message):
        list(read_samples(tmp_path / "bad.jsonl", measure=lambda path: measure(read_record(path))))


def test_a_reason_outweighs_a_value_and_a_byte_order_mark_is_let_be(tmp_path: Path) -> None:
    row = {"completion": "x", "measurements": {"pr_ms": 164, "unmeasurable": {"pr_ms": "no P waves", "qt_ms": None}}}
    (tmp_path / "bom.jsonl").write_text(json.dumps(row), encoding="utf-8-sig")
    (sample,) = read_samples(tmp_path / "bom.jsonl")
    assert sample.case.measurements.reason("pr_ms") == "no P waves"
    assert sample.case.measurements.reason("qt_ms") == "not measured"


def test_control_characters_are_shown_escaped_and_claims_keep_their_place() -> None:
    text = "\x1b[31m\r\x00\ud800 PR 160 ms \u202e"
    sample = Sample("a\x1bb", Case("r", (), Measurements.from_json({"pr_ms": 160})), text)
    with RewardPool([load_reward("intervals")]) as pool:
        line = next(iter(score_samples([sample], pool, {"intervals": 1.0})))
    head, shown, *_ = view(sample, line).renderables
    assert head.plain.startswith("a\\x1bb")
    assert shown.plain == "\\x1b[31m\\r\\x00\\ud800 PR 160 ms \\u202e"
    assert shown.plain[slice(*shown.spans[0][:2])] == "PR 160 ms"


LINE = {"id": 1, "diagnoses": ["NORM"], "measurements": {"pr_ms": 160}, "completion": "PR 160 ms"}


def scored(tmp_path: Path, lines: list[dict], *options: str) -> Result:
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return CliRunner().invoke(app, ["reward", "score", str(tmp_path / "lines.jsonl"), "--jsonl", *options])


def test_a_lone_surrogate_is_printed_escaped(tmp_path: Path) -> None:
    result = scored(tmp_path, [LINE | {"id": "\ud800", "completion": "PR 160 ms \ud800"}])
    assert result.exit_code == 0
    assert '"id": "\\ud800"' in result.stdout


def test_unknown_diagnoses_are_warned_of_once(tmp_path: Path) -> None:
    result = scored(tmp_path, [LINE | {"diagnoses": ["atrial fibrilation", "999999999", "NORM"]}] * 3)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "warning: unknown diagnosis 'atrial fibrilation'; did you mean 'atrial fibrillation'?; "
        "it is compared as it is written",
        "warning: unknown diagnosis '999999999'; it is compared as it is written",
    ]


@pytest.mark.parametrize("name", ["raises", "leaves"])
def test_a_reward_that_fails_on_every_line_is_exit_status_1(tmp_path: Path, name: str) -> None:
    result = scored(tmp_path, [LINE] * 2, "--reward", f"{FILE}:{name}")
    assert result.exit_code == 1
    assert f'reward "{name}" failed on every line' in result.stderr
    assert [json.loads(line)["scores"] for line in result.stdout.splitlines()] == [{name: None}] * 2
    assert scored(tmp_path, [], "--reward", f"{FILE}:{name}").exit_code == 0


def test_an_id_comes_back_as_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "ids.jsonl").write_text('{"id": 3, "completion": "x", "measurements": {}}\n' * 2)
    with RewardPool([load_reward("format")]) as pool:
        lines = list(score_samples(read_samples(tmp_path / "ids.jsonl"), pool, {"format": 1.0}))
    assert [line["id"] for line in lines] == [3, 3]


def test_a_good_reward_passes() -> None:
    check = check_reward("intervals")
    assert check.passed
    assert len(check.scores) == len(check.samples) == len(shipped_samples())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "KeyError: 'missing'"),
        ("returns_text", "not a number"),
        ("returns_nan", "not a finite number"),
        ("dies", "died"),
    ],
)
def test_a_bad_reward_is_told_what_is_wrong(name: str, message: str) -> None:
    check = check_reward(f"{FILE}:{name}")
    assert not check.passed
    assert message in check.findings[0].message


DOUBTFUL = """
from ecg_r1.scoring import reward

@reward
def diagnoses_named(completion, case):
    return len(completion.statements) / 10

@reward
def brevity(completion, case):
    return -min(len(completion.text), 1000) / 1000

@reward
def no_digits(completion, case):
    return float(not any(c.isdigit() for c in completion.text) or completion.text.startswith("<think>Rate"))

@reward
def long_enough(completion, case):
    return min(1.0, len(completion.text) / 100)

@reward
def constant(completion, case):
    return 1.0
"""


@pytest.mark.parametrize(
    ("name", "samples", "messages"),
    [
        (
            "diagnoses_named",
            ["hostile: every value", "hostile: every finding"],
            [
                r"a hostile completion gets 0\.4, the right one 0\.1",
                r"a hostile completion gets 0\.\d, the right one 0\.1",
            ],
        ),
        (
            "brevity",
            ["hostile: tags", "hostile: code", "hostile: numbers", "empty"],
            ["a hostile completion gets"] * 3 + [r"an empty completion gets -?0, the right one -0\.14"],
        ),
        ("no_digits", ["empty"], ["an empty completion gets 1, as much as the right one"]),
        ("long_enough", [], []),
        ("constant", [None], ["1 for every sample"]),
    ],
)
def test_what_outranks_the_right_completion_is_warned_of(
    tmp_path: Path, name: str, samples: list, messages: list[str]
) -> None:
    (tmp_path / "doubtful.py").write_text(DOUBTFUL)
    check = check_reward(f"{tmp_path}/doubtful.py:{name}")
    assert check.passed
    warned = [finding for finding in check.findings if " ms a completion" not in finding.message]  # a busy machine
    assert [finding.sample for finding in warned] == samples
    for finding, message in zip(warned, messages, strict=True):
        assert finding.level == "warning"
        assert re.match(message, finding.message)


def test_a_reward_that_always_raises_is_found_before_a_run(tmp_path: Path) -> None:
    rewards = [load_reward("format"), load_reward("length", {"unit": "tokens"}), load_reward("steps")]
    try_rewards(rewards, 60.0)
    line = next(i for i, text in enumerate(FILE.read_text().splitlines(), 1) if 'return {}["missing"]' in text)
    with pytest.raises(RewardError) as caught:
        try_rewards([*rewards, load_reward(f"{FILE}:raises")], 60.0)
    said = f"reward \"{FILE}:raises\" fails on every sample: KeyError: 'missing', at {FILE}:{line}"
    assert str(caught.value) == said


def test_a_reward_that_fails_on_the_shipped_samples_alone_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from ecg_r1.scoring import reward\n\n\n@reward\ndef mine(completion, case):\n    return case.extra['grade']\n"
    )
    (mine,) = [load_reward(f"{tmp_path}/mine.py:mine")]
    own = Sample("e1", Case("r", (), Measurements.from_json({}), extra={"grade": 1.0}), "text")
    with pytest.raises(RewardError, match=r"KeyError: 'grade', at .*mine\.py:6"):
        try_rewards([mine], 60.0)
    try_rewards([mine], 60.0, also=[own], workers=0)


def test_a_reward_that_never_answers_is_told_which_key_gives_it_more_time() -> None:
    with pytest.raises(RewardError, match=r"stopped after .* raise `reward_workers\.timeout` in the recipe"):
        try_rewards([load_reward(f"{FILE}:sleeps")], 0.5)


def test_the_listing_names_every_reward_with_its_options() -> None:
    rows = {row["name"]: row for row in listing()}
    assert {
        "format",
        "diagnosis",
        "intervals",
        "consistency",
        "arithmetic",
        "evidence",
        "steps",
        "localisation",
        "abstain",
    } <= set(rows)
    assert "quantities=" in rows["intervals"]["options"]
    assert all(row["about"] and row["source"] for row in rows.values())
