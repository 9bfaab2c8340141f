"""What changed of an adapter comes out as the same bits, and is refused where it is no such thing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecg_r1.engine.changes import changed, changes


def tensors(seed, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    given = {name: torch.randn(shape, generator=random).to(dtype) for name, shape in SHAPES.items()}
    return given | {"turned": given["a"].T}


SHAPES = {"a": (64, 16), "b": (16, 8), "empty": (0, 4)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [0.0, 1e-4, 10.0])
def test_the_same_bits_come_out(dtype, size):
    old = tensors(0, dtype)
    new = {name: (tensor + size * torch.randn_like(tensor)).to(dtype) for name, tensor in old.items()}
    new["b"][0, :3] = torch.tensor([float("nan"), float("inf"), -0.0])
    before = {name: tensor.clone() for name, tensor in old.items()}
    found = changed(old, changes(old, new))
    assert found.keys() == new.keys()
    for name, tensor in found.items():
        assert tensor.shape == new[name].shape
        assert tensor.dtype == dtype
        assert tensor.contiguous().view(torch.uint8).equal(new[name].contiguous().view(torch.uint8))
        assert old[name].equal(before[name])


def test_types_may_differ_from_tensor_to_tensor():
    old = {"a": torch.randn(8, 4), "b": torch.randn(4).bfloat16(), "c": torch.zeros((), dtype=torch.float64)}
    new = {name: tensor + 1 for name, tensor in old.items()}
    found = changed(old, changes(old, new))
    assert all(tensor.equal(new[name]) and tensor.dtype == new[name].dtype for name, tensor in found.items())


def test_small_changes_take_few_bytes():
    old = tensors(0)
    new = {name: tensor * (1 + 2**-12) for name, tensor in old.items()}
    whole = sum(tensor.nbytes for tensor in old.values())
    assert sum(plane.nbytes for plane in changes(old, new).values()) < 0.7 * whole


def test_changes_of_something_else_are_refused():
    old = tensors(0)
    way = changes(old, tensors(1))
    for wrong in ({}, {name: way[name] for name in ("0", "1", "2")}, way | {"4": way["0"]}):
        with pytest.raises(ValueError, match="byte"):
            changed(old, wrong)
    for plane in (way["3"][:-4], np.frombuffer(b"nothing of the kind", np.uint8), np.zeros(0, np.uint8)):
        with pytest.raises(ValueError, match="byte 3 cannot be read"):
            changed(old, way | {"3": plane})
    with pytest.raises(ValueError, match="byte"):
        changed({"a": old["a"]}, way)
