"""What in a record's own header contradicts its signals: checksums and gains. The signals are read all the same.

A doubt is a note in `ECGRecord.quality` that begins with `DOUBT`; `read_record(…, refuse_doubtful=True)` refuses such
records.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecg_r1.ecg.raw import millivolts

DOUBT = "doubtful: "
# Times the gain that more than half of the leads have in common.
ODD = 2.0
# Times the middle lead's gain, where each lead has its own: LUDB's, which fit each lead's height, go up to 4.7.
FAR = 10.0


def is_doubt(note: str) -> bool:
    """Whether a note of `ECGRecord.quality` is a doubt."""
    return note.startswith(DOUBT)


def checksum_doubts(names: Sequence[str], given: Sequence[int | None], sums: Sequence[int]) -> list[str]:
    """The signals whose samples do not add up to their checksum.

    Writers that do not count leave all checksums at 0, so 0 is a checksum only beside others.

    Args:
        names: of the signals; given: checksums of the header; sums: of the samples, modulo 65536.
    """
    if not any(given):
        return []
    wrong = [
        name
        for name, checksum, found in zip(names, given, sums, strict=True)
        if checksum is not None and checksum != found
    ]
    return _doubt("the header's checksum contradicts the samples of {}", wrong)


def gain_doubts(names: Sequence[str], gains: Sequence[float | None], units: Sequence[str | None]) -> list[str]:
    """Leads whose height cannot be trusted.

    Args:
        names: of the leads; gains: units of the file in one physical unit, None where there is none.
        units: physical units as the header names them, None where it names none.
    """
    given = [gain for gain in gains if gain is not None]
    return [
        *_doubt("no gain for {} (200 units a mV taken)", _where(names, [gain is None for gain in gains])),
        *_doubt("negative gain turns {} upside down", _where(names, [(gain or 0) < 0 for gain in gains])),
        *_doubt("gain without a unit for {} (mV taken)", _where(names, [unit is None for unit in units])),
        *_doubt("gain of {} is far from the other leads'", _where(names, _far(gains, units)) if given else []),
    ]


def _far(gains: Sequence[float | None], units: Sequence[str | None]) -> list[bool]:
    if len(set(zip(gains, units, strict=True))) == 1:  # as nearly always
        return [False] * len(gains)
    a_mv = np.array(
        [
            np.nan if gain is None else abs(gain) / (millivolts(unit or "mV") or np.nan)
            for gain, unit in zip(gains, units, strict=True)
        ]
    )
    known = a_mv[np.isfinite(a_mv)]
    if not len(known):
        return [False] * len(gains)
    values, counts = np.unique(known, return_counts=True)
    common = counts.max() * 2 > len(known)
    middle, limit = (values[counts.argmax()], ODD) if common else (np.median(known), FAR)
    return [bool(max(gain / middle, middle / gain) >= limit) if np.isfinite(gain) else False for gain in a_mv]


def _where(names: Sequence[str], which: Sequence[bool]) -> list[str]:
    return [name for name, there in zip(names, which, strict=True) if there]


def _doubt(what: str, names: Sequence[str]) -> list[str]:
    shown = " ".join(name[:16] or "a signal without a name" for name in names[:12])
    return [DOUBT + what.format(shown)] if names else []
