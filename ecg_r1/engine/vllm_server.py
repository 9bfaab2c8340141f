"""Rollouts from vLLM servers in other processes, on other GPUs or machines: `ecg-r1 rollout-server`.

Each server gets a share of the prompts. One that dies or hangs is noticed by its connection or its heartbeat. Its share
goes to the others, or waits until a server is back; one that comes back first gets the weights again. So a step is
repeated in part, and never lost.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch

from ecg_r1.engine import wire
from ecg_r1.engine.base import Prompt, Rollout
from ecg_r1.engine.group import Sender, device_of, listing
from ecg_r1.errors import UserError
from ecg_r1.terminal import say

BEAT = 0.5  # seconds between two questions whether a server lives
SILENCE = 1.5  # seconds in which it must answer one
MISSED = 2  # answers owed before a server counts as dead, which is noticed within 2 x (BEAT + SILENCE) = 4 seconds
CONNECT = 3.0  # seconds
BLOCK = 2**20  # bytes that are sent at once


class ServerUnusable(UserError):
    """A rollout server refuses this trainer, or none has answered for too long."""


def read_key(file: Path) -> str:
    """The key of the rollout servers.

    Raises:
        ServerUnusable: it cannot be read, or the file is empty.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            key = lines.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerUnusable(
            f"{file}: the key of the rollout servers cannot be read: {getattr(error, 'strerror', None) or error}; "
            "`ecg-r1 rollout-server RECIPE` makes it"
        ) from None
    if not key:
        raise ServerUnusable(
            f"{file}: the key of the rollout servers is empty; remove the file and start a server again"
        )
    return key


@dataclass(frozen=True)
class Weights:
    """What changed since the checkpoint, in files that all processes of the run can read.

    Attributes:
        version: their name.
        file: a message of `ecg_r1.engine.wire`. It is read again where a server comes back.
        since, change: an adapter's version before this one, and a message with what differs from it.
    """

    version: str
    file: Path
    since: str | None = None
    change: Path | None = None


class _Lost(Exception):
    """The server did not answer; what it was asked is asked again."""


@dataclass
class _Server:
    url: str
    key: str
    known: set[str] = field(default_factory=set)  # hashes of the media that it has
    boot: str | None = None
    version: str | None = None
    open: set[HTTPConnection] = field(default_factory=set)  # requests in flight, which the heartbeat can end
    missed: int = 0
    reason: str = ""  # why it was lost
    here: str = ""  # the address from which it sees this machine
    sender: Sender | None = None  # to its workers, once weights went to it by broadcast

    def ask(self, method: str, path: str, body: bytes | Path | None = None, seconds: float | None = None) -> Any:
        """The JSON of an answer with its status; nothing limits an answer in time unless `seconds` does.

        Raises:
            _Lost: there is no answer.
            ServerUnusable: the server refuses the key, or the request.
        """
        address = urlsplit(self.url)
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = kind(address.hostname or "", address.port, timeout=seconds or CONNECT)
        try:
            connection.connect()
            connection.sock.settimeout(seconds)
            self.here = connection.sock.getsockname()[0]
            self.open.add(connection)
            size = body.stat().st_size if isinstance(body, Path) else len(body or b"")
            headers = {"Authorization": f"Bearer {self.key}", "Content-Length": str(size)}
            if isinstance(body, Path):
                connection.blocksize = BLOCK
                with body.open("rb") as file:
                    connection.request(method, path, file, headers)
            else:
                connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said) if said else {}
        except (OSError, HTTPException, ValueError) as error:
            raise _Lost(f"{self.url}: {error or type(error).__name__}") from error
        finally:
            self.open.discard(connection)
            connection.close()

    def broadcast(self, weights: Weights, backend: str, workers: int, device: torch.device) -> tuple[int, Any]:
        """Send weights to its workers by a process group; the status and the JSON of its answer.

        Raises:
            _Lost: there is no answer.
            ServerUnusable: the server refuses the key, or the request.
        """
        sender = self.sender = self.sender or Sender(backend, self.here, workers, device)
        said = {
            "version": weights.version, "tensors": listing(weights.file), "place": asdict(sender.place),
            "met": sender.met,
        }  # fmt: skip
        failed: list[RuntimeError] = []
        sending = threading.Thread(target=_sent, args=(sender, weights.file, failed), daemon=True)
        sending.start()
        try:
            status, answer = self.ask("POST", wire.WEIGHTS, wire.pack(said, {}))
        except _Lost:
            self.leave()
            raise
        received = status == 200 and answer["received"]
        if received:
            sending.join()
        if failed or not received:
            self.leave()
        return status, answer

    def leave(self) -> None:
        """Leave the group of its workers; the next broadcast makes another."""
        if self.sender is not None:
            self.sender.abort()
            self.sender = None

    def hang_up(self) -> None:
        """End the requests in flight: whoever waits for them gets `_Lost`."""
        for connection in list(self.open):
            if connection.sock is not None:
                try:
                    connection.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it ended by itself


class VLLMServers:
    """Generates on one or several rollout servers.

    Args:
        urls: of the servers.
        key: which they ask for.
        checkpoint: fingerprint of the checkpoint that the policy started from, which they must serve too.
        wait: seconds without any server after which the run ends; its checkpoint stays.
        transport: of weights: "http", or "nccl" or "gloo" by broadcast; adapters go by "http".

    Attributes:
        lost: how often a server was lost with prompts in hand.
        sent: bytes of weights and of requests, of all servers.

    Raises:
        ServerUnusable: a server serves another checkpoint or refuses the key, or none answers.
    """

    def __init__(self, urls: Sequence[str], key: str, checkpoint: str, wait: float = 600.0, transport: str = "http"):
        self.servers = [_Server(url.rstrip("/"), key) for url in urls]
        self.checkpoint, self.wait, self.transport = checkpoint, wait, transport
        self._device = device_of(transport)
        self.lost, self.sent = 0, {"weights": 0, "requests": 0}
        self._weights: Weights | None = None
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(len(self.servers))
        self._alive()
        for server in self.servers:
            threading.Thread(target=self._watch, args=(server,), name=f"heartbeat {server.url}", daemon=True).start()

    def generate(
        self, prompts: Sequence[Prompt], n: int = 1, *, seed: int | None = None, **sampling: Any
    ) -> list[list[Rollout]]:
        """As `Engine.generate`."""
        found: dict[int, list[Rollout]] = {}
        seeds = [None if seed is None else seed + i * n for i in range(len(prompts))]
        while left := [i for i in range(len(prompts)) if i not in found]:
            alive = self._alive()
            shares = [(server, left[k :: len(alive)]) for k, server in enumerate(alive)]
            asked = [
                (server, share, self._pool.submit(self._ask, server, prompts, seeds, share, n, sampling))
                for server, share in shares
                if share
            ]
            for server, share, answer in asked:
                try:
                    found |= answer.result()
                except _Lost as error:
                    self.lost += 1
                    server.version = server.boot = None
                    say(f"rollout server lost: {error}; its {len(share)} prompts are asked again", err=True)
        return [found[i] for i in range(len(prompts))]

    def replace_weights(self, weights: Weights, *, push: bool) -> None:
        """From now on generate with these weights.

        Args:
            weights: they are read again where a server comes back.
            push: send them now; else a server gets them with the next prompts, unless another process sent them.
        """
        self._weights = weights
        if push:
            self._alive()

    def close(self) -> None:
        """Let go of the servers; they stay."""
        self._ended.set()
        for server in self.servers:
            server.hang_up()
            server.leave()
        self._pool.shutdown()

    def _ask(
        self,
        server: _Server,
        prompts: Sequence[Prompt],
        seeds: Sequence[int | None],
        share: Sequence[int],
        n: int,
        sampling: dict[str, Any],
    ) -> dict[int, list[Rollout]]:
        media: dict[str, np.ndarray] = {}
        asked = []
        for i in share:
            prompt = prompts[i]
            names: dict[str, list[str]] = {}
            for kind, given in (("ecgs", prompt.ecgs), ("pages", prompt.pages)):
                arrays = [np.asarray(array) for array in given]
                names[kind] = [wire.content_hash(array) for array in arrays]
                media |= dict(zip(names[kind], arrays, strict=True))
            asked.append({"token_ids": prompt.token_ids, "seed": seeds[i], **names})
        head = {"version": self._weights and self._weights.version, "prompts": asked, "n": n, "sampling": sampling}
        for _ in range(3):  # a server may have forgotten media that it had
            new = {name: array for name, array in media.items() if name not in server.known}
            body = wire.pack(head, new)
            self.sent["requests"] += len(body)
            status, said = server.ask("POST", wire.GENERATE, body)
            if status == 409 and "missing" in said:
                server.known -= set(said["missing"])
                continue
            if status == 409:  # it was started again in between, or another trainer gave it other weights
                raise _Lost(f"{server.url}: has other weights")
            _check(server, status, said)
            server.known |= media.keys()
            rows = [[Rollout(one["token_ids"], one["logprobs"]) for one in row] for row in said["rollouts"]]
            return dict(zip(share, rows, strict=True))
        raise ServerUnusable(f"{server.url}: cannot hold the signals and pages of {len(share)} prompts at one time")

    def _alive(self) -> list[_Server]:
        """The servers that answer and have the current weights; waits until there is one."""
        until, told = time.monotonic() + self.wait, False
        while True:
            ready = list(self._pool.map(self._ready, self.servers))
            alive = [server for server, is_ready in zip(self.servers, ready, strict=True) if is_ready]
            if alive:
                return alive
            why = ", ".join(server.reason for server in self.servers)
            if time.monotonic() > until:
                raise ServerUnusable(
                    f"no rollout server has answered for {self.wait:g} seconds: {why}; start one with `ecg-r1 "
                    "rollout-server RECIPE`, then repeat the command: the run goes on from its last checkpoint"
                )
            if not told:
                told = True
                say(f"no rollout server answers ({why}); waiting up to {self.wait:g} seconds for one", err=True)
            time.sleep(BEAT)

    def _ready(self, server: _Server) -> bool:
        try:
            status, said = server.ask("GET", wire.STATE, seconds=CONNECT)
            _check(server, status, said)
            if said["checkpoint"] != self.checkpoint:
                raise ServerUnusable(
                    f"{server.url}: serves another checkpoint than the recipe's `model:`; start it with this recipe"
                )
            if said["boot"] != server.boot:
                server.boot, server.known = said["boot"], set()
                server.leave()
            weights = self._weights
            if weights and said["version"] != weights.version:
                file = weights.change if weights.change and said["version"] == weights.since else weights.file
                self.sent["weights"] += file.stat().st_size
                if self.transport == "http":
                    status, said = server.ask("POST", wire.WEIGHTS, file)
                else:
                    status, said = server.broadcast(weights, self.transport, said["workers"], self._device)
                if status == 409:  # another trainer gave it other weights in between
                    raise _Lost(f"{server.url}: has other weights")
                _check(server, status, said)
            server.missed = 0
        except _Lost as error:
            server.reason = str(error)
            return False
        return True

    def _watch(self, server: _Server) -> None:
        while not self._ended.wait(BEAT):
            if not server.open:
                continue
            try:
                status, _ = _Server(server.url, server.key).ask("GET", wire.HEALTH, seconds=SILENCE)
                server.missed = 0 if status == 200 else server.missed + 1
            except _Lost:
                server.missed += 1
            if server.missed >= MISSED:
                server.hang_up()
                server.missed = 0


def _sent(sender: Sender, file: Path, failed: list[RuntimeError]) -> None:
    try:
        sender.send(file)
    except RuntimeError as error:
        failed.append(error)


def _check(server: _Server, status: int, said: Any) -> None:
    """
    Raises:
        _Lost: the server has an error of its own.
        ServerUnusable: it refuses the request.
    """
    message = said.get("error", {}).get("message", said) if isinstance(said, dict) else said
    if status >= 500:
        raise _Lost(f"{server.url}: {message or f'status {status}'}")
    if status != 200:
        raise ServerUnusable(f"{server.url}: {message}")
