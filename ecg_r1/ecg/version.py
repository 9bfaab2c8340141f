"""Which code reads, measures and draws: a hash that changes with each of its files, tables and libraries.

What was measured by other code is not what this code measures, however small the change: a cache keeps the hash with
what it holds.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

TABLES = ("findings.yaml", "vocabulary.yaml")  # of `data/`, those that `ecg_r1.ecg` reads
# What the numbers are computed with. numba and scikit-learn only stand behind parts of neurokit2 that are not used.
LIBRARIES = ("neurokit2", "numpy", "scipy", "pandas", "wfdb")


@cache
def code_version() -> str:
    """Hash the sources of `ecg_r1.ecg`, its tables of `data/` and the versions of its libraries.

    Returns:
        64 hexadecimal digits.
    """
    whole = hashlib.sha256()
    sources = sorted(Path(__file__).parent.glob("*.py"))
    tables = [Path(str(files("ecg_r1").joinpath("data", name))) for name in TABLES]
    for path in (*sources, *tables):
        whole.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    for library in LIBRARIES:
        whole.update(f"{library} {version(library)}\n".encode())
    return whole.hexdigest()
