"""The machine: devices, free memory and disk, and the compiler that DeepSpeed asks for."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil

from ecg_r1.doctor.finding import Finding

GB = 1e9
LITTLE_DISK = 5 * GB
CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def devices() -> list[Finding]:
    """GPUs with their free memory, or the CPU; and the memory of the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = Finding("memory", f"{free_memory() / GB:.1f} GB free")
    if find_spec("torch") is None:
        return [Finding("device", f"CPU, {cores} cores"), memory]
    import torch

    if not torch.cuda.is_available():
        return [Finding("device", f"CPU, {cores} cores (torch {torch.__version__} sees no GPU)"), memory]
    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        found.append(Finding(f"device {index}", f"{name}, {free / GB:.1f} of {total / GB:.1f} GB free"))
    return [*found, memory]


def free_memory() -> float:
    """Bytes this process may still take: of the machine, or of the container it is in."""
    free = float(psutil.virtual_memory().available)
    for file in map(Path, CGROUPS):
        text = file.read_text().strip() if file.is_file() else "max"
        if text.isdecimal():
            free = min(free, float(text) - psutil.Process().memory_info().rss)
    return free


def disk(folder: Path) -> Finding:
    """Free disk where a run will write."""
    free = free_disk(folder)
    if free < LITTLE_DISK:
        return Finding("disk", f"{free / GB:.1f} GB free", "note", "make room, or choose another folder")
    return Finding("disk", f"{free / GB:.0f} GB free")


def free_disk(folder: Path) -> float:
    """Bytes, on the disk of a folder that may not be there yet."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return float(shutil.disk_usage(folder).free)


def compiler(needed: bool) -> Finding:
    """DeepSpeed compiles a communication operator at its first start on a CPU."""
    wanted = {"C++ compiler": os.environ.get("CXX", "c++"), "ninja": "ninja"}
    missing = [name for name, command in wanted.items() if shutil.which(command) is None]
    if not missing:
        return Finding("compiler", shutil.which(wanted["C++ compiler"]) or "")
    on_cpu = find_spec("torch") is None or not _sees_gpu()
    advice = "install it (Debian: apt install g++ ninja-build), or set `deepspeed: null`"
    if missing == ["ninja"] and (Path(sys.prefix) / "bin" / "ninja").is_file():
        advice = f"activate the environment: its ninja ({sys.prefix}/bin) is not on the PATH"
    return Finding("compiler", f"no {' and no '.join(missing)}", "blocks" if needed and on_cpu else "note", advice)


def _sees_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
