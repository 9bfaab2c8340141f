"""An ECG as a part of a chat message: how a client writes it, how the server reads it.

The part stands beside OpenAI's own (`text`, `image_url`):
`{"type": "ecg", "ecg": {"leads": ["I", …], "sampling_rate": 500, "unit": "mV", "signal": [[…], …]}}`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecg_r1.ecg.leads import LEADS, canonical_lead
from ecg_r1.ecg.raw import RawRecord
from ecg_r1.ecg.record import ECGRecord, RecordError, canonical, require_signal

LONGEST = 60_000  # samples of a lead: 60 s at 1000 Hz; of a longer recording the client sends the 10 s it asks about
HIGHEST = 100.0  # mV from peak to peak: more than recorders can store (16 bits at 1 µV), so the unit must be wrong

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # strict: "1" and true are no numbers


class ECGPart(BaseModel):
    """The value of `ecg` in a content part.

    Attributes:
        leads: names of standard leads, in any order and usual spelling.
        sampling_rate: Hz.
        unit: of the samples.
        signal: one row of samples for each name in `leads`.
    """

    model_config = ConfigDict(extra="forbid")
    leads: list[Annotated[str, Field(max_length=16)]] = Field(min_length=1, max_length=len(LEADS))
    sampling_rate: Annotated[Number, Field(gt=0)]
    unit: Literal["mV", "uV"]
    signal: list[Annotated[list[Number], Field(max_length=LONGEST)]] = Field(min_length=1, max_length=len(LEADS))


def ecg_part(record: ECGRecord) -> dict[str, Any]:
    """Write a record as a content part: the leads that were recorded, without padding.

    Args:
        record: the ECG.
    """
    rows = record.signal[record.lead_mask, : record.samples]
    return {
        "type": "ecg",
        "ecg": {
            "leads": list(record.leads),
            "sampling_rate": record.sampling_rate,
            "unit": "mV",
            # the shortest decimals that are read back as the same float32
            "signal": rows.astype(str).astype(np.float64).tolist(),
        },
    }


def page_part(page: np.ndarray) -> dict[str, Any]:
    """Write a page as a content part: a PNG, so that no pixel changes.

    Args:
        page: uint8 (H, W, 3).
    """
    from PIL import Image

    png = io.BytesIO()
    Image.fromarray(page).save(png, "PNG")
    return {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()},
    }


def user_message(question: str, records: Sequence[ECGRecord], pages: Sequence[np.ndarray] = ()) -> dict[str, Any]:
    """Write a chat message: each record with its page, then the question.

    Args:
        question: without tags.
        records: one ECG or several.
        pages: one uint8 (H, W, 3) for each record; none to send the signals alone.

    Raises:
        ValueError: some records have a page and others have none.
    """
    media = [[ecg_part(record)] for record in records]
    for parts, page in zip(media, pages, strict=bool(pages)):
        parts.append(page_part(page))
    content = [part for parts in media for part in parts]
    return {"role": "user", "content": [*content, {"type": "text", "text": question}]}


def read_ecg(ecg: Any) -> np.ndarray:
    """Read the value of `ecg` in a content part, as a client sent it.

    Args:
        ecg: untrusted; see `ECGPart`.

    Returns:
        float32 (12, 5000) in mV, canonical leads at 500 Hz; 0 where a lead is missing.

    Raises:
        RecordError: it is not an ECG: the shape is wrong, a sample is NaN, all leads are flat, a lead is unknown or
            occurs twice, or the rate or unit is impossible.
    """
    if not isinstance(ecg, Mapping):
        raise RecordError('ecg: give {"leads": […], "sampling_rate": …, "unit": "mV", "signal": [[…], …]}')
    try:
        part = ECGPart.model_validate(ecg)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise RecordError(f"ecg: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if len(part.signal) != len(part.leads):
        raise RecordError(f"ecg: {len(part.signal)} rows of `signal` for {len(part.leads)} names in `leads`")
    if unknown := [name for name in part.leads if canonical_lead(name) is None]:  # none is left out in silence
        raise RecordError(f"ecg: {unknown[0][:16]!r} is no standard lead; name the leads {', '.join(LEADS)}")
    if len({len(row) for row in part.signal}) > 1:
        raise RecordError("ecg: the rows of `signal` differ in length")
    signal = np.array(part.signal)
    raw = RawRecord(
        signal=signal,
        names=tuple(part.leads),
        units=(part.unit,) * len(part.leads),
        rate=part.sampling_rate,
        seconds=signal.shape[1] / part.sampling_rate,
    )
    record = require_signal(canonical(raw, Path("ecg")))
    height = np.ptp(record.signal, axis=1).max()
    if height > HIGHEST:
        raise RecordError(f"ecg: {height:.0f} mV from peak to peak; check `unit` ({part.unit!r})")
    return record.signal
