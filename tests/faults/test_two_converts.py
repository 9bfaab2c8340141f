"""Two `convert` into one folder, and a killed one: the folder is whole or missing, and nothing else is left."""

import os
import signal

import pytest

pytest.importorskip("torch")

from opening import sound

from ecg_r1.model.checkpoint import check_checkpoint
from ecg_r1.model.convert.plan import plan
from ecg_r1.model.convert.shards import write
from ecg_r1.model.weights import CheckpointError


@pytest.fixture
def source(tmp_path):
    sound(tmp_path / "sound")
    return tmp_path / "sound" / "theirs"


def test_a_second_convert_into_the_folder_is_refused_while_the_first_writes(source, tmp_path, ecg_r1):
    first = write(plan(source), tmp_path / "ours")
    next(first)
    second = ecg_r1("convert", source, tmp_path / "ours")
    assert (second.code, second.err.count("\n")) == (2, 1)
    assert "has been writing here" in second.err
    assert not (tmp_path / "ours").exists()
    assert list(first)
    check_checkpoint(tmp_path / "ours")
    third = ecg_r1("convert", source, tmp_path / "ours")
    assert (third.code, third.err.count("\n")) == (2, 1)
    assert "exists already" in third.err
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_that_another_process_wrote_meanwhile_is_not_replaced(source, tmp_path):
    first = write(plan(source), tmp_path / "ours")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "theirs").write_text("kept")
    with pytest.raises(CheckpointError, match="exists already"):
        next(first)
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["theirs"]


def test_after_a_kill_the_same_command_leaves_a_whole_folder_and_nothing_else(source, tmp_path):
    child = os.fork()
    if child == 0:
        for _ in write(plan(source), tmp_path / "ours"):
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not (tmp_path / "ours").exists()
    assert list((tmp_path / "ours.part").iterdir())
    assert list(write(plan(source), tmp_path / "ours"))
    check_checkpoint(tmp_path / "ours")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "sound"]
