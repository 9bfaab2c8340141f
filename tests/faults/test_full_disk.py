"""A full or a read-only disk: one line that names the folder and says what to do, and what was whole stays whole.

On a real file system of a few megabytes; `small_disk` says where that is not permitted.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluation.conftest import RIGHT, STOCK, answers, split_folder, write_run  # noqa: F401
from small_disk import small_disk  # noqa: F401

from ecg_r1.corpus.rows import EXAMPLES, write_rows
from ecg_r1.ecg.page_file import write_page
from ecg_r1.errors import UserError
from ecg_r1.files import write_atomically
from ecg_r1.runs.predictions import read_label, read_predictions, write_predictions

ECG_R1 = [sys.executable, "-m", "ecg_r1"]
FULL = "no space left on its disk; make room and repeat the command"
READ_ONLY = "its disk is read-only; mount it for writing, or choose another folder, and repeat the command"


def run(*words: object) -> tuple[int, str, str]:
    done = subprocess.run([*ECG_R1, *map(str, words)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_build_on_a_full_disk_goes_on_when_there_is_room(small_disk, tmp_path):  # noqa: F811
    disk = small_disk("4200k")  # 32 records, and no more
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text("stage: corpus\npage_size: 32\nworkers: 1\nsplits: {train: [{simulate: 36}]}\n")
    folder = disk.folder / "out" / "train"
    code, out, err = run("corpus", recipe, f"out={folder.parent}")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"{folder}: {FULL}, and the build goes on after its last whole shard"
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert not (folder / "complete.json").exists()  # the shard is not whole; what was measured is in the cache
    disk.resize("20m")
    assert run("corpus", recipe, f"out={folder.parent}")[0] == 0
    assert run("corpus", recipe, f"out={tmp_path}/whole")[0] == 0
    assert contents(folder) == contents(tmp_path / "whole" / "train")
    disk.read_only(True)
    assert run("corpus", recipe, f"out={folder.parent}")[:2] == (0, f"{folder}\n")  # nothing is to be written
    code, out, err = run("corpus", recipe, f"out={disk.folder}/other")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"{disk.folder}/other/train: {READ_ONLY}")


def test_a_build_that_ends_on_a_full_disk_keeps_its_lines(small_disk, tmp_path):  # noqa: F811
    disk = small_disk("64k")
    write_rows(disk.folder / "examples.arrow", EXAMPLES, [{"id": "old"}])
    before = contents(disk.folder)
    with pytest.raises(OSError, match="No space left"):
        write_rows(disk.folder / "examples.arrow", EXAMPLES, [{"id": "new", "question": "?" * 100_000}])
    assert contents(disk.folder) == before


def test_a_file_that_does_not_fit_leaves_the_old_one_and_no_part(small_disk):  # noqa: F811
    disk = small_disk("64k")
    path = disk.folder / "metrics.jsonl"
    write_atomically(path, "old")
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new" * 100_000)
    assert contents(disk.folder) == {"metrics.jsonl": b"old"}


@pytest.mark.parametrize("longer", ["rows", "label"])
def test_answers_that_do_not_fit_leave_the_old_ones_with_their_label(small_disk, longer):  # noqa: F811
    disk = small_disk("64k")
    path = disk.folder / "held-out.jsonl"
    write_predictions(path, answers(RIGHT), {"model": "old"})
    before = contents(disk.folder)
    new = answers({"r0": "x" * 100_000 if longer == "rows" else "x"})
    with pytest.raises(OSError, match="No space left"):
        write_predictions(path, new, {"model": "x" * 100_000 if longer == "label" else "new"})
    assert contents(disk.folder) == before
    assert read_label(path) == {"model": "old"}
    assert len(read_predictions(path)) == len(RIGHT)


def test_a_comparison_on_a_full_or_read_only_disk(small_disk, write_run, ecg_r1):  # noqa: F811
    disk = small_disk("1m")
    out = disk.folder / "out"
    words = ("compare", write_run("sft", STOCK), write_run("grpo", RIGHT), "--out", out)
    ballast = fill(disk.folder)
    said = ecg_r1(*words)
    assert (said.code, said.err) == (2, f"{out}: {FULL}\n")
    ballast.unlink()
    assert ecg_r1(*words).code == 0
    before = contents(out)
    cards = {f"card.{kind}" for kind in ("html", "md", "csv", "tex")}
    assert {"compare.json", "report.html", "recipe.yaml"} | cards == before.keys()
    fill(disk.folder)
    os.truncate(disk.folder / "ballast", (disk.folder / "ballast").stat().st_size - 8192)  # room for the lock alone
    said = ecg_r1(*words)
    assert (said.code, said.err) == (2, f"{out}: {FULL}, and the answers that are there are compared\n")
    assert contents(out) == before
    disk.read_only(True)
    said = ecg_r1(*words)
    assert (said.code, said.err) == (2, f"{out}: {READ_ONLY}\n")
    assert contents(out) == before


def test_what_has_no_folder_of_its_own_says_it_too(small_disk, ecg_r1, tmp_path):  # noqa: F811
    disk = small_disk("64k")
    fill(disk.folder)
    said = ecg_r1("simulate", "-n", 2, "--out", disk.folder / "records")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert FULL in said.err
    disk.read_only(True)
    said = ecg_r1("simulate", "-n", 2, "--out", disk.folder / "others")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "read-only" in said.err.lower()


def test_a_run_on_a_read_only_disk_does_not_begin(small_disk, split):  # noqa: F811
    pytest.importorskip("torch")
    disk = small_disk("1m")
    disk.read_only(True)
    folder = disk.folder / "run"
    code, out, err = run("train", "recipes/tiny/pretrain.yaml", f"run={folder}", f"corpus={{train: {split}}}")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"{folder}: {READ_ONLY}")
    assert "Traceback" not in err


def test_a_page_that_does_not_fit_leaves_the_old_one_and_no_part(small_disk):  # noqa: F811
    disk = small_disk("64k")
    path = disk.folder / "page.png"
    write_page(np.zeros((64, 64, 3), np.uint8), path)
    before = contents(disk.folder)
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    with pytest.raises(UserError, match=FULL) as error:
        write_page(noise, path)
    assert str(error.value).startswith(f"{disk.folder}: ")
    assert contents(disk.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("size", ["4k", "12k", "24k", "3m", "14m"])  # the lock, the log, the checkpoints
def test_a_run_on_a_full_disk_goes_on_when_there_is_room(small_disk, split, size):  # noqa: F811
    pytest.importorskip("torch")
    disk = small_disk(size)
    folder = disk.folder / "run"
    command = [
        "train", "recipes/tiny/pretrain.yaml", f"run={folder}", f"corpus={{train: {split}}}", "trainer.max_steps=4",
        "trainer.save_steps=2", "trainer.logging_steps=1", "trainer.per_device_train_batch_size=2",
    ]  # fmt: skip
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"{folder}: {FULL}")
    assert "Traceback" not in err
    assert not (folder / "finished.json").exists()
    disk.resize("60m")
    assert run(*command)[:2] == (0, f"{folder}\n")
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in steps if "loss" in row] == [1, 2, 3, 4]
    assert json.loads((folder / "finished.json").read_text())["steps"] == 4
