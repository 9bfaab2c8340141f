"""What changed of an adapter since the last one: the bits that differ, compressed without loss.

An update changes a number by little, so its sign, its exponent and its first digits mostly stay: of two numbers that
are close, few of the upper bits differ. The bytes of one place in all numbers lie together, and those that are mostly
zero shrink. What comes out on the other side is the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import torch

_ZSTD = pa.Codec("zstd", compression_level=1)


def changes(old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The way from one set of tensors to another of the same names, shapes and types.

    Returns:
        Compressed bytes by their place in a number, the lowest first: uint8 (bytes,) each.
    """
    planes = zip(_planes(old), _planes(new), strict=True)
    return {
        str(place): np.frombuffer(_ZSTD.compress(was ^ now, asbytes=True), np.uint8)
        for place, (was, now) in enumerate(planes)
    }


def changed(old: Mapping[str, torch.Tensor], way: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The tensors that `changes` was given as the new ones.

    Raises:
        ValueError: these are no changes of such tensors.
    """
    new = {name: old[name].clone(memory_format=torch.contiguous_format) for name in sorted(old)}
    place = -1
    for place, was in enumerate(_planes(old)):
        if str(place) not in way:
            raise ValueError(f"the changes of byte {place} are missing")
        try:
            differs = _ZSTD.decompress(way[str(place)].tobytes(), decompressed_size=was.size)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"the changes of byte {place} cannot be read: {error}") from None
        now, at = was ^ np.frombuffer(differs, np.uint8), 0
        for tensor in new.values():
            if place < tensor.element_size():
                _bytes(tensor)[:, place] = now[at : at + tensor.numel()]
                at += tensor.numel()
    if len(way) != place + 1:
        raise ValueError(f"changes of {len(way)} bytes a number, and the numbers have {place + 1}")
    return new


def _planes(tensors: Mapping[str, torch.Tensor]) -> Iterator[np.ndarray]:
    """The bytes of one place in all numbers, in the order of the names: the lowest place first."""
    for place in range(max((tensor.element_size() for tensor in tensors.values()), default=0)):
        yield np.concatenate(
            [_bytes(tensors[name])[:, place] for name in sorted(tensors) if place < tensors[name].element_size()]
        )


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    """uint8 (numbers, bytes of a number), of the tensor's own memory where it is contiguous."""
    size = tensor.element_size()
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().reshape(-1, size)
