"""Weights by broadcast: a process group of the trainer, which sends, and the workers of one rollout server.

NCCL on GPUs, gloo on CPUs; both take the same way here. Names, types and shapes travel with the request, the numbers as
bytes, one tensor after the other. The trainer listens on the address from which the server sees it.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import safe_open

TIMEOUT = timedelta(seconds=60)  # until all have met, and of one tensor on its way
BEAT = 0.02  # seconds between two looks whether all have met
TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # safetensors' name: torch's
Listing = Sequence[tuple[str, str, Sequence[int]]]  # name, type as torch calls it, shape


@dataclass(frozen=True)
class Place:
    """Where a group meets.

    Attributes:
        name: of the group.
        host, port: of the trainer's store.
        size: processes, of which 0 is the trainer.
        backend: "nccl" or "gloo".
    """

    name: str
    host: str
    port: int
    size: int
    backend: str


class Sender:
    """The trainer's side.

    Args:
        backend: "nccl" or "gloo".
        host: the address of this machine that the server can reach.
        workers: of the server.
        device: from which NCCL sends; of the thread that made the policy, since each thread has its own.

    Attributes:
        met: whether all have been there.
    """

    def __init__(self, backend: str, host: str, workers: int, device: torch.device):
        listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        port = listening.getsockname()[1]
        self.place = Place(uuid.uuid4().hex, host, port, 1 + workers, backend)
        self.met, self._device = False, device
        self._store = dist.TCPStore(
            host, port, is_master=True, wait_for_workers=False, timeout=TIMEOUT, master_listen_fd=listening.detach()
        )
        self._group: Any = None
        self._aborted = threading.Event()

    def send(self, file: Path) -> None:
        """Send all tensors of a safetensors file, in the order of `listing`.

        Raises:
            RuntimeError: a worker is gone, did not come, or this was aborted.
        """
        if not self.met:
            self._meet()
        with safe_open(file, "pt") as tensors:
            for name in sorted(tensors.keys()):
                _broadcast(self._group, _as_bytes(tensors.get_tensor(name).to(self._device)))

    def abort(self) -> None:
        """End a `send` that waits in another thread, at once or after TIMEOUT; the group is of no use any more."""
        self._aborted.set()
        if self._group is not None:
            self._group.abort()

    def _meet(self) -> None:
        came = [_seat(rank) for rank in range(1, self.place.size)]
        until = time.monotonic() + TIMEOUT.total_seconds()
        while not self._store.check(came):
            if self._aborted.wait(BEAT):
                raise RuntimeError("the broadcast was aborted")
            if time.monotonic() > until:
                raise RuntimeError(f"not all workers came to {self.place.host}:{self.place.port}")
        self._group = _join(self.place, 0, self._store, self.place.host)
        self.met = True


class Member:
    """A worker's side.

    Args:
        place: as a mapping.
        rank: of this worker in the group, from 1.

    Raises:
        RuntimeError: the trainer cannot be reached there.
    """

    def __init__(self, place: dict[str, Any], rank: int):
        self.place = Place(**place)
        at = (self.place.host, self.place.port)
        try:
            with closing(socket.create_connection(at, TIMEOUT.total_seconds())) as reached:
                own = reached.getsockname()[0]
            store = dist.TCPStore(*at, is_master=False, timeout=TIMEOUT)
            store.set(_seat(rank), own)
            self._group = _join(self.place, rank, store, own)
        except (OSError, RuntimeError) as error:  # torch's network errors are RuntimeErrors
            raise RuntimeError(f"the trainer cannot be reached at {at[0]}:{at[1]}: {error}") from error

    def tensors(self, expected: Listing) -> Iterator[tuple[str, torch.Tensor]]:
        """The tensors that `Sender.send` sends, each as it comes.

        Raises:
            RuntimeError: the trainer is gone.
        """
        for name, dtype, shape in expected:
            tensor = torch.empty(shape, dtype=getattr(torch, dtype), device=device_of(self.place.backend))
            _broadcast(self._group, _as_bytes(tensor))
            yield name, tensor

    def close(self) -> None:
        """Leave the group."""
        self._group.abort()


def listing(file: Path) -> Listing:
    """Name, type and shape of each tensor of a safetensors file, in the order of the names."""
    with safe_open(file, "pt") as tensors:
        slices = {name: tensors.get_slice(name) for name in sorted(tensors.keys())}
        return [(name, TYPES[one.get_dtype()], one.get_shape()) for name, one in slices.items()]


def _seat(rank: int) -> str:
    return f"worker {rank}"


def device_of(backend: str) -> torch.device:
    """Where this thread's tensors lie that a backend sends."""
    return torch.device("cuda", torch.cuda.current_device()) if backend == "nccl" else torch.device("cpu")


def _join(place: Place, rank: int, store: dist.TCPStore, own: str) -> Any:
    """A group beside the default one of `torch.distributed`, in which these processes are not together."""
    shared = dist.PrefixStore(place.name, store)
    if place.backend == "nccl":
        return dist.ProcessGroupNCCL(shared, rank, place.size, TIMEOUT)  # type: ignore[attr-defined]
    options = dist.ProcessGroupGloo._Options()  # type: ignore[attr-defined]
    options._devices, options._timeout = [dist.ProcessGroupGloo.create_device(hostname=own)], TIMEOUT  # type: ignore[attr-defined]
    return dist.ProcessGroupGloo(shared, rank, place.size, options)  # type: ignore[attr-defined]


def _broadcast(group: Any, flat: torch.Tensor) -> None:
    if flat.numel():
        group.broadcast(flat, 0).wait()
        if flat.is_cuda:
            torch.cuda.synchronize(flat.device)  # NCCL only queues it


def _as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """uint8 (bytes,), of the tensor's own memory."""
    return tensor.reshape(-1).view(torch.uint8)
