"""One writer at a time: a lock on a folder, which is gone when the process that holds it is gone.

The lock is the system's (`flock` on a file in the folder), so no kill leaves one behind. Readers do not ask for it. The
library filelock does not say who holds a lock, and cannot share one among the processes of a run.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import secrets
import stat
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

from ecg_r1.disk import DiskError, writing
from ecg_r1.errors import UserError

LOCK = ".lock"
TOKEN = "ECG_R1_LOCK"  # environment of the processes that share their parent's lock
_held: set[int] = set()  # file descriptors


class Locked(UserError):
    """Another process writes into the folder."""


class FolderLock:
    """The right to write into a folder, for as long as the context lasts; the folder is made where it is missing.

    The processes of a run share one lock: the one that starts them takes it, calls `share` and hands the result on in
    their environment, and each of them takes it with that token. The folder is free when the last of them has ended.

    Args:
        folder: to write into.
        token: of the lock that the process which started this one shares; None takes a lock of its own.

    Raises:
        Locked: on entering: another process holds the lock; the message says which, and since when.
        DiskError: on entering: the folder cannot be written to.
    """

    def __init__(self, folder: str | Path, token: str | None = None):
        self.folder, self.token = Path(folder), token
        self._file = -1
        self._made: list[Path] = []

    def __enter__(self) -> FolderLock:
        with ExitStack() as failed, writing(self.folder):
            failed.callback(self._leave)
            while not self._take():
                pass
            if self.token is None:
                facts = {"pid": os.getpid(), "host": platform.node(), "since": _now(), "token": secrets.token_hex(8)}
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, json.dumps(facts).encode(), 0)
            failed.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._leave()

    def share(self) -> dict[str, str]:
        """Let processes that are started with these variables in their environment hold the lock too.

        Raises:
            Locked: another process took the lock in this very moment.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(self._holder()) from None
        return {TOKEN: self._facts()["token"]}

    def _take(self) -> bool:
        """Open the file and lock it; False where its last holder removed it, or the folder, meanwhile."""
        self._release()
        path = self.folder / LOCK
        try:
            self._make_folder()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            return False
        _held.add(self._file)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if self.token else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(self._holder()) from None
        except OSError as error:
            raise Locked(f"{self.folder}: its file system has no locks ({error.strerror}); choose another") from None
        if self.token not in (None, self._facts().get("token")):
            raise Locked(self._holder())
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._file), os.stat(path))
        return False

    def _make_folder(self) -> None:
        missing = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            if any(_is_no_folder(path) for path in (self.folder, *self.folder.parents)):
                raise DiskError(f"{self.folder}: is a file or lies in one; choose another folder") from None
            raise FileNotFoundError(self.folder) from None  # its last holder removed it between the two looks of mkdir
        self._made = missing or self._made

    def _facts(self) -> dict[str, str]:
        try:
            facts = json.loads(os.pread(self._file, 4096, 0))
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}

    def _holder(self) -> str:
        facts = self._facts()
        who = f"process {facts.get('pid')} on {facts.get('host')}" if facts else "another process"
        since = f" since {facts['since']}" if "since" in facts else ""
        return f"{self.folder}: {who}, or one that it started, has been writing here{since}; wait until it has ended"

    def _leave(self) -> None:
        """Free the folder, and leave nothing in it that was not there; what others share stays theirs."""
        if self._file < 0:
            return
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(self._file), os.stat(self.folder / LOCK)):
                (self.folder / LOCK).unlink()
        with suppress(OSError):  # not empty
            for folder in self._made:
                folder.rmdir()
        self._release()

    def _release(self) -> None:
        if self._file >= 0:
            _held.discard(self._file)
            os.close(self._file)
            self._file = -1


def _is_no_folder(path: Path) -> bool:
    """Whether a file stands there, or a link that leads nowhere. It looks once: others may remove what it sees."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return path.is_symlink()
    except NotADirectoryError:  # one of its parents is that file
        return False
    except OSError:  # links that lead to each other
        return True


def _now() -> str:
    return datetime.now().astimezone().isoformat(" ", "seconds")


def _close_in_child() -> None:
    """A forked child, a worker of torch's loader, would else keep its parent's lock after the parent was killed."""
    for file in _held:
        os.close(file)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
