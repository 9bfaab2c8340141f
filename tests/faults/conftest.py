"""Workers that several files of fault tests share."""

import pytest
from bounded import Bounded


@pytest.fixture(scope="session")
def opener():
    """Opens checkpoints; it has imported torch."""
    pytest.importorskip("torch")
    from opening import open_

    with Bounded(open_) as worker:
        yield worker
