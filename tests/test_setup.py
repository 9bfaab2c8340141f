"""`make setup`: the same packages from either installer, and the same steps in a container."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORDS = """#!/bin/bash
case "$*" in
  *"-m venv"*) mkdir -p "${@: -1}/bin"; cp "$0" "${@: -1}/bin/python" ;;
  *"config list"*) echo "global.index-url='https://mirror/simple'"; echo ":env:.find-links='/wheels'" ;;
  *"import torch"*) exit 1 ;;
  *) echo "$*" >> "$LOG"; env | grep ^UV_ >> "$LOG.variables" || true ;;
esac
"""


@pytest.fixture
def asked(tmp_path):
    """What `tools/setup.sh` asks an installer for: in its place stand programs that only write down their words."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("uv", "python-of-the-user"):
        (folder / name).write_text(RECORDS)
        (folder / name).chmod(0o755)

    def run(installer, extra="cpu"):
        log = tmp_path / f"{installer}-{extra}"
        environment = os.environ | {
            "PATH": f"{folder}:{os.environ['PATH']}", "PYTHON": "python-of-the-user", "LOG": str(log), "EXTRA": extra,
        }  # fmt: skip
        if installer == "pip":
            environment["INSTALLER"] = "pip"
        command = ["bash", str(ROOT / "tools" / "setup.sh"), str(tmp_path / f"venv-{installer}-{extra}")]
        subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=60)
        words = re.sub(r"-m pip --disable-pip-version-check|^pip ", "", log.read_text(), flags=re.MULTILINE)
        own = r" (-q|-y|--retries 0|--timeout 10|--no-progress)(?= |$)"  # options that do not say what is installed
        variables = Path(f"{log}.variables").read_text() if installer == "uv" else ""
        return [re.sub(own, "", f" {line.strip()}").strip() for line in words.splitlines()], variables

    return run


@pytest.mark.parametrize("extra", ["cpu", "gpu"])
def test_both_installers_are_asked_for_the_same(asked, extra):
    (by_uv, variables), (by_pip, _) = asked("uv", extra), asked("pip", extra)
    assert by_uv == by_pip
    assert f"install -e .[{extra},report,dev]" in by_uv
    assert ("install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu" in by_uv) == (extra == "cpu")
    assert "UV_DEFAULT_INDEX=https://mirror/simple" in variables  # pip's settings hold for uv too
    assert "UV_FIND_LINKS=/wheels" in variables


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_both_installers_install_the_same(tmp_path):
    """Two whole environments: minutes, gigabytes and a network."""
    if shutil.which("uv") is None:
        pytest.skip("no program `uv` on the PATH")
    found = {}
    for installer in ("uv", "pip"):
        venv = tmp_path / installer
        environment = os.environ | {"INSTALLER": installer, "PYTHON": sys.executable}
        subprocess.run(["bash", "tools/setup.sh", str(venv)], cwd=ROOT, env=environment, check=True)
        listed = [str(venv / "bin" / "python"), "-m", "pip", "list", "--format", "freeze"]
        found[installer] = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()
    assert found["uv"] == found["pip"]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_container_is_built_by_the_steps_of_make_setup(kind):
    lines = (ROOT / "docker" / kind / "Dockerfile").read_text().splitlines()
    runs = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]
    system, *ours = runs
    assert system.startswith("apt-get update && apt-get install")
    assert ours == ["make setup"]
    assert "COPY . ." in lines
    extra = next((m[1] for line in lines if (m := re.match(r"ENV .*\bEXTRA=(\w+)", line))), "cpu")
    assert extra == kind
    base = next(line for line in lines if line.startswith("FROM "))
    needed = re.search(r'requires-python = ">=(3\.\d+)"', (ROOT / "pyproject.toml").read_text())[1]
    assert base == f"FROM python:{needed}-slim-bookworm"


def test_what_make_setup_reads_goes_into_the_container():
    """`make -n` prints the steps; .dockerignore leaves out none of the files that they name."""
    printed = subprocess.run(
        ["make", "-n", "setup", "VENV=elsewhere"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "bash tools/setup.sh elsewhere" in printed
    ignored = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines() if line.strip()]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for pattern in ignored:
        name = pattern.removeprefix("**/").rstrip("/")
        deep = None if pattern.startswith("**/") else 1  # without the stars: in the project's own folder
        wanted = [path for path in tracked if any(fnmatch(part, name) for part in Path(path).parts[:deep])]
        assert wanted == [], pattern
