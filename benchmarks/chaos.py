"""Every stage of a tiny chain, killed at random moments and repeated with the same command: nothing may be lost.

    python benchmarks/chaos.py [--kills 10] [--seed 0] [--minutes 30] [--engine vllm|hf]         make chaos

Each stage runs once without a break, which gives the right result and how long it takes from the moment that it locks
its folder. Then the same command runs in a new folder. SIGKILL ends its whole process group at a moment drawn from that
time, one in five earlier, and the command is repeated, until so many kills were made and it ends by itself. A run that
ends before its moment is compared too, and another folder begins. Prints a table and, as its last line, the same as
JSON; the exit status is 1 where a result differs, a command fails, or the time did not allow so many kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from rich.console import Console
from rich.table import Table

from ecg_r1.locks import LOCK
from ecg_r1.runs import layout

RECIPES = Path(__file__).parents[1] / "recipes" / "tiny"
SPLITS = "{sft: [{simulate: 48}], rl: [{simulate: 8}], held-out: [{simulate: 8}]}"
EARLY = 0.2  # share of the moments that come before the folder is locked


@dataclass(frozen=True)
class Stage:
    """A command, and what must be equal after it.

    Attributes:
        name: in the table.
        words: folder -> the command's words.
        locked: folder -> where its lock lies.
        result: folder -> what is compared.
        what: that is, in words.
        prepare: makes a new folder ready.
    """

    name: str
    words: Callable[[Path], list[str]]
    locked: Callable[[Path], Path]
    result: Callable[[Path], Any]
    what: str
    prepare: Callable[[Path], object] = Path.mkdir


def start(words: list[str], log: Path) -> subprocess.Popen:
    """The command in a process group of its own; what it says is appended to `log`."""
    with log.open("a") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "ecg_r1", *words], stdout=file, stderr=file, start_new_session=True
        )


def until_locked(process: subprocess.Popen, lock: Path) -> None:
    """Wait until the command has locked its folder, or has ended."""
    while process.poll() is None and not lock.exists():
        time.sleep(0.01)


def whole(stage: Stage, folder: Path) -> tuple[float, Any]:
    """The stage without a break: seconds under the lock, and its result."""
    stage.prepare(folder)
    process = start(stage.words(folder), folder.with_suffix(".log"))
    until_locked(process, stage.locked(folder) / LOCK)
    began = time.monotonic()
    if process.wait():
        raise SystemExit(f"{stage.name}: failed without a kill:\n{folder.with_suffix('.log').read_text()[-3000:]}")
    return time.monotonic() - began, stage.result(folder)


def killed(stage: Stage, base: Path, right: Any, seconds: float, draw: random.Random, kills: int, end: float) -> dict:
    """The stage, killed so often; how it went."""
    made = under_lock = compared = 0
    faults: list[str] = []
    folder = base / f"{stage.name}-0"
    stage.prepare(folder)
    while not faults:
        late = made >= kills or time.monotonic() > end
        process = start(stage.words(folder), folder.with_suffix(".log"))
        if not late:
            if draw.random() >= EARLY:
                until_locked(process, stage.locked(folder) / LOCK)
            try:
                process.wait(draw.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                under_lock += (stage.locked(folder) / LOCK).exists()
                os.killpg(process.pid, signal.SIGKILL)
                made += 1
        if (code := process.wait()) == -signal.SIGKILL:
            continue
        compared += 1
        if code:
            faults.append(f"exit status {code}: {folder.with_suffix('.log').read_text().splitlines()[-1:]}")
        elif stage.result(folder) != right:
            faults.append(f"{stage.what}: not equal, in {folder}")
        if late:
            break
        folder = base / f"{stage.name}-{compared}"
        stage.prepare(folder)
    if made < kills and not faults:
        faults.append(f"the time was over after {made} kills")
    return {"stage": stage.name, "kills": made, "under_lock": under_lock, "compared": compared, "faults": faults}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def steps(folder: Path) -> list[int]:
    """The logged steps of a run, without its summary."""
    rows = [json.loads(line) for line in (folder / layout.METRICS).read_text().splitlines()]
    return [row["step"] for row in rows if "train_runtime" not in row]


def weights(folder: Path) -> tuple[list[int], bytes]:
    """Steps and weights of a run."""
    return steps(folder), (folder / layout.MODEL / "model.safetensors").read_bytes()


def rollouts(folder: Path) -> tuple[list[int], list[tuple[int, str]]]:
    """Steps of a GRPO run, and the records of its rollouts in their order."""
    files = sorted((folder / layout.COMPLETIONS).glob("*.parquet"))
    rows = [row for file in files for row in parquet.read_table(file, columns=["step", "example"]).to_pylist()]
    return steps(folder), [(row["step"], row["example"]) for row in rows]


def stages(base: Path, engine: str) -> list[Stage]:
    """The chain; `base/whole/<stage>` holds what the later stages begin from."""
    split = {name: base / "whole" / "corpus" / name for name in ("sft", "rl", "held-out")}
    sft, grpo = base / "whole" / "sft", base / "whole" / "grpo"
    few = ["trainer.logging_steps=1", "trainer.save_total_limit=2"]

    def answered(folder: Path) -> None:
        """Both runs without answers: the links are to files that nobody writes."""
        for run in (sft, grpo):
            shutil.copytree(run, folder / run.name, ignore=shutil.ignore_patterns(layout.PREDICTIONS), symlinks=True)

    asked = ["--engine", "hf", "--corpus", str(split["held-out"])]
    return [
        Stage(
            "corpus", lambda folder: ["corpus", f"{RECIPES}/corpus.yaml", f"out={folder}", f"splits={SPLITS}"],
            lambda folder: folder / "sft", contents, "every byte",
        ),
        Stage(
            "pretrain", lambda folder: [
                "train", f"{RECIPES}/pretrain.yaml", f"run={folder}", f"corpus={{train: {split['sft']}}}", *few,
                "trainer.max_steps=20", "trainer.save_steps=5", "trainer.per_device_train_batch_size=8",
            ], lambda folder: folder, weights, "steps and weights, bit by bit",
        ),
        Stage(
            "sft", lambda folder: [
                "train", f"{RECIPES}/sft.yaml", f"run={folder}", f"model={base}/whole/pretrain", *few,
                f"corpus={{train: {split['sft']}, evaluate: {split['held-out']}}}", "trainer.max_steps=80",
                "trainer.save_steps=10", "trainer.per_device_train_batch_size=16", "trainer.warmup_steps=5",
            ], lambda folder: folder, weights, "steps and weights, bit by bit",
        ),
        Stage(
            "grpo", lambda folder: [
                "train", f"{RECIPES}/grpo.yaml", f"run={folder}", f"model={sft}", *few, "trainer.learning_rate=1e-5",
                f"corpus={{train: {split['rl']}, evaluate: {split['held-out']}}}", "trainer.max_steps=6",
                "trainer.save_steps=2", "trainer.per_device_train_batch_size=16", "trainer.num_generations=4",
                *(["rollout={engine: hf}"] if engine == "hf" else []),
            ], lambda folder: folder, rollouts, "steps, and records in their order",
        ),
        Stage(
            "predict", lambda folder: ["predict", str(folder / "sft"), *asked],
            lambda folder: folder / "sft" / layout.PREDICTIONS,
            lambda folder: contents(folder / "sft" / layout.PREDICTIONS), "answers and labels", answered,
        ),
        Stage(
            "compare", lambda folder: ["compare", *map(str, (folder / "sft", folder / "grpo")), *asked,
                                       "--out", str(folder / "out")],
            lambda folder: folder / "out",
            lambda folder: (folder / "out" / layout.COMPARISON).read_bytes(), layout.COMPARISON, answered,
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--engine", choices=("vllm", "hf"), default="vllm", help="of GRPO's rollouts")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    table = Table("stage", "alone, s", "kills", "under the lock", "compared", "what", "faults", title="chaos")
    results = []
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        base = Path(folder)
        (base / "whole").mkdir()
        chain = stages(base, options.engine)
        for number, stage in enumerate(chain):
            seconds, right = whole(stage, base / "whole" / stage.name)
            share = time.monotonic() + (end - time.monotonic()) / (len(chain) - number)
            draw = random.Random(f"{options.seed} {stage.name}")
            row = killed(stage, base, right, seconds, draw, options.kills, share)
            results.append(row | {"seconds": round(seconds, 1)})
            counts = (row["kills"], row["under_lock"], row["compared"])
            table.add_row(
                stage.name, f"{seconds:.1f}", *map(str, counts), stage.what, "; ".join(row["faults"]) or "none"
            )
            print(stage.name, row, file=sys.stderr)
    Console().print(table)
    print(json.dumps(results))
    sys.exit(any(row["faults"] for row in results))


if __name__ == "__main__":
    main()
