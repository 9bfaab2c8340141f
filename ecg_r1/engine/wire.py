"""What trainer and rollout servers send each other: tensors as safetensors, everything else as the JSON in their head.

Neither side opens a pickle. A signal or page travels under the hash of its content, once to each server.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from safetensors.numpy import load, save

HEAD = 2**24  # bytes of the JSON, at most
STATE, WEIGHTS, GENERATE, HEALTH = "/rollouts/state", "/rollouts/weights", "/rollouts/generate", "/health"


def pack(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> bytes:
    """A message.

    Args:
        said: what JSON can hold.
        tensors: by name.
    """
    return save(tensors, metadata={"said": json.dumps(said)})


def unpack(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `pack` was given.

    Raises:
        ValueError: this is no such message.
    """
    size = int.from_bytes(body[:8], "little")
    if not 2 <= size <= min(HEAD, len(body) - 8):
        raise ValueError("this is no safetensors message")
    try:
        said = json.loads(json.loads(body[8 : 8 + size])["__metadata__"]["said"])
        tensors = load(body)
    except Exception as error:  # safetensors has an error class of its own in each of its parts
        raise ValueError(f"the message cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise ValueError("the message's head is no JSON object")
    return said, tensors


def content_hash(array: np.ndarray) -> str:
    """The name under which a signal or page travels, and its features are kept: 32 hexadecimal digits."""
    array = np.ascontiguousarray(array)
    digest = hashlib.blake2b(f"{array.dtype} {array.shape} ".encode(), digest_size=16)
    digest.update(array.data)
    return digest.hexdigest()
