"""Processes that another launcher started agree first: what is wrong is said once, and ends all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from ports import free_port

from ecg_r1.locks import LOCK, FolderLock

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"
SCENES = {  # each is run by both processes, in a folder of its own
    "all refuse": """
with met.agreed():
    raise UserError("no such corpus")
""",
    "one machine refuses": """
meeting.platform.node = lambda: f"node{rank}"
with met.agreed():
    if rank == 1:
        raise UserError("no such corpus")
""",
    "other versions": """
meeting.platform.node = lambda: f"node{rank}"
with met.agreed():
    met.same({"the version of torch": f"2.1{rank}"})
""",
    "a folder that is not shared": """
with met.lock(folder / f"of-{rank}" / "run"):
    pass
""",
    "one lock": """
with met.lock(folder / "run"):
    (folder / "run" / f"{rank}").write_text((folder / "run" / ".lock").read_text())
    met.told("seen")
""",
    "another run": """
with met.lock(folder / "held"):
    pass
""",
}
BEGINS = """
import json, sys
from pathlib import Path
from ecg_r1.errors import UserError
from ecg_r1.train import meeting
meeting.SEEN = 1.0
met = meeting.Meeting()
rank = met.rank
node = meeting.platform.node
for name, scene in json.loads(sys.argv[2]).items():
    folder, code = Path(sys.argv[1]) / name, 0
    meeting.platform.node = node
    try:
        exec(scene)
    except SystemExit as end:
        code = end.code
    print(json.dumps([name, code]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The folder of the scenes, and of each, by both processes: the exit code and what was printed."""
    root = tmp_path_factory.mktemp("meeting")
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    with FolderLock(root / "another run" / "held"):
        started = [
            subprocess.Popen(
                [sys.executable, "-c", BEGINS, str(root), json.dumps(SCENES)],
                env=os.environ | told | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True,
            )
            for rank in range(2)
        ]  # fmt: skip
        said = [process.communicate(timeout=200)[1] for process in started]
    found = {name: [] for name in SCENES}
    for text in said:
        before = ""
        for line in text.splitlines(keepends=True):
            if line.startswith("["):
                name, code = json.loads(line)
                found[name].append((code, before))
                before = ""
            else:
                before += line
    return root, found


def test_what_is_wrong_is_said_once_and_ends_all(scenes):
    _, found = scenes
    assert found["all refuse"] == [(2, "no such corpus\n"), (2, "")]
    assert found["one machine refuses"] == [(2, "on node1: no such corpus\n"), (2, "")]
    said = "on node1: the version of torch is 2.11 on node1 and 2.10 on node0; make them equal\n"
    assert found["other versions"] == [(2, said), (2, "")]


def test_a_folder_that_a_machine_does_not_see_is_refused(scenes):
    root, found = scenes
    (first, said), other = found["a folder that is not shared"]
    assert (first, *other) == (2, 2, "")
    assert said.endswith("must lie on a file system that all nodes share, at the same path\n")
    assert said.count("\n") == 1
    assert not (root / "a folder that is not shared").exists()


def test_all_of_them_share_one_lock_and_free_it(scenes):
    root, found = scenes
    run = root / "one lock" / "run"
    assert found["one lock"] == [(0, ""), (0, "")]
    assert (run / "0").read_text() == (run / "1").read_text()
    assert not (run / LOCK).exists()
    (first, said), other = found["another run"]
    assert (first, *other) == (2, 2, "")
    assert "has been writing here since" in said


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
         '"processes": 1, but the launcher started 2; add processes=2'),
        ({"WORLD_SIZE": "2", "RANK": "0"},
         "the launcher set WORLD_SIZE, but not LOCAL_RANK, MASTER_ADDR, MASTER_PORT; start the run with torchrun"),
    ],
)  # fmt: skip
def test_processes_that_would_each_train_by_themselves_are_refused(ecg_r1, monkeypatch, tmp_path, variables, said):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = ecg_r1("train", RECIPES / "sft.yaml", f"run={tmp_path}/run")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
