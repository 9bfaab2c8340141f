"""A process of vLLM ends when the process that started it is killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ecg_r1.model.parent import ENDS_WITH_PARENT

PROGRAM = """
import multiprocessing, os, sys, time
from ecg_r1.model.parent import end_where_asked

def child():
    end_where_asked()
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=child)
    process.start()
    process.join()
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.parametrize("asked", [True, False])
def test_a_child_ends_with_its_parent_where_that_is_asked(tmp_path, method, asked):
    (tmp_path / "program.py").write_text(PROGRAM)
    env = {name: value for name, value in os.environ.items() if name != ENDS_WITH_PARENT}
    env |= {ENDS_WITH_PARENT: "1"} if asked else {}
    command = [sys.executable, tmp_path / "program.py", method]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        try:
            if asked:
                assert psutil.wait_procs([child], timeout=60)[1] == []
            else:
                time.sleep(1)
                assert child.is_running()
        finally:
            if child.is_running():
                child.kill()
