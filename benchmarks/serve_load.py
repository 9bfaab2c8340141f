"""How long clients of the server wait while others send it hostile requests.

    python benchmarks/serve_load.py [--json] [--seconds 60] [--clients 16]

Starts `ecg-r1 serve` on the tiny preset. `--clients` honest clients each send one request after another, with an ECG
and its page: first alone, then beside hostile ones. Those are a process of their own with 8 threads that send, without
a pause, what no server should do (2,000 ECGs, a page of 13,000 x 13,000 pixels, 40 MB, n=10000, deep JSON, samples that
are text), and 300 connections that send nothing, half of a header, or half of a body.

It prints the number of honest requests, how many failed, and the median and 95th percentile of their seconds; the exit
code is 1 where one failed or the 95th percentile is more than twice the quiet one.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

import numpy as np

PATH = "/v1/chat/completions"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
SILENT = (b"", HEAD + b"X-Sl", HEAD + b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")


def chat(*parts: dict[str, Any], **options: Any) -> bytes:
    content = [*parts, {"type": "text", "text": "Read this ECG."}]
    body = {"model": "gem", "messages": [{"role": "user", "content": content}], "max_tokens": 16, "temperature": 0}
    return json.dumps(body | options).encode()


def honest(seed: int) -> bytes:
    from ecg_r1.ecg.render import render
    from ecg_r1.ecg.simulate import simulate
    from ecg_r1.model.message import ecg_part, page_part

    (simulated,) = simulate(1, seed=seed)
    return chat(ecg_part(simulated.record), page_part(render(simulated.record, size=112)))


def hostile() -> list[bytes]:
    small = {"leads": ["I"], "sampling_rate": 100, "unit": "mV", "signal": [[0.25] * 1000]}
    part = {"type": "ecg", "ecg": small}

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 13_000
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes((side + 1) * side), 9))
        + chunk(b"IEND", b"")
    )
    page = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(png).decode()}}
    return [
        chat(*[part] * 2000),
        chat(page),
        b" " * 40_000_000,
        chat(part, n=10_000),
        b'{"messages": ' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        chat({"type": "ecg", "ecg": small | {"signal": [["0.25"] * 1000]}}),
    ]


def post(port: int, body: bytes, connection: http.client.HTTPConnection | None = None) -> int:
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", PATH, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def attack(port: int) -> None:
    """Hostile requests and silent connections until the process is ended."""
    bodies = hostile()

    def send(first: int) -> None:
        for turn in range(first, sys.maxsize):
            try:
                post(port, bodies[turn % len(bodies)])
            except OSError:
                time.sleep(0.01)

    for first in range(8):
        threading.Thread(target=send, args=(first,), daemon=True).start()
    open_ones: list[socket.socket] = []
    while True:
        for start in SILENT * 100:
            silent = socket.create_connection(("127.0.0.1", port))
            silent.sendall(start)
            open_ones.append(silent)
        time.sleep(5)
        for silent in open_ones:
            silent.close()
        open_ones.clear()


def ask(port: int, clients: int, seconds: float) -> dict[str, float]:
    """Honest clients for some seconds."""
    waits: list[float] = []
    failed: list[object] = []
    end = time.monotonic() + seconds

    def client(seed: int) -> None:
        body = honest(seed)
        while time.monotonic() < end:
            begin = time.monotonic()
            try:
                status = post(port, body)
            except (OSError, http.client.HTTPException) as error:
                failed.append(error)
            else:
                waits.append(time.monotonic() - begin)
                if status != 200:
                    failed.append(status)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p95 = np.percentile(waits, [50, 95])
    return {"requests": len(waits), "failed": len(failed), "p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true", help="print JSON alone")
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--clients", type=int, default=16)
    asked = options.parse_args()
    import torch
    from ports import free_port

    from ecg_r1.model.checkpoint import load_model, save

    torch.manual_seed(0)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        save(*load_model("tiny", texts=["Read this ECG."]), Path(folder))
        command = [sys.executable, "-m", "ecg_r1", "serve", folder, "--served-model-name", "gem", "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
                    break
                except OSError:
                    time.sleep(0.5)
            ask(port, asked.clients, 3)  # warm up
            quiet = ask(port, asked.clients, asked.seconds)
            attacker = multiprocessing.get_context("spawn").Process(target=attack, args=(port,), daemon=True)
            attacker.start()
            time.sleep(5)
            loud = ask(port, asked.clients, asked.seconds)
            attacker.kill()
        finally:
            server.terminate()
            server.wait()
    result = {"quiet": quiet, "beside hostile requests": loud, "p95_ratio": round(loud["p95"] / quiet["p95"], 2)}
    if not asked.json:
        for name in ("quiet", "beside hostile requests"):
            print(f"{name}: {result[name]}")
    print(json.dumps(result))
    return int(quiet["failed"] + loud["failed"] > 0 or result["p95_ratio"] > 2)


if __name__ == "__main__":
    sys.exit(main())
