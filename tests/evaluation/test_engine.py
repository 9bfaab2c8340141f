"""How much of a machine an engine takes that has it to itself."""

import pytest

torch = pytest.importorskip("torch")

from ecg_r1 import engine

GIB = 2**30


@pytest.mark.parametrize(("free", "share"), [(79, 0.9), (40, 0.475), (None, None)])
def test_an_engine_takes_what_is_free_on_a_gpu(monkeypatch, free, share):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: free is not None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free * GIB, 80 * GIB))
    assert engine._memory_share() == ({} if share is None else {"gpu_memory_utilization": pytest.approx(share)})
