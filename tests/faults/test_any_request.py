"""Whatever an ECG in a request holds, reading it takes little, and ends in a signal or in a RecordError."""

import numpy as np
import pytest
from bounded import Bounded
from damage import HOSTILE, PATH, replaced
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_r1.ecg.simulate import simulate
from ecg_r1.model.message import ecg_part, read_ecg

BOUNDED = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
KEYS = st.sampled_from(["leads", "sampling_rate", "unit", "signal", "x", ""])
LONG = [[[0.0] * 70_000], [["1"] * 600] * 12, [[True] * 600] * 12]
VALUES = HOSTILE | st.sampled_from(["uV", "mV", 1e-300, 1e308, *LONG])


@st.composite
def ecgs(draw):
    """A made-up ECG, or what becomes of a sound one."""
    if draw(st.booleans()):
        return "made up", draw(st.dictionaries(KEYS, VALUES) | VALUES)
    changes = st.tuples(PATH, VALUES, st.none() | KEYS)
    return "changed", draw(st.lists(changes, max_size=2))


SOUND: list[dict] = []  # of this worker


def read(case: tuple[str, object]) -> None:
    kind, what = case
    if kind == "changed":
        if not SOUND:
            part = ecg_part(next(iter(simulate(1, seed=2))).record)["ecg"]
            SOUND.append(part | {"signal": [row[:1500] for row in part["signal"]]})
        ecg = SOUND[0]
        for path, value, key in what:
            ecg = replaced(ecg, path, value, key) if isinstance(ecg, dict | list) and ecg else value
    else:
        ecg = what
    signal = read_ecg(ecg)
    assert signal.shape == (12, 5000)
    assert np.isfinite(signal).all()


@pytest.fixture(scope="module")
def worker():
    with Bounded(read) as worker:
        yield worker


@given(case=ecgs())
@settings(BOUNDED, max_examples=60, derandomize=True)
def test_any_ecg_of_a_request(worker, case):
    worker.try_(case)


@pytest.mark.slow  # drawn at random: what it finds must not decide whether a change lands
@given(case=ecgs())
@settings(BOUNDED, max_examples=1500)
def test_many_ecgs_of_requests(worker, case):
    worker.try_(case)
