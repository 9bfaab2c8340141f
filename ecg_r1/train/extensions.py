"""Where torch compiles DeepSpeed's operators, and the locks that a killed process leaves there.

torch.utils.cpp_extension guards a build by a file named `lock` and waits for it to vanish, for ever: a run killed while
it compiled, or only loaded, an operator would hang every later one.
"""

from __future__ import annotations

import fcntl
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

import psutil


def extensions_folder() -> Path:
    """In the environment, so that nothing outside it is changed; by machine, as DeepSpeed compiles for its very CPU."""
    home = Path(sys.prefix) if os.access(sys.prefix, os.W_OK) else Path.home() / ".cache" / "ecg_r1"
    return home / "torch_extensions" / platform.node()


def release_dead_locks(folder: Path) -> None:
    """Remove each lock of ours in `folder`/<operator>/ that no process on this machine has open."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "checked").open("w") as check:
        fcntl.flock(check, fcntl.LOCK_EX)  # or a second process might remove the lock that a third has just taken
        for lock in folder.glob("*/lock"):
            with suppress(FileNotFoundError):  # released meanwhile
                if lock.stat().st_uid == os.getuid() and not _is_open(lock.resolve()):
                    lock.unlink()


def _is_open(file: Path) -> bool:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(Path(opened.path) == file for opened in process.open_files()):
                return True
    return False
