"""Locks on DeepSpeed's operators: a dead process's is removed, a living one's is not."""

import subprocess
import sys

from ecg_r1.train.extensions import release_dead_locks

HOLD = "import os, sys; os.open(sys.argv[1], os.O_CREAT | os.O_EXCL); print('held', flush=True); sys.stdin.read()"


def test_only_a_dead_lock_is_removed(tmp_path):
    dead, held = tmp_path / "dead_op" / "lock", tmp_path / "held_op" / "lock"
    for lock in (dead, held):
        lock.parent.mkdir()
    dead.touch()
    with subprocess.Popen([sys.executable, "-c", HOLD, held], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "held\n"
        release_dead_locks(tmp_path)
        assert (dead.exists(), held.exists()) == (False, True)
        process.kill()
    release_dead_locks(tmp_path)
    assert not held.exists()


def test_a_folder_that_is_not_there_yet_is_made(tmp_path):
    release_dead_locks(tmp_path / "torch_extensions" / "host")
    assert (tmp_path / "torch_extensions" / "host").is_dir()
