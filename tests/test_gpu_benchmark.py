"""The script for a GPU runs here too, on the smallest model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def test_it_measures_each_part_of_a_step():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--preset", "tiny"], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["P"], result["G"], result["C"]) == (82, 4, 16)
    rows = {row["what"]: row for row in result["rows"]}
    assert list(rows) == [
        "towers", "update, plain", "update, shared prefix", "rollout, transformers", "attention, packed",
        "attention, dense mask", "attention, repeated prefix",
    ]  # fmt: skip
    assert all(row["seconds"] > 0 and row["per second"] > 0 for row in rows.values())
    # Both updates write the same tokens, of which the shared prefix reads 81 + 4 x 16 and the plain pass 4 x 97.
    read = [row["share of peak"] * row["seconds"] for row in (rows["update, plain"], rows["update, shared prefix"])]
    assert read[0] / read[1] == pytest.approx(4 * 97 / (81 + 4 * 16))


def test_it_needs_neither_trl_nor_vllm_nor_neurokit2():
    """A GPU is often lent with torch and transformers alone."""
    code = "import sys; import gpu\n"
    code += "print(sorted({'trl', 'vllm', 'neurokit2', 'deepspeed', 'peft', 'datasets'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=False,
        env={"PYTHONPATH": f"{SCRIPT.parent}:{SCRIPT.parents[1]}", "PATH": ""},
    )  # fmt: skip
    assert done.stdout.strip() == "[]", done.stdout + done.stderr[-2000:]
