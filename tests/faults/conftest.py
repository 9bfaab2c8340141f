"""Workers that several files of fault tests share."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bounded import Bounded


@pytest.fixture(scope="session")
def opener():
    """Opens checkpoints; it has imported torch."""
    pytest.importorskip("torch")
    from opening import open_

    with Bounded(open_) as worker:
        yield worker


@pytest.fixture(scope="session")
def forked():
    """Runs a command in a child; returns its exit status, -9 where it was killed."""
    command = [sys.executable, str(Path(__file__).with_name("forked_runs.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(*argv, kill=None):
            process.stdin.write(json.dumps({"argv": [str(word) for word in argv], "kill": kill}) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()
