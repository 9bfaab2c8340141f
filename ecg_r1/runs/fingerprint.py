"""The content of a checkpoint or a corpus split as one hash: other content at the same path is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ecg_r1.files import PART

WEIGHTS = (".safetensors", ".json", ".jinja", ".model", ".txt")  # with the configuration and the tokenizer


def fingerprint(folder: Path, endings: tuple[str, ...] = ("",)) -> str:
    """Hash the files that lie in a folder, by their names and their content.

    Left out are subfolders, hidden files such as the lock of whoever writes there, and files that are being written.

    Args:
        folder: a checkpoint or a split.
        endings: of the names of the files that count; every file unless given.

    Returns:
        "sha256:" and 64 hexadecimal digits.
    """
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") or path.name.endswith(PART)
        if path.is_file() and path.name.endswith(endings) and not hidden:
            with path.open("rb") as file:
                whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return f"sha256:{whole.hexdigest()}"
