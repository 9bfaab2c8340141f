"""A sound WFDB record in each format of signal files, with the checksums that its samples have."""

from pathlib import Path

import numpy as np
import wfdb

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.simulate import simulate

WRITTEN_BY_WFDB = {"16": 1000, "212": 250, "24": 9000, "32": 9000, "80": 40, "508": 40, "516": 1000, "524": 9000}
FORMATS = (*WRITTEN_BY_WFDB, "8", "61", "310", "311")


def write(folder: Path, kind: str, *, seconds: float = 10, seed: int = 2) -> Path:
    """A simulated ECG in format `kind`. Returns its path without ending."""
    signal = next(iter(simulate(1, seed=seed))).record.signal
    signal = np.tile(signal, int(np.ceil(seconds / 10)))[:, : int(500 * seconds)]
    name = f"f{kind}"
    if gain := WRITTEN_BY_WFDB.get(kind):
        digital = np.rint(signal * gain).astype(np.int64).T
        most = 100 if kind in ("80", "508") else 2000 if kind == "212" else 1 << 20
        wfdb.wrsamp(
            name, fs=500, units=["mV"] * 12, sig_name=list(LEADS), d_signal=np.clip(digital, -most, most),
            fmt=[kind] * 12, adc_gain=[gain] * 12, baseline=[0] * 12, write_dir=str(folder),
        )  # fmt: skip
        return folder / name
    gain = 80 if kind in ("310", "311") else 1000 if kind == "61" else 20
    digital = np.rint(signal * gain).astype(np.int64)
    initial = digital[:, 0]
    if kind == "8":
        steps = np.diff(digital, axis=1, prepend=initial[:, None]).clip(-128, 127)
        content, digital = steps.T.astype(np.int8).tobytes(), initial[:, None] + np.cumsum(steps, axis=1)
    elif kind == "61":
        content = digital.T.astype(">i2").tobytes()
    else:
        content = _packed(digital.T.ravel(), kind)
    (folder / f"{name}.dat").write_bytes(content)
    lines = [f"{name} 12 500 {digital.shape[1]}"]
    for lead, row in zip(LEADS, digital, strict=True):
        lines.append(f"{name}.dat {kind} {gain}/mV 10 0 {row[0]} {int(row.sum()) % 65536} 0 {lead}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder / name


def _packed(samples: np.ndarray, kind: str) -> bytes:
    """Three samples of 10 bits in 4 bytes, as https://physionet.org/physiotools/wag/signal-5.htm packs them."""
    a, b, c = (samples.reshape(-1, 3) & 1023).T
    if kind == "311":
        return (a | b << 10 | c << 20).astype("<u4").tobytes()
    first = a << 1 | (c & 31) << 11
    second = b << 1 | (c >> 5) << 11
    return np.stack([first, second], axis=1).astype("<u2").tobytes()
