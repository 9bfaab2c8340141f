"""Text that is not ours, wherever it is printed: no byte of it steers the terminal, and no command ends with it."""

import ast
import csv
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyarrow import parquet
from rich.table import Table

from ecg_r1.console import console, marked, track
from ecg_r1.doctor import show
from ecg_r1.doctor.finding import Finding
from ecg_r1.ecg.record import RecordError, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.errors import LONGEST
from ecg_r1.evaluation.report.terminal import print_comparison
from ecg_r1.recipe import RecipeError
from ecg_r1.scoring import registry
from ecg_r1.terminal import say, say_json, visible

PACKAGE = Path(__file__).parents[2] / "ecg_r1"
STEERING = "\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x1b\\\x1b[2J\x1b[31m\x9b31m\x90q\x08\r\x00"
HIDDEN = "\u202eabc\u2066\u200b\u200d\u2060\ufeff\u061c\u2028\u115f\U000e0041\ud800"
MARKUP = "[red]x[/] [/red] [/] [link=http://x]y[/link] :smile: {task.fields} %s %(a)s \\[b"
HOSTILE = STEERING + HIDDEN + MARKUP
NAME = HOSTILE.replace("/", "").replace("\x00", "").replace("\ud800", "")  # of a file


def assert_safe(*said: str) -> None:
    """Nothing that a terminal obeys, nor that nobody sees."""
    for text in said:
        found = {c for c in text if c not in "\n" and visible(c) != c}
        assert not found, (found, text)


def assert_shown(said: object) -> None:
    """It is safe, and the hostile text stands in it, its escapes and brackets in writing."""
    assert_safe(said.out, said.err)
    together = "".join((said.out + said.err).split())
    assert "\\x1b]0;owned\\x07" in together
    assert "\\u202eabc" in together
    assert "[red]x" in together


# --- the functions


def test_every_character_is_seen_and_none_is_lost() -> None:
    for c in map(chr, [*range(0x3000), *range(0x3000, 0x110000, 17)]):
        written = visible(c)
        if written != c:
            assert written.isascii()
            assert written.isprintable()
            assert written == c.encode("unicode_escape").decode()
    for c in ["\x00", "\x1b", "\x7f", "\x80", "\x9b", "\x9f", "\xad", *HIDDEN.replace("abc", ""), "\n", "\t", "\x85"]:
        assert visible(c) != c, ascii(c)
    kept = "PR 160 ms – “ST” 0.1 mV, ≥ 3 °, µV, é, 心电图 12 导联，窦性心律。\u3000\xa0ЭКГ ηλ 𝄞 ✓ 🫀"
    assert visible(kept) == kept
    assert visible("a\tb\nc\r", lines=True) == "a\tb\nc\\r"
    assert visible("a\tb\nc") == "a\\tb\\nc"


def test_json_says_exactly_what_it_holds(capsys: pytest.CaptureFixture) -> None:
    row = {HOSTILE: [HOSTILE, "\x7f\x85\u2029", "心电图"], "n": 1.5}
    say_json(row)
    out = capsys.readouterr().out
    assert_safe(out)
    assert json.loads(out) == row
    assert "心电图" in out
    assert out.count("\n") == 1


def test_a_terminal_without_unicode_gets_what_it_has_no_character_for_escaped() -> None:
    code = "from ecg_r1.terminal import say; say('心 \\ud800 µ')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=True
    )
    assert done.stdout == b"\\u5fc3 \\ud800 \\xb5\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_console_is_safe_for_whoever_forgets(terminal: bool, capsys: pytest.CaptureFixture) -> None:
    made = console(width=2000)
    made._force_terminal = terminal
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    for shown in (HOSTILE, table):
        made.print(shown)
    made.out(HOSTILE)
    said = capsys.readouterr().out
    if not terminal:
        assert_safe(said)
    assert "\x1b]" not in said
    assert "\x1b[2J" not in said
    assert said.count("[red]x") == 5


def test_a_span_keeps_its_place() -> None:
    shown = marked("\x1b[31m\n\u200bPR 160 ms", [((7, 16), "green"), ((-5, 10**30), "red")])
    assert shown.plain == "\\x1b[31m\n\\u200bPR 160 ms"
    assert shown.plain[slice(*shown.spans[0][:2])] == "PR 160 ms"


def test_a_bar_shows_its_title(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "400")
    assert list(track(range(2), HOSTILE, 2)) == [0, 1]
    said = capsys.readouterr().err
    assert "\\x1b]0;owned\\x07" in said
    assert "\x1b]" not in said
    assert "\x07" not in said


def test_an_error_makes_visible_what_it_quotes_and_bounds_it() -> None:
    said = str(RecordError(f"{HOSTILE}\n.hea: no such file"))
    assert_safe(said)
    assert "\\x1b]0;owned\\x07" in said
    assert said.endswith("\\n.hea: no such file")
    lines = str(RecipeError("r.yaml: a\nb", "r.yaml: c"))
    assert lines == "r.yaml: a\\nb\nr.yaml: c"
    assert str(pickle.loads(pickle.dumps(RecipeError("r.yaml: a\nb", "r.yaml: c")))) == lines
    for long in ("x" * 10**6, "\x1b" * 10**6):
        said = str(RecordError(f"a.hea: {long}: rename it"))
        assert len(said) <= LONGEST
        assert said.startswith("a.hea: ")
        assert said.endswith(": rename it")


# --- nobody prints otherwise


MAKERS = {"print", "pprint", "Console", "Progress", "TextColumn"}


def _prints(path: Path) -> list[str]:
    """What a file calls, or takes from rich, to print something."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "rich":
            found += [name.name for name in node.names if name.name in ("track", "print", "get_console")]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            written = called.startswith(("sys.std", "sys.__std")) and called.endswith(".write")
            if called in MAKERS or written or called.startswith(("typer.echo", "typer.secho", "click.", "rich.")):
                found.append(called)
    return found


def test_nothing_is_printed_past_the_functions_that_make_it_visible() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE) not in (Path("terminal.py"), Path("console.py")):
            assert _prints(path) == [], path


# --- the commands


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Three records: a sound one in a folder of a hostile name, one whose leads have hostile names, one unreadable."""
    folder = tmp_path / f"a[{NAME}" / "b]"
    folder.mkdir(parents=True)
    made = [simulated.record for simulated in simulate(3, seed=1)]
    _, other, broken = (write_record(replace(r, record_id=f"r{i}"), folder) for i, r in enumerate(made))
    header = Path(f"{other}.hea") if other.suffix != ".hea" else other
    lines = header.read_text().splitlines()
    header.write_text("\n".join([lines[0], *(f"{line}{NAME}" if " 0 " in line else line for line in lines[1:])]) + "\n")
    head = Path(f"{broken}.hea") if broken.suffix != ".hea" else broken
    head.write_text(f"{NAME} 12 500 5000\n{NAME}\n")
    return folder.parent.parent


def test_measure(ecg_r1, records: Path) -> None:
    said = ecg_r1("measure", records)
    assert said.code == 1
    assert_shown(said)
    told = ecg_r1("measure", records, "--jsonl")
    assert_safe(told.out, told.err)
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert len(rows) == 3
    assert all(f"a[{NAME}" in row["record"] for row in rows)
    assert sum("error" not in row for row in rows) >= 1  # the sound one is measured


def test_measure_and_render_name_a_record_that_is_missing(ecg_r1, tmp_path: Path) -> None:
    for words in (("measure", HOSTILE.replace("\x00", "")), ("render", NAME, "--out", tmp_path / "x.png"),
                  ("render", NAME, "--out", NAME), ("measure", f"--{NAME}"), (NAME,)):  # fmt: skip
        said = ecg_r1(*words)
        assert said.code != 0
        assert_safe(said.out, said.err)
        assert "\\x1b]0;owned\\x07" in said.out + said.err


def test_corpus_train_evaluate_compare_predict_inspect_name_what_is_missing(ecg_r1, tmp_path: Path) -> None:
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text(f"stage: corpus\nout: {tmp_path}/c\nsplits: {{a: [{{simulate: 2}}]}}\n{json.dumps(NAME)}: 1\n")
    for words in (("corpus", NAME), ("corpus", recipe), ("train", NAME), ("train", recipe, "--dry-run"),
                  ("evaluate", NAME), ("inspect", NAME), ("doctor", NAME), ("reward", "check", NAME),
                  ("reward", "score", NAME)):  # fmt: skip
        said = ecg_r1(*words)
        assert said.code == 2
        assert_safe(said.out, said.err)
        assert "Traceback" not in said.err


def test_corpus_says_what_is_wrong_with_records_and_labels(ecg_r1, records: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "corpus.yaml"
    table = records / "labels.csv"
    found = sorted(path.with_suffix("") for path in records.rglob("*.hea"))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["record", "diagnoses"], *([str(path), NAME] for path in found)])
    source = {"records": str(records)}
    split = {"a": [source]}
    recipe.write_text(
        json.dumps({"stage": "corpus", "out": str(tmp_path / "c"), "page_size": 32, "workers": 1, "splits": split})
    )
    said = ecg_r1("corpus", recipe)
    assert_safe(said.out, said.err)
    assert "Traceback" not in said.err
    assert "owned\\x" in said.err  # numbers in reasons are left out, so that like reasons are counted together


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    lines = [
        {"id": HOSTILE, "diagnoses": [HOSTILE], "measurements": {"pr_ms": 160}, "completion": f"{HOSTILE} PR 160 ms"},
        {"id": 2, "diagnoses": ["NORM"], "measurements": {"pr_ms": 160}, "completion": "PR 160 ms"},
    ]
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.fixture
def rewards(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(
        "from ecg_r1.scoring import Score, reward\n\n"
        f"TEXT = {HOSTILE!r}\n\n\n@reward\ndef says(completion, case):\n"
        "    print(TEXT.replace('\\ud800', ''))\n"
        "    row = {'verdict': 'supported', 'claim': TEXT, 'reason': TEXT, 'span': (0, 3), 'text': TEXT}\n"
        "    return Score(1.0, explanation=TEXT, evidence=(row,))\n\n\n"
        "@reward\ndef raises(completion, case):\n    raise ValueError(TEXT)\n"
    )
    return file


def test_reward_score(ecg_r1, samples: Path, rewards: Path) -> None:
    words = ("reward", "score", samples, "--reward", f"{rewards}:says", "--reward", f"{rewards}:raises")
    said = ecg_r1(*words)
    assert said.code == 1
    assert_shown(said)
    told = ecg_r1(*words, "--jsonl")
    assert_safe(told.out, told.err)
    first, second = map(json.loads, told.out.splitlines())
    assert (first["id"], second["id"], first["explanations"]["says"]) == (HOSTILE, 2, HOSTILE)


def test_reward_check(ecg_r1, rewards: Path) -> None:
    for name in ("says", "raises"):
        assert_shown(ecg_r1("reward", "check", f"{rewards}:{name}"))


def test_reward_list(ecg_r1, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = SimpleNamespace(value=HOSTILE, load=lambda: 1 / 0)
    monkeypatch.setattr("ecg_r1.scoring.listing.plugins", lambda: {HOSTILE: broken})
    monkeypatch.setattr(registry, "plugins", lambda: {HOSTILE: broken})
    said = ecg_r1("reward", "list")
    assert_shown(said)
    assert "format  think" in said.out or "format" in said.out


def test_inspect(ecg_r1, tmp_path: Path) -> None:
    claim = {"verdict": "supported", "span": [2, 10**9], "text": HOSTILE, "claim": HOSTILE, "reason": HOSTILE}
    fields = {"step": 1, "prompt": "p", "example": NAME, "completion": NAME, "mine": 1.0, "advantage": 0.5,
              "mine/explanation": NAME, "evidence": json.dumps([claim])}  # fmt: skip
    (tmp_path / "completions").mkdir()
    parquet.write_table(pa.Table.from_pylist([fields] * 3), tmp_path / "completions" / "completions_00001.parquet")
    said = ecg_r1("inspect", tmp_path)
    assert said.code == 0
    assert_shown(said)
    assert said.out.count("advantage +0.50") == 3
    assert_shown(ecg_r1("inspect", tmp_path, "--by", NAME))


def test_the_table_of_a_comparison(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    metrics = {"diagnosis": {"f1": 0.5}, "format": 0.5}
    print_comparison({"models": {HOSTILE: metrics, "b": metrics}, "paired": {}, "examples": 2, "split": HOSTILE})
    assert_shown(capsys.readouterr())


def test_doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    show([Finding(HOSTILE, HOSTILE, status, HOSTILE) for status in ("ok", "note", "blocks")])
    said = capsys.readouterr()
    assert_shown(said)
    assert said.out.count("\\x1b]0;owned") == 9


def test_the_progress_of_a_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    progress = pytest.importorskip("ecg_r1.train.progress")
    monkeypatch.setenv("COLUMNS", "400")
    for forced in (False, True):
        if forced:
            monkeypatch.setenv("FORCE_COLOR", "1")
        shown = progress.LiveProgress(HOSTILE)
        state = SimpleNamespace(is_world_process_zero=True, max_steps=2, global_step=0)
        shown.on_train_begin(SimpleNamespace(disable_tqdm=False), state, None)
        state.global_step = 1
        shown.on_log(None, state, None, logs={"loss": 0.5, f"rewards/{HOSTILE}/mean": 1.0})
        shown.on_train_end(None, state, None)
        said = capsys.readouterr().err
        assert "\\x1b]0;owned\\x07" in said
        assert "\x1b]" not in said
        assert "\x07" not in said


def test_ask_streams_a_hostile_answer_and_checks_it(capsys: pytest.CaptureFixture, monkeypatch) -> None:
    pytest.importorskip("torch")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    from ecg_r1.scoring.completion import Completion
    from ecg_r1.serving import ask
    from ecg_r1.serving.checked import checked

    monkeypatch.setenv("COLUMNS", "500")
    text = NAME + " PR interval 160 ms <answer>normal ECG</answer>"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([], trainers.BpeTrainer(initial_alphabet=alphabet))
    ids = tokenizer.encode(text).ids
    processor = SimpleNamespace(
        tokenizer=SimpleNamespace(backend_tokenizer=tokenizer, decode=lambda ids, **_: tokenizer.decode(ids))
    )
    engine = SimpleNamespace(stream=lambda prompt, show, **_: [show([one]) for one in ids])
    answer = ask._stream(engine, processor, None, 9, console())
    assert answer == text
    (simulated,) = simulate(1, seed=1)
    both = [replace(simulated.record, record_id=f"{HOSTILE}{i}", diagnoses=(HOSTILE,)) for i in range(2)]
    console().print(checked(Completion.parse(answer), both))
    assert_shown(capsys.readouterr())


def test_trls_table_of_completions(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trl")
    pytest.importorskip("ecg_r1.train.grpo")
    from trl.trainer.utils import print_prompt_completions_sample

    monkeypatch.setenv("COLUMNS", "900")
    print_prompt_completions_sample([HOSTILE], [HOSTILE], {HOSTILE: [1.0]}, [0.5], 1, extra={HOSTILE: [HOSTILE]})
    said = capsys.readouterr().out
    assert_safe(said)
    assert said.count("[red]x") == said.count("\\x1b]0;owned") >= 3


GUARDED = """
import logging, sys, threading, warnings
from ecg_r1.terminal import guard_logs
guard_logs()
text = {text!r}
logging.getLogger("uvicorn.access").warning("%s", text)
logging.warning(text)
try:
    raise ValueError(text)
except ValueError:
    logging.exception("failed %s", text)
warnings.warn(text)
thread = threading.Thread(target=lambda: {{}}[text])
thread.start()
thread.join()
raise RuntimeError(text)
"""


def test_logs_warnings_and_tracebacks() -> None:
    text = HOSTILE.replace("%s %(a)s", "")
    done = subprocess.run(
        [sys.executable, "-c", GUARDED.format(text=text)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert_safe(done.stdout, done.stderr)
    assert done.stderr.count("\\x1b]0;owned") >= 7


ACCESS = """
import logging
from uvicorn.logging import AccessFormatter
from ecg_r1.terminal import guard_logs
guard_logs()
text = {text!r}
access = logging.getLogger("uvicorn.access")
access.addHandler(logging.StreamHandler())
access.handlers[0].setFormatter(AccessFormatter("%(request_line)s %(message)s", use_colors=False))
access.warning('%s - "%s %s HTTP/%s" %d', "host", text, text, "1.1", 200)
"""


def test_the_servers_log_of_requests() -> None:
    pytest.importorskip("uvicorn")
    code = ACCESS.format(text=HOSTILE)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert_safe(done.stdout, done.stderr)
    assert done.stderr.count("\\x1b]0;owned") >= 4


def test_say_keeps_line_ends(capsys: pytest.CaptureFixture) -> None:
    say("a\nb\x1b", err=True)
    assert capsys.readouterr().err == "a\nb\\x1b\n"
