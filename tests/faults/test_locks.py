"""Two writers in one folder: the second is refused in one line, readers are not, and no kill leaves a lock."""

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kills import wait_for
from splits import write_split

from ecg_r1.corpus.rows import EXAMPLES, CorpusError, Rows, write_rows
from ecg_r1.corpus.store import PAGES, SIGNALS, RecordStore
from ecg_r1.disk import DiskError
from ecg_r1.ecg.batch import measure_paths
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.locks import LOCK, TOKEN, FolderLock, Locked

ECG_R1 = [sys.executable, "-m", "ecg_r1"]
HOLDS = "import sys, time; from ecg_r1.locks import FolderLock\nwith FolderLock(sys.argv[1]) as lock:\n"


def held(folder: Path, then: str = "print(flush=True); time.sleep(600)") -> subprocess.Popen:
    """A process that holds the folder's lock and has said so; `then` runs while it does."""
    command = [sys.executable, "-c", HOLDS + "".join(f"    {line}\n" for line in then.splitlines()), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().endswith("\n")
    return process


def end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def test_the_second_is_told_the_folder_the_process_and_since_when(tmp_path):
    process = held(tmp_path / "out")
    with pytest.raises(Locked) as refused, FolderLock(tmp_path / "out"):
        pass
    began = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"
    holder = f"{tmp_path}/out: process {process.pid} on {re.escape(platform.node())}"
    assert re.fullmatch(rf"{holder}, or one .* since {began}; wait until it has ended", str(refused.value))
    with pytest.raises(Locked), FolderLock(tmp_path / "out"):  # asking does not free it
        pass
    end(process)
    with FolderLock(tmp_path / "out"):
        pass


def test_a_lock_leaves_nothing_in_the_folder_and_no_folder_that_it_made(tmp_path):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "there", tmp_path / "made" / "deep"):
        with FolderLock(folder):
            assert (folder / LOCK).is_file()
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with FolderLock(tmp_path / "made" / "deep"):
        (tmp_path / "made" / "deep" / "result").touch()
    assert [path.name for path in (tmp_path / "made").rglob("*")] == ["deep", "result"]


def test_one_process_does_not_lock_a_folder_twice(tmp_path):
    with FolderLock(tmp_path), pytest.raises(Locked, match=f"process {os.getpid()} "), FolderLock(tmp_path):
        pass


def test_a_child_that_outlives_its_killed_parent_does_not_keep_the_lock(tmp_path):
    """Neither a fork, as torch's loaders are, nor a program that was started, as reward workers are."""
    process = held(
        tmp_path,
        "import os, subprocess\n"
        "child = os.fork()\n"
        "if child == 0: time.sleep(600)\n"
        "other = subprocess.Popen(['sleep', '600'])\n"
        "print(child, other.pid, flush=True); time.sleep(600)",
    )
    # `held` read the line already
    children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    try:
        assert len(children) == 2
        with pytest.raises(Locked), FolderLock(tmp_path):
            pass
        end(process)
        with FolderLock(tmp_path):
            assert [os.kill(child, 0) for child in children] == [None, None]
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def test_the_processes_of_a_run_share_its_lock_and_the_last_of_them_frees_it(tmp_path):
    launcher = held(
        tmp_path,
        "import os, subprocess\n"
        "code = 'import os, sys, time; from ecg_r1.locks import FolderLock, TOKEN'\n"
        "code += '\\nwith FolderLock(sys.argv[1], os.environ[TOKEN]): print(flush=True); time.sleep(600)'\n"
        "subprocess.Popen([sys.executable, '-c', code, sys.argv[1]], env=os.environ | lock.share())\n"
        "time.sleep(600)",
    )
    (rank,) = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    end(launcher)
    with pytest.raises(Locked, match=f"process {launcher.pid} on .*, or one that it started,"), FolderLock(tmp_path):
        pass
    with pytest.raises(Locked), FolderLock(tmp_path, token="of another run"):
        pass
    os.kill(int(rank), signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{rank}/fd").is_dir() or not os.listdir(f"/proc/{rank}/fd"), what="its end")
    with FolderLock(tmp_path):
        pass


def test_many_that_ask_at_once_go_in_one_after_another(tmp_path):
    """Among them those that remove the lock's file while others open it."""
    code = (
        "import os, sys, time; from ecg_r1.locks import FolderLock, Locked\n"
        "done = 0\n"
        "while done < 100:\n"
        "    try:\n"
        "        with FolderLock(sys.argv[1] + '/out'):\n"
        "            os.close(os.open(sys.argv[1] + '/inside', os.O_CREAT | os.O_EXCL))\n"
        "            os.unlink(sys.argv[1] + '/inside')\n"
        "            done += 1\n"
        "    except Locked: time.sleep(0.0005)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DiskError, match="is a file or lies in one; choose another"), FolderLock(folder):
            pass


def corpus(out: Path, recipe: Path, *, workers: int = 1, records: int = 12) -> list[str]:
    recipe.write_text(f"stage: corpus\npage_size: 32\nsplits: {{train: [{{simulate: {records}}}]}}\n")
    return [*ECG_R1, "corpus", str(recipe), f"out={out}", f"workers={workers}"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_build_is_refused_the_first_goes_on_and_a_killed_one_is_repeated(tmp_path):
    recipe, folder = tmp_path / "corpus.yaml", tmp_path / "out" / "train"
    first = subprocess.Popen(corpus(tmp_path / "out", recipe, workers=2), stderr=subprocess.DEVNULL)
    wait_for((folder / "split.json").is_file, what="the first build")
    first.send_signal(signal.SIGSTOP)  # in the middle of it, however fast the machine is
    second = subprocess.run(corpus(tmp_path / "out", recipe), capture_output=True, text=True, check=False)
    assert (second.returncode, second.stdout, second.stderr.count("\n")) == (2, "", 1)
    assert second.stderr.startswith(f"{folder}: process {first.pid} on {platform.node()}, or one that it started")
    end(first)  # it alone: its workers end by themselves, later
    again = subprocess.run(corpus(tmp_path / "out", recipe), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    whole = subprocess.run(corpus(tmp_path / "whole", recipe), capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    assert contents(folder) == contents(tmp_path / "whole" / "train")


def test_readers_are_not_blocked_and_a_finished_split_is_not_locked(split, tmp_path):
    with FolderLock(split):
        assert len(RecordStore(split)) == 4
        again = corpus(split.parent, tmp_path / "corpus.yaml", records=4)
        done = subprocess.run(again, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, f"{split}\n"), done.stderr


def test_pages_of_two_measurements_do_not_mix(tmp_path):
    record = write_record(next(iter(simulate(1, seed=0))).record, tmp_path)
    first = measure_paths([record], plots=tmp_path / "plots")
    with FolderLock(tmp_path / "plots"), pytest.raises(Locked):
        next(first)
    assert [row["record"] for row in measure_paths([record], plots=tmp_path / "plots")] == [str(record)]
    assert [path.name for path in (tmp_path / "plots").iterdir()] == [f"{record.name}.png"]


def test_a_second_run_is_refused_while_the_first_trains(split, tmp_path):
    pytest.importorskip("torch")
    command = [
        *ECG_R1, "train", "recipes/tiny/pretrain.yaml", f"run={tmp_path}/run", f"corpus={{train: {split}}}",
        "trainer.max_steps=3", "trainer.per_device_train_batch_size=2", "trainer.save_steps=1",
    ]  # fmt: skip
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for((tmp_path / "run" / LOCK).is_file, what="the lock of the run")
    time.sleep(0.1)  # it has written who it is
    first.send_signal(signal.SIGSTOP)
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr.splitlines()[-1].startswith(f"{tmp_path}/run: process {first.pid} on {platform.node()}")
    assert "Traceback" not in second.stderr
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert json.loads((tmp_path / "run" / "finished.json").read_text())["steps"] == 3
    assert not (tmp_path / "run" / LOCK).exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ranks_end_with_their_killed_launcher_and_the_run_is_repeated(split, tmp_path):
    """torchrun gives each rank a session of its own, so the kill of a process group does not reach them."""
    pytest.importorskip("deepspeed")
    command = [
        *ECG_R1, "train", "recipes/tiny/pretrain.yaml", f"run={tmp_path}/run", f"corpus={{train: {split}}}",
        "processes=2", "trainer.max_steps=100000", "trainer.per_device_train_batch_size=2",
    ]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen(command, stderr=log, stdout=log, start_new_session=True)
    started = psutil.Process(first.pid)
    wait_for((tmp_path / "run" / "metrics.jsonl").is_file, what="the first steps", seconds=500)
    with pytest.raises(Locked, match=f"process {first.pid} on "), FolderLock(tmp_path / "run"):
        pass
    children = started.children(recursive=True)
    assert len(children) >= 3  # torchrun and two ranks
    end(first)  # the launcher alone
    psutil.wait_procs(children, timeout=240)
    assert not any(child.is_running() for child in children)
    with FolderLock(tmp_path / "run"):
        pass


RECORD_ROWS, EXAMPLE_ROWS = "records-00000.arrow", "examples-00000.arrow"
DAMAGE = {
    "signals cut": (SIGNALS, lambda path: os.truncate(path, path.stat().st_size - 1), r"has \d+ bytes, and its 3"),
    "signals doubled": (SIGNALS, lambda path: path.write_bytes(path.read_bytes() * 2), r"has \d+ bytes, and its 3"),
    "pages cut": (PAGES, lambda path: os.truncate(path, 0), "has 0 bytes, and its 3 records are"),
    "examples cut": (EXAMPLE_ROWS, lambda path: os.truncate(path, path.stat().st_size - 9), "cut short or damaged"),
    "examples longer": (EXAMPLE_ROWS, lambda path: path.write_bytes(path.read_bytes() + b"more"), "cut short or"),
    "examples of another build": (
        EXAMPLE_ROWS,
        lambda path: write_rows(path, EXAMPLES, Rows([path], EXAMPLES)[:2]),
        r"has 2 examples, and complete\.json counts 3; remove the folder and build the split again",
    ),
    "doubled examples": (
        EXAMPLE_ROWS,
        lambda path: write_rows(path, EXAMPLES, [*Rows([path], EXAMPLES), Rows([path], EXAMPLES)[1]]),
        "'r1' occurs twice",
    ),
    "no counts": ("complete.json", lambda path: path.unlink(), "missing or damaged; run `ecg-r1 corpus`"),
    "rows removed": (RECORD_ROWS, lambda path: path.unlink(), "missing"),
}


@pytest.mark.parametrize(("name", "damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_split_whose_files_do_not_fit_is_refused_at_opening(tmp_path, name, damage, said):
    rows = [{"record": f"r{k}", "diagnoses": ["normal ECG"], "measurements": {}} for k in range(3)]
    folder = write_split(tmp_path / "train", rows, page_size=32)
    damage(folder / name)
    rows = name.replace("00000", "*")  # what several files hold together
    where = "|".join(re.escape(str(folder / file)) for file in (name, rows))
    with pytest.raises(CorpusError, match=rf"({where}): {said}"):
        RecordStore(folder)


def test_an_interrupted_split_that_holds_less_than_it_counts_is_not_filled_with_zeros(tmp_path):
    from ecg_r1.corpus.writer import SplitWriter

    facts = {"split": "train", "page_size": 32, "pages": "drawn", "prompts": {"system": None}}
    with SplitWriter(tmp_path, facts) as writer:
        writer.quarantine("one", "no signal")
        writer.quarantine("two", "no signal")
        writer.flush()
    for name, content in (("quarantine.jsonl", b'{"record": "one"}\n{"rec'), (SIGNALS, b"")):
        if name == SIGNALS:
            (tmp_path / "quarantine.jsonl").write_bytes(b"{}\n{}\n")
            (tmp_path / "progress.json").write_text("[1, 0, 2, 0, 0]")
        else:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(
            CorpusError, match=rf"{name}: holds less than the \d records .* remove {tmp_path} and build"
        ):
            SplitWriter(tmp_path, facts)
        assert not (tmp_path / LOCK).exists()


def test_the_token_of_a_run_is_no_key_to_other_folders(tmp_path, monkeypatch):
    monkeypatch.setenv(TOKEN, "of a run")
    with FolderLock(tmp_path / "other"), pytest.raises(Locked), FolderLock(tmp_path / "other", "of a run"):
        pass
