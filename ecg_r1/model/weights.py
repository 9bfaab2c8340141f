"""Tensors on disk: names, shapes and dtypes first, then the values, one shard at a time."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ecg_r1.errors import UserError
from ecg_r1.files import read_object, read_start

LARGEST_INDEX = 2**26  # bytes
LONGEST_NAME = 300  # characters of a tensor's name
LARGEST_HEADER = 2**23  # bytes of a shard's names, shapes and dtypes: about 70,000 tensors
MOST_TENSORS = 200_000
SHARD_BYTES = 2**30  # of each file written; writing holds twice as much in memory
PICKLED = (".bin", ".pt", ".pth")
# What torch raises on damaged files, beside `UnpicklingError`: it carries out the bytes of a pickle as they come.
_DAMAGED = (
    RuntimeError, ValueError, LookupError, EOFError, TypeError, AttributeError, AssertionError, OverflowError,
    MemoryError, struct.error, zipfile.BadZipFile,
)  # fmt: skip


class CheckpointError(UserError):
    """A checkpoint is missing, damaged or of another model, or the model does not have a part of that name."""


@dataclass(frozen=True)
class Stored:
    """A tensor of a checkpoint that is not read yet: where it is, its shape and dtype."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


def inventory(path: Path, pickled: bool = True) -> dict[str, Stored]:
    """List every tensor of a checkpoint; those of a nested pickle get dotted names.

    Args:
        path: a file, or a folder of shards.
        pickled: read torch's files if there is no safetensors; they are opened without running any code.

    Returns:
        Name -> where the tensor is.

    Raises:
        CheckpointError: there are no weights; a shard is missing, truncated or not a weights file; a tensor of the
            index is in no shard; two shards hold the same name.
    """
    files, index = ([path], {}) if path.is_file() else _files(path, pickled)
    tensors: dict[str, Stored] = {}
    for file in files:
        for name, shape, dtype in _pickled_headers(file) if file.suffix in PICKLED else _headers(file):
            if name in tensors:
                raise CheckpointError(f"{name}: both in {tensors[name].file.name} and in {file.name} of {path}")
            if len(tensors) == MOST_TENSORS:
                raise CheckpointError(f"{path}: more than {MOST_TENSORS:,} tensors")
            tensors[name] = Stored(file, name, shape, dtype)
    for name, file_name in index.items():
        if name not in tensors:
            raise CheckpointError(f"{path / file_name}: lacks {name}, which the index says it holds; fetch it again")
    return tensors


def read(tensors: Iterable[Stored]) -> Iterator[tuple[Stored, torch.Tensor]]:
    """Read tensors shard by shard, with one shard open at a time.

    Args:
        tensors: as `inventory` lists them.

    Yields:
        Each tensor's place and its values.

    Raises:
        CheckpointError: a value is NaN or infinite.
    """
    for stored, tensor in _read(tensors):
        check_finite(stored.name, tensor, stored.file)
        yield stored, tensor


def _read(tensors: Iterable[Stored]) -> Iterator[tuple[Stored, torch.Tensor]]:
    by_file: dict[Path, list[Stored]] = {}
    for tensor in tensors:
        by_file.setdefault(tensor.file, []).append(tensor)
    for file, wanted in by_file.items():
        if file.suffix in PICKLED:
            state = dict(_flat(_unpickle(file, "cpu")))
            yield from ((tensor, state[tensor.name]) for tensor in wanted)
        else:
            with safe_open(file, "pt") as shard:
                yield from ((tensor, shard.get_tensor(tensor.name)) for tensor in wanted)


def check_values(path: Path) -> None:
    """Read every tensor of a checkpoint once, and keep none.

    Args:
        path: a folder of safetensors, or one file.

    Raises:
        CheckpointError: a value is NaN or infinite; the message names the tensor.
    """
    for _ in read(inventory(path, pickled=False).values()):
        pass


def check_finite(name: str, tensor: torch.Tensor, where: Path | str) -> None:
    """Refuse a tensor with a value that is NaN or infinite.

    Args:
        name: of the tensor.
        tensor: of any dtype; whole numbers are always finite.
        where: begins the message.

    Raises:
        CheckpointError: there is such a value.
    """
    if first_not_finite([(name, tensor)]) is None:
        return
    count = int((~torch.isfinite(tensor)).sum())
    raise CheckpointError(
        f"{where}: {count:,} of the {tensor.numel():,} values of {name} are NaN or infinite; take an earlier checkpoint"
    )


def first_not_finite(tensors: Iterable[tuple[str, torch.Tensor]]) -> str | None:
    """The name of the first tensor with a value that is NaN or infinite; None where all values are finite.

    Sums are taken first, with one answer for all of them: NaN and infinity are never lost in a sum. Values are looked
    at where a sum is not finite, since it can be too large with finite values.

    Args:
        tensors: name and values.
    """
    floating = [(name, tensor) for name, tensor in tensors if tensor.is_floating_point() and tensor.numel()]
    if not floating:
        return None
    sums = torch.stack([tensor.sum(dtype=torch.float32).cpu() for _, tensor in floating])
    suspect = [pair for pair, good in zip(floating, torch.isfinite(sums).tolist(), strict=True) if not good]
    return next((name for name, tensor in suspect if not bool(torch.isfinite(tensor).all())), None)


def few(words: Iterable[str], shown: int = 3) -> str:
    """Shorten a list for an error of one line: its first `shown` words, and how many more there are."""
    listed = list(words)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more


class ShardWriter:
    """Writes safetensors of at most `SHARD_BYTES` and their index, with the file names of transformers.

    Args:
        folder: to write into; it must exist.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._shards: list[list[str]] = []
        self._held: dict[str, torch.Tensor] = {}
        self._bytes = self._total = 0

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Add a tensor, and write the shard that is full."""
        if self._held and self._bytes + tensor.nbytes > SHARD_BYTES:
            self._write()
        # A copy: a view of a mapped file would keep all of it in memory, and safetensors takes no shared storage.
        self._held[name] = tensor.clone(memory_format=torch.contiguous_format)
        self._bytes += tensor.nbytes
        self._total += tensor.nbytes

    def close(self) -> None:
        """Write the last shard and the index, and give the shards their names."""
        self._write()
        count = len(self._shards)
        if count == 1:
            self._path(0).rename(self.folder / "model.safetensors")
            return
        names = [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
        for i, name in enumerate(names):
            self._path(i).rename(self.folder / name)
        weight_map = {tensor: name for name, shard in zip(names, self._shards, strict=True) for tensor in shard}
        index = {"metadata": {"total_size": self._total}, "weight_map": weight_map}
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def _write(self) -> None:
        save_file(self._held, self._path(len(self._shards)), metadata={"format": "pt"})
        self._shards.append(list(self._held))
        self._held, self._bytes = {}, 0

    def _path(self, shard: int) -> Path:
        return self.folder / f"shard-{shard}.safetensors"


def _files(folder: Path, pickled: bool) -> tuple[list[Path], Mapping[str, str]]:
    """The shards, and the index where there is one: tensor -> shard."""
    for stem, ending in (("model", "safetensors"), ("pytorch_model", "bin"))[: 1 + pickled]:
        index = folder / f"{stem}.{ending}.index.json"
        if index.is_file():
            weight_map = read_object(index, LARGEST_INDEX, CheckpointError).get("weight_map")
            if not isinstance(weight_map, dict) or not weight_map:
                raise CheckpointError(f"{index}: weight_map must say which shard holds each tensor")
            for name in weight_map.values():
                if not isinstance(name, str) or Path(name).name != name or "\0" in name or not name.endswith(ending):
                    raise CheckpointError(f"{index}: weight_map: {name!r:.80} is no {ending} file of this folder")
            names = sorted(set(weight_map.values()))
            missing = [name for name in names if not (folder / name).is_file()]
            if missing:
                raise CheckpointError(f"{folder}: the index names shards that are not there: {few(missing)}")
            return [folder / name for name in names], weight_map
        files = sorted(folder.glob(f"{stem}*.{ending}"))
        if files:
            return files, {}
    also = " or pytorch_model*.bin" if pickled else "; pickled weights are not opened"
    raise CheckpointError(f"{folder}: no weights; expected model*.safetensors{also}")


def _headers(file: Path) -> Iterator[tuple[str, tuple[int, ...], torch.dtype]]:
    _check_header(file)
    try:
        with safe_open(file, "pt") as shard:
            for name in shard.keys():  # noqa: SIM118 (a shard is no mapping)
                if not name.isprintable() or len(name) > LONGEST_NAME:
                    raise CheckpointError(f"{file}: no tensor is called {name[:LONGEST_NAME]!r}")
                tensor = shard.get_slice(name)
                if tensor.get_dtype() not in DTYPES:
                    known = ", ".join(DTYPES)
                    raise CheckpointError(f"{file}: {name} has dtype {tensor.get_dtype()}; known are {known}")
                yield name, tuple(tensor.get_shape()), DTYPES[tensor.get_dtype()]
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file}: truncated, or no safetensors file ({str(error)[:LONGEST_NAME]}); fetch it again"
        ) from None


def _check_header(file: Path) -> None:
    """A pipe would be waited for, and a header of 100 MB, the most that safetensors reads, takes 1 GB."""
    length = int.from_bytes(read_start(file, 8, CheckpointError), "little")
    if not 2 <= length <= LARGEST_HEADER:
        raise CheckpointError(
            f"{file}: truncated, or no safetensors file (a header of {length:,} bytes; at most {LARGEST_HEADER:,} are "
            "read); fetch it again"
        )


def _pickled_headers(file: Path) -> Iterator[tuple[str, tuple[int, ...], torch.dtype]]:
    for name, tensor in _flat(_unpickle(file, "meta")):
        yield name, tuple(tensor.shape), tensor.dtype


def _unpickle(file: Path, device: str) -> Any:
    try:
        # `weights_only`: tensors and plain containers, no code. Mapped, a tensor is read when it is used.
        return torch.load(file, map_location=device, weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{file}: holds more than tensors, or is damaged; no code of a checkpoint is run, so it is not read"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{file}: {error.strerror or error}") from None
    except _DAMAGED:  # torch's own words advise to run the file's code
        raise CheckpointError(f"{file}: truncated, or no torch file; fetch it again") from None


def _flat(state: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(state, torch.Tensor):
        yield prefix, state
    elif isinstance(state, Mapping | list | tuple):
        for key, value in state.items() if isinstance(state, Mapping) else enumerate(state):
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))


DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip
