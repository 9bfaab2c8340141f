"""Several processes that fail: what they said is the end of the output, and how they ended is the exit code."""

import logging

import pytest

pytest.importorskip("torch")

from ecg_r1.train import torchrun

ENDS = {
    "import sys; sys.exit(2 if RANK == 0 else 0)": (2, ""),
    "import sys; print('one line', file=sys.stderr); sys.exit(2)": (2, "one line\n"),
    "import os, time; os.kill(os.getpid(), 9) if RANK else time.sleep(60)": (137, "process 1 was ended by SIGKILL"),
    "": (None, ""),
}


@pytest.mark.parametrize("code", ENDS)
def test_the_processes_have_the_last_word(tmp_path, capfd, request, code):
    request.addfinalizer(lambda: logging.disable(logging.NOTSET))
    status, said = ENDS[code]
    (tmp_path / "rank.py").write_text(f"import os\nRANK = int(os.environ['RANK'])\n{code}\n")
    arguments = ["--standalone", "--nproc_per_node=2", str(tmp_path / "rank.py")]
    if status is None:
        torchrun.main(arguments)
    else:
        with pytest.raises(SystemExit) as ended:
            torchrun.main(arguments)
        assert ended.value.code == status
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert said in err
    assert err.count("\n") <= (2 if said == "one line\n" else 1), err
