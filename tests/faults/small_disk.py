"""A real file system of a few megabytes: a tmpfs in a mount namespace of its own, reached through /proc."""

import subprocess
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs that can be filled, enlarged and remounted read-only; it is gone with the context.

    Attributes:
        folder: where this process and its children see it.
    """

    def __init__(self, mount: Path, size: str):
        self._mount = mount
        mount.mkdir()
        self._shell = subprocess.Popen(
            ["unshare", "-Urm", "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = self._do(f"mount -t tmpfs -o size={size} tmpfs {mount}")
        if said:
            self.close()
            pytest.skip(f"no small file system can be mounted here: {said}")
        self.folder = Path(f"/proc/{self._shell.pid}/root{mount}")

    def resize(self, size: str) -> None:
        """Make room."""
        assert self._do(f"mount -o remount,size={size} {self._mount}") == ""

    def read_only(self, so: bool) -> None:
        """Remount; as root, changed permissions would stop nobody."""
        assert self._do(f"mount -o remount,{'ro' if so else 'rw'} {self._mount}") == ""

    def _do(self, command: str) -> str:
        try:
            self._shell.stdin.write(f"{command} 2>&1; echo done\n")
            self._shell.stdin.flush()
        except BrokenPipeError:
            return self._shell.stdout.read().strip() or "unshare failed"
        lines = []
        for line in self._shell.stdout:
            if line == "done\n":
                return " ".join(lines)
            lines.append(line.strip())
        return " ".join(lines) or "unshare failed"

    def close(self) -> None:
        """End the shell; the file system goes with it."""
        self._shell.kill()
        self._shell.communicate()

    def __enter__(self) -> "SmallDisk":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of a size; skips where that is not permitted."""
    mounted = []

    def mount(size: str) -> SmallDisk:
        if not Path("/proc/self/ns/user").exists():
            pytest.skip("no user namespaces here")
        mounted.append(SmallDisk(tmp_path / f"disk{len(mounted)}", size))
        return mounted[-1]

    yield mount
    for disk in mounted:
        disk.close()
