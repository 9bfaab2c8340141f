"""Real records where they are at hand: `../shared/ecg` beside the checkout, or the folder ECG_R1_RECORDS names."""

import os
from pathlib import Path

import pytest

RECORDS = Path(os.environ.get("ECG_R1_RECORDS", Path(__file__).parents[2] / "../shared/ecg"))


@pytest.fixture(scope="session")
def real_records() -> Path:
    if not (RECORDS / "ludb").is_dir():
        pytest.skip(f"no real records at {RECORDS}; set ECG_R1_RECORDS to run this")
    return RECORDS
