"""How much of the rollouts' time an update hides: GRPO with a real rollout server that is slowed, at three stalenesses.

    python benchmarks/overlap.py [--delay 1.0] [--steps 8] [--json FILE]          about 4 minutes on 2 cores

A server (`ecg-r1 rollout-server`, vLLM) stands behind a proxy that holds each batch back for `--delay` seconds, which
cost no processor: as if the server had cores of its own. Model and prompts are those of `benchmarks/grpo_step.py`; 16
completions have 16 tokens. The same steps run at staleness 0, 1 and 2; the first two wait for rollouts, and are
left out. Hidden is 1 - waited / rollouts; no more can be hidden than an update lasts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml
from grpo_step import AT_ONCE, gem_shaped
from ports import free_port
from rich.console import Console
from rich.table import Table

from ecg_r1.engine.wire import GENERATE, HEALTH
from ecg_r1.train.processes import set_environment

STALENESS = (0, 1, 2)
WARM = 2  # steps that wait for the first rollouts


class Slowed:
    """A proxy on loopback that holds requests for completions back.

    Args:
        server: the port of the server.
        delay: seconds.

    Attributes:
        port: of the proxy.
    """

    def __init__(self, server: int, delay: float):
        self.server, self.delay, self.port = server, delay, free_port()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        await server.serve_forever()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readline()
        if first.startswith(f"POST {GENERATE} ".encode()):
            await asyncio.sleep(self.delay)
        inner, outer = await asyncio.open_connection("127.0.0.1", self.server)
        outer.write(first)
        await asyncio.gather(copy(reader, outer), copy(inner, writer))


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Hand on what comes, until it ends."""
    try:
        while block := await source.read(1 << 16):
            target.write(block)
            await target.drain()
    except ConnectionError:
        pass
    finally:
        target.close()


def wait_until_it_answers(port: int, server: subprocess.Popen) -> None:
    while server.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", HEALTH)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise SystemExit("the rollout server ended")


def recipe_of(folder: Path, model: str, corpus: str, port: int, staleness: int, steps: int) -> Path:
    path = folder / f"staleness-{staleness}.yaml"
    values = {
        "base": "tiny/grpo", "run": str(folder / f"run-{staleness}"), "model": model, "corpus": {"train": corpus},
        "deepspeed": None, "credit": "sequence", "rewards": [{"name": "length", "limit": 48, "cache": 48}],
        "rollout": {
            "mode": "server", "servers": [f"http://127.0.0.1:{port}"], "key_file": str(folder / "key"),
            "dtype": "float32", "options": {"max_model_len": 1024}, "staleness": staleness,
        },
        "trainer": {
            "num_generations": 8, "per_device_train_batch_size": 16, "max_steps": steps, "max_completion_length": 16,
            "save_strategy": "no", "log_completions": False, "generation_kwargs": {"seed": 1, "ignore_eos": True},
        },
    }  # fmt: skip
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def measured(run: Path) -> dict[str, float]:
    """Medians of the steps that count."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if "reward" in row][WARM:]
    keys = ("step_time", "rollout/seconds", "rollout/waited_seconds", "rollout/hidden", "rollout/staleness",
            "sampling/importance_sampling_ratio/mean", "reward")  # fmt: skip
    return {key: statistics.median(row[key] for row in rows) for key in keys if key in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds by which each batch is held back")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--json", type=Path, help="also write what was measured to this file")
    args = parser.parse_args()
    set_environment()
    found: dict[str, Any] = {"delay": args.delay}
    with tempfile.TemporaryDirectory() as temporary:
        folder, own = Path(temporary), free_port()
        model, corpus = gem_shaped(folder, AT_ONCE)
        slowed = Slowed(own, args.delay)
        recipes = {s: recipe_of(folder, model, corpus, slowed.port, s, args.steps) for s in STALENESS}
        command = [sys.executable, "-m", "ecg_r1"]
        server = subprocess.Popen([*command, "rollout-server", str(recipes[0]), "--port", str(own)], env=os.environ)
        try:
            wait_until_it_answers(own, server)
            for staleness, recipe in recipes.items():
                subprocess.run([*command, "train", str(recipe)], check=True, env=os.environ)
                found[f"staleness {staleness}"] = measured(folder / f"run-{staleness}")
        finally:
            server.kill()
            server.wait()
    names = [name for name in found if name != "delay"]
    table = Table("median of a step", *names, title=f"each batch held back for {args.delay:g} s")
    for key in found["staleness 1"]:
        table.add_row(key, *(f"{found[name][key]:.3f}" if key in found[name] else "" for name in names))
    Console().print(table)
    if args.json:
        args.json.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
