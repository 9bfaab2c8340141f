"""Philips Sierra XML (PageWriter): its leads, which sierraecg decompresses."""

from __future__ import annotations

import base64
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecg_r1.ecg.raw import RecordError, needs

CODE = 10  # bits of a code of its LZW compression
LONGEST = 120_000  # bytes that a lead may open to: a minute at 1000 Hz


def read_philips(root: Element, path: Path) -> tuple[dict[str, tuple[np.ndarray, str]], float, dict[str, str]]:
    """The leads with their units, the sampling rate, and what the header says of the patient.

    Raises:
        RecordError: a resolution is missing, the signal would open to more than `LONGEST`, or sierraecg is missing or
            cannot read it.
    """
    with needs("sierraecg", "xml", path):
        from sierraecg import read_file
    waves = next(root.iter("parsedwaveforms"), None)
    resolution = next((element.text for element in root.iter("signalresolution")), None)
    if waves is None or not resolution:
        raise RecordError(f"{path}: no waveforms, or no signalresolution, which says how many µV a unit is")
    _refuse_bombs(base64.b64decode("".join((waves.text or "").split())), path)
    leads = read_file(str(path)).leads
    found = {lead.label: (np.asarray(lead.samples, float) * float(resolution), "uV") for lead in leads}
    rates = {float(lead.sampling_freq) for lead in leads}
    if len(rates) != 1:
        raise RecordError(f"{path}: no leads, or leads of different rates")
    patient = {
        key: next((element.text or "" for element in root.iter(tag)), "")
        for key, tag in (("Age", "years"), ("Sex", "sex"), ("Patient", "patientid"))
    }
    return found, rates.pop(), patient


def _refuse_bombs(content: bytes, path: Path) -> None:
    """Count what each lead opens to, before sierraecg opens it byte by byte."""
    position = 0
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4], "little", signed=True)
        if size < 0:
            raise RecordError(f"{path}: damaged: a lead of {size} bytes")
        if _opened(content[position + 8 : position + 8 + size]) > LONGEST:
            raise RecordError(f"{path}: a lead opens to more than {LONGEST} bytes")
        position += 8 + size


def _opened(chunk: bytes) -> int:
    """Bytes that an LZW stream opens to, or more than `LONGEST` as soon as that is certain."""
    lengths = dict.fromkeys(range(256), 1)
    total, previous, following = 0, 0, 256
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8))
    codes = bits[: len(bits) // CODE * CODE].reshape(-1, CODE) @ (1 << np.arange(CODE)[::-1])
    for code in codes.tolist():
        if code > (1 << CODE) - 2 or total > LONGEST:
            break
        length = lengths.setdefault(code, previous + 1)
        if previous and following <= (1 << CODE) - 2:
            lengths[following] = previous + 1
            following += 1
        total, previous = total + length, length
    return total
