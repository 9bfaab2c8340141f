"""One interface, three executors: the same results in the same order; a lost worker and an error are said."""

import os
import signal
import subprocess
import sys
import time
from itertools import count, islice
from pathlib import Path

import psutil
import pytest

import ecg_r1.executors as executors
from ecg_r1.errors import UserError
from ecg_r1.executors import ExecutorError, WorkerLost, mapped


def ray_or_skip():
    pytest.importorskip("ray", reason='Ray is not installed: pip install "ecg-r1-gem[ray]"')


ALL = ["here", "processes", pytest.param("ray", marks=pytest.mark.slow)]


def doubled(number: int) -> int:
    return 2 * number


def refused(number: int) -> int:
    if number == 5:
        raise UserError("five is refused")
    return number


def killed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def threads(number: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Workers of Ray import this file by its name."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize("executor", ALL)
def test_results_come_in_order(executor):
    if executor == "ray":
        ray_or_skip()
    assert list(mapped(doubled, range(37), workers=2, executor=executor, chunk=3)) == list(range(0, 74, 2))
    assert list(mapped(doubled, [], workers=2, executor=executor)) == []


def test_a_worker_computes_in_one_thread_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert set(mapped(threads, range(4), workers=2, executor="processes", chunk=1)) == {"1"}
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert set(mapped(threads, range(4), workers=2, executor="processes", chunk=1)) == {"3"}
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("executor", ALL)
def test_an_error_of_the_function_is_raised_as_it_is(executor):
    if executor == "ray":
        ray_or_skip()
    with pytest.raises(UserError, match=r"^five is refused$"):
        list(mapped(refused, range(9), workers=2, executor=executor, chunk=2))


@pytest.mark.parametrize("executor", ALL[1:])
def test_a_killed_worker_is_said(executor):
    if executor == "ray":
        ray_or_skip()
    with pytest.raises(WorkerLost, match="a worker process was killed, maybe because memory ran out"):
        list(mapped(killed, range(9), workers=2, executor=executor, chunk=1))


@pytest.mark.parametrize("executor", ["here", "processes"])
def test_a_long_list_is_not_read_ahead(executor):
    taken = 0

    def numbers():
        nonlocal taken
        for number in count():
            taken += 1
            yield number

    results = mapped(doubled, numbers(), workers=2, executor=executor, chunk=5)
    assert list(islice(results, 20)) == list(range(0, 40, 2))
    assert taken <= 20 + 5 * executors.AHEAD * 2
    results.close()


def test_ray_that_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorError, match=r'needs Ray: pip install "ecg-r1-gem\[ray\]"'):
        list(mapped(doubled, [1], executor="ray"))


PROGRAM = """
import os, sys, time
from ecg_r1.executors import mapped

def wait(number):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    list(mapped(wait, range(2), workers=2, executor="processes", chunk=1))
"""


def assert_they_end_with(parent, workers, timeout):
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=timeout)
    for process in alive:
        process.kill()
    assert alive == []


def test_workers_end_with_a_killed_parent(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    with subprocess.Popen([sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, text=True) as parent:
        workers = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
        assert_they_end_with(parent, workers, timeout=60)


@pytest.mark.slow
def test_ray_ends_with_a_killed_parent(tmp_path):
    ray_or_skip()
    (tmp_path / "program.py").write_text(
        PROGRAM.replace('"processes"', '"ray"').replace(
            "print(os.getpid(), flush=True)", "open(f'{os.environ[\"OUT\"]}/{os.getpid()}', 'w')"
        )
    )
    with subprocess.Popen([sys.executable, tmp_path / "program.py"], env=os.environ | {"OUT": str(tmp_path)}) as parent:
        end = time.monotonic() + 240
        while len(found := [path.name for path in tmp_path.iterdir() if path.name.isdigit()]) < 2:
            assert time.monotonic() < end
            time.sleep(0.1)
        workers = [psutil.Process(int(name)) for name in found]
        assert_they_end_with(parent, workers, timeout=120)
