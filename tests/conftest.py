"""What several rooms' tests share: the command line in this process, and a small corpus split."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from ecg_r1.cli import main
from ecg_r1.corpus.build import build
from ecg_r1.recipe import CorpusRecipe

# No example has a time limit, and no strategy is called too slow: a busy machine is no fault of theirs.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def ecg_r1(monkeypatch, capsys) -> Callable[..., Said]:
    """`ecg-r1 WORD …` in this process: exit code, stdout and stderr."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["ecg-r1", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # the command line sets its own
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return Said(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def split(tmp_path_factory) -> Path:
    """Four simulated records; the last has atrial fibrillation."""
    recipe = {
        "stage": "corpus",
        "out": str(tmp_path_factory.mktemp("corpus")),
        "page_size": 32,
        "workers": 1,
        "splits": {"train": [{"simulate": 4}]},
    }
    (folder,) = build(CorpusRecipe.model_validate(recipe))
    return folder
