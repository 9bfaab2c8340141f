"""A corpus build that is killed with its workers, again and again, on each executor: the same bytes at its end."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from kills import wait_for

from ecg_r1.corpus.store import SIGNALS, RecordStore

RECORDS = 48
SLOW = [pytest.mark.slow, pytest.mark.timeout(3600)]
PROGRAM = """
import json, sys
from functools import partial
import ecg_r1.corpus.build as building
from ecg_r1.recipe import CorpusRecipe

if __name__ == "__main__":
    building.SHARD = 8
    building.mapped = partial(building.mapped, chunk=2)
    building.build(CorpusRecipe.model_validate(json.loads(sys.argv[1])))
"""


def start(program: Path, out: Path, executor: str, **changes) -> subprocess.Popen:
    recipe = {
        "stage": "corpus", "out": str(out), "cache": str(out.parent / f"{out.name}-cache"), "page_size": 32,
        "executor": executor, "workers": 2, "splits": {"train": [{"simulate": RECORDS}]},
    }  # fmt: skip
    with (out.parent / "log").open("ab") as log:
        return subprocess.Popen([sys.executable, program, json.dumps(recipe | changes)], stderr=log, stdout=log)


def ended(build: subprocess.Popen) -> bool:
    return build.poll() is not None


def written(out: Path) -> float:
    """Records whose signal is written; between two of them, the moment is as random as the machine is."""
    signals = out / "train" / SIGNALS
    return signals.stat().st_size / (12 * 5000 * 2) if signals.is_file() else 0


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.fixture(scope="module")
def whole(program, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert start(program, out, "here").wait() == 0
    assert len(RecordStore(out / "train")) == RECORDS
    assert (out / "train" / "records-00005.arrow").is_file()
    return contents(out / "train")


@pytest.mark.parametrize(
    ("executor", "kills", "cached"),
    [
        ("processes", 2, True),
        pytest.param("processes", 5, True, marks=SLOW),
        pytest.param("processes", 5, False, marks=SLOW),
        pytest.param("here", 5, True, marks=SLOW),
        pytest.param("ray", 5, True, marks=SLOW),
    ],
)
def test_a_build_that_is_killed_at_random_moments_ends_with_the_same_bytes(
    program, whole, tmp_path, executor, kills, cached
):
    if executor == "ray":
        pytest.importorskip("ray", reason='Ray is not installed: pip install "ecg-r1-gem[ray]"')
    draw, out, killed = random.Random(f"{executor}{kills}{cached}"), tmp_path / "out", 0
    changes = {} if cached else {"cache": None}
    for moment in sorted(draw.randrange(1, RECORDS - 4) for _ in range(kills)):
        build = start(program, out, executor, **changes)
        arrived = lambda build=build, moment=moment: ended(build) or written(out) >= moment  # noqa: E731
        wait_for(arrived, what="records", seconds=1200)
        workers = [] if ended(build) else psutil.Process(build.pid).children(recursive=True)
        build.send_signal(signal.SIGKILL)
        killed += build.wait() == -signal.SIGKILL
        assert psutil.wait_procs(workers, timeout=120)[1] == []
    assert killed > kills // 2, (tmp_path / "log").read_text()[
        -2000:
    ]  # what was measured before makes the last ones quick
    assert start(program, out, executor, **changes).wait() == 0, (tmp_path / "log").read_text()[-2000:]
    assert contents(out / "train") == whole


@pytest.mark.parametrize("executor", ["processes", pytest.param("ray", marks=SLOW)])
def test_each_executor_writes_the_same_bytes(program, whole, tmp_path, executor):
    if executor == "ray":
        pytest.importorskip("ray", reason='Ray is not installed: pip install "ecg-r1-gem[ray]"')
    assert start(program, tmp_path / "out", executor).wait() == 0, (tmp_path / "log").read_text()[-2000:]
    assert contents(tmp_path / "out" / "train") == whole
