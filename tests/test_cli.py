"""The command line: each command does what its room does and prints where the result lies."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate

COMMANDS = ("corpus", "train", "evaluate", "predict", "compare", "inspect", "measure", "render", "simulate", "reward")
ROOT = Path(__file__).parents[1]
SLOW = {
    "torch", "transformers", "trl", "vllm", "peft", "accelerate", "deepspeed", "datasets",
    "neurokit2", "numpy", "pandas", "scipy", "sympy", "pyarrow", "wfdb", "h5py", "matplotlib",
}  # fmt: skip
QUANTITIES = {"heart_rate_bpm", "rr_ms", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qt_lead_ms", "qtc_ms", "axis_deg"}


@pytest.fixture
def record(tmp_path) -> Path:
    return write_record(next(simulate(1, seed=2)).record, tmp_path)


def test_help_names_every_command(ecg_r1):
    said = ecg_r1("--help")
    assert said.code == 0
    assert all(name in said.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(ecg_r1, command):
    said = ecg_r1(command, "--help")
    assert said.code == 0
    assert f"Usage: ecg-r1 {command} [OPTIONS]" in said.out


def test_python_runs_the_package():
    done = subprocess.run([sys.executable, "-m", "ecg_r1", "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Usage: ecg-r1" in done.stdout) == (0, True)


def test_an_unknown_command(ecg_r1):
    assert ecg_r1("trian").code == 2


def test_corpus_prints_its_splits(ecg_r1, tmp_path):
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text(
        f"stage: corpus\nout: {tmp_path}/c\npage_size: 32\nworkers: 1\nsplits: {{a: [{{simulate: 2}}]}}\n"
    )
    said = ecg_r1("corpus", recipe)
    assert said.code == 0
    assert said.out.splitlines()[-1] == f"{tmp_path}/c/a"
    assert len(RecordStore(tmp_path / "c" / "a")) == 2


def test_corpus_and_train_send_each_other_s_recipes_on(ecg_r1, tmp_path):
    recipes = ROOT / "recipes" / "tiny"
    said = ecg_r1("corpus", recipes / "sft.yaml")
    assert (said.code, "`ecg-r1 train` runs it" in said.err) == (2, True)
    said = ecg_r1("train", recipes / "corpus.yaml")
    assert (said.code, "`ecg-r1 corpus`" in said.err) == (2, True)


def test_predict_and_compare_name_what_is_missing(ecg_r1, tmp_path):
    for command in ("predict", "compare"):
        said = ecg_r1(command, tmp_path)
        assert said.code == 2
        assert f"{tmp_path}: no finished run" in said.err


def test_render_writes_a_page(ecg_r1, record, tmp_path):
    image = pytest.importorskip("PIL.Image")
    said = ecg_r1("render", record, "-o", tmp_path / "page.png", "--layout", "12x1")
    assert said.code == 0
    assert image.open(tmp_path / "page.png").size[0] > 300


def test_measure_prints_one_object_a_record_in_input_order(ecg_r1, record, tmp_path):
    said = ecg_r1("measure", f"{record}.hea", tmp_path / "gone", record, "--jsonl")
    first, gone, again = map(json.loads, said.out.splitlines())
    assert said.code == 1
    assert first == again
    assert first["record"] == str(record)
    assert first.keys() == QUANTITIES | {"record", "unmeasurable"}
    assert gone.keys() == {"record", "error"}
    assert str(tmp_path / "gone") in gone["error"]


def test_a_folder_that_is_missing_is_called_a_folder(ecg_r1, tmp_path):
    gone = [f"{tmp_path}/gone/", f"{tmp_path}/gone", f"{tmp_path}/gone.hea"]
    errors = [json.loads(line)["error"] for line in ecg_r1("measure", *gone, "--jsonl").out.splitlines()]
    assert errors == [
        f"{tmp_path}/gone/: no such folder",
        f"{tmp_path}/gone: no such folder, and no record {tmp_path}/gone.hea",
        f"{tmp_path}/gone.hea: No such file or directory",
    ]


def test_measure_prints_a_table(ecg_r1, record):
    said = ecg_r1("measure", record.parent)
    assert said.code == 0
    assert "PR ms" in said.out
    assert len(said.out.splitlines()) >= 2


def test_measure_draws_what_it_saw(ecg_r1, record, tmp_path):
    pytest.importorskip("PIL")
    assert ecg_r1("measure", record, "--plot", tmp_path / "plots").code == 0
    assert [path.name for path in (tmp_path / "plots").iterdir()] == [f"{record.name}.png"]


def test_simulate_writes_records_and_their_truth(ecg_r1, tmp_path):
    said = ecg_r1("simulate", "-n", 3, "-o", tmp_path / "sim", "--seed", 4)
    assert (said.code, said.out) == (0, f"{tmp_path}/sim/truth.csv\n")
    with (tmp_path / "sim" / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["diagnoses"] for row in rows] == ["normal ECG", "sinus bradycardia", "sinus tachycardia"]
    said = ecg_r1("measure", *(tmp_path / "sim" / row["record"] for row in rows), "--jsonl")
    for row, line in zip(rows, said.out.splitlines(), strict=True):
        assert json.loads(line)["heart_rate_bpm"] == pytest.approx(float(row["heart_rate_bpm"]), abs=3)


def test_reward_list_names_every_shipped_reward(ecg_r1):
    said = ecg_r1("reward", "list")
    assert said.code == 0
    names = {line.split()[0] for line in said.out.splitlines() if not line.startswith(" ")}
    assert names >= {path.stem for path in (ROOT / "rewards").glob("[!_]*.py")}


@pytest.fixture
def completions(tmp_path) -> Path:
    case = {
        "diagnoses": ["normal ECG"],
        "measurements": {"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 90, "qt_ms": 400},
    }
    think = "Rate 75 bpm. PR interval {} ms. QRS duration 90 ms. QT interval 400 ms."
    rows = [
        case | {"id": str(pr), "completion": f"<think>{think.format(pr)}</think><answer>normal ECG</answer>"}
        for pr in (160, 300)
    ]
    (tmp_path / "completions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "completions.jsonl"


def test_reward_score_prints_one_object_a_line(ecg_r1, completions):
    said = ecg_r1("reward", "score", completions, "--jsonl")
    right, wrong = map(json.loads, said.out.splitlines())
    assert (right["id"], wrong["id"]) == ("160", "300")
    assert right["scores"] == pytest.approx({"format": 1.0, "diagnosis": 1.0, "intervals": 1.0})
    assert right["total"] == pytest.approx(1.0)
    assert wrong["scores"]["intervals"] == pytest.approx(0.75, abs=0.01)
    (row,) = (row for row in wrong["evidence"] if row["verdict"] == "contradicted")
    assert (row["quantity"], row["quoted"], row["measured"]) == ("pr_ms", 300.0, 160.0)


def test_reward_score_with_the_rewards_of_a_recipe_or_by_name(ecg_r1, completions):
    by_recipe = ecg_r1("reward", "score", completions, "--recipe", ROOT / "recipes" / "tiny" / "grpo.yaml", "--jsonl")
    assert by_recipe.out == ecg_r1("reward", "score", completions, "--jsonl").out
    by_name = json.loads(ecg_r1("reward", "score", completions, "--reward", "format", "--jsonl").out.splitlines()[0])
    assert (by_name["scores"], by_name["total"]) == ({"format": 1.0}, 1.0)
    said = ecg_r1("reward", "score", completions, "--recipe", ROOT / "recipes" / "tiny" / "sft.yaml")
    assert (said.code, "only a GRPO recipe has rewards" in said.err) == (2, True)


def test_reward_score_shows_text_and_evidence(ecg_r1, completions):
    said = ecg_r1("reward", "score", completions)
    assert said.code == 0
    assert "contradicted: PR interval 300 ms" in said.out


def test_reward_check_passes_a_good_reward_and_fails_a_bad_one(ecg_r1, tmp_path):
    said = ecg_r1("reward", "check", "format")
    assert (said.code, said.out.splitlines()[-1].startswith("passed")) == (0, True)
    bad = ["from ecg_r1.scoring import reward", "@reward", "def bad(completion, case): return 1 / len(completion.text)"]
    (tmp_path / "bad.py").write_text("\n".join(bad))
    said = ecg_r1("reward", "check", f"{tmp_path}/bad.py:bad")
    assert said.code == 1
    assert "error: ZeroDivisionError: division by zero" in said.out
    assert "(sample empty)" in said.out


def test_choices_are_checked(ecg_r1, record, tmp_path):
    pytest.importorskip("PIL")
    said = ecg_r1("render", record, "-o", tmp_path / "page.png", "--layout", "9x9")
    assert (said.code, "3x4, 3x4+3, 4x3, 6x2, 12x1" in said.err) == (2, True)
    said = ecg_r1("render", record, "-o", tmp_path / "page.png", "--speed", 30)
    assert (said.code, said.err) == (2, "speed 30.0 is unknown; there are: 25, 50\n")
    said = ecg_r1("render", record, "-o", tmp_path / "page.ecg")
    assert (said.code, "name it .png" in said.err) == (2, True)
    said = ecg_r1("predict", tmp_path, "--engine", "vlm")
    assert (said.code, "'vllm', 'hf'" in said.err) == (2, True)
    assert ecg_r1("simulate", "-n", 0, "-o", tmp_path / "s").code == 2


def test_inspect_shows_a_completion_with_its_scores(ecg_r1, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    text = "<think>PR interval 160 ms.</think><answer>normal ECG</answer>"
    claim = {"verdict": "supported", "span": [7, 25], "text": "PR interval 160 ms", "measured": 158.0, "unit": "ms"}
    row = {
        "step": 3, "prompt": "?", "completion": text, "evidence": json.dumps([claim]), "advantage": 0.5,
        "example": "r7", "intervals": 0.8, "intervals/explanation": "1 of 1 quotes supported",
    }  # fmt: skip
    (tmp_path / "completions").mkdir()
    parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "completions" / "completions_00003.parquet")
    said = ecg_r1("inspect", tmp_path, "-n", 1)
    assert said.code == 0
    for shown in (
        "step 3  r7",
        "supported  PR interval 160 ms  (measured: 158 ms)",
        "+0.80",
        "1 of 1 quotes supported",
    ):
        assert shown in said.out


def test_inspect_without_completions(ecg_r1, tmp_path):
    said = ecg_r1("inspect", tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "no completions" in said.err
    assert said.err.count("\n") == 1


def test_help_opens_no_library_that_takes_long_to_import():
    code = (
        "import sys, ecg_r1.cli; sys.argv = ['ecg-r1', '--help']\n"
        "try: ecg_r1.cli.main()\n"
        "except SystemExit: print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    opened = set(done.stdout.splitlines()[-1].split())
    assert "typer" in opened
    assert not opened & SLOW
