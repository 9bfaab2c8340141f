"""DICOM-ECG: 12-lead and general ECG waveform storage, read by pydicom."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.ecg.leads import LEADS, canonical_lead
from ecg_r1.ecg.other_files import LARGEST, SECONDS
from ecg_r1.ecg.raw import NOT_MILLIVOLTS, RawRecord, RecordError, millivolts, needs, size_of

# What pydicom raises on damaged files, beside its own errors.
_DICOM_ERRORS = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, EOFError, OverflowError, MemoryError,
    NotImplementedError, RuntimeError, RecursionError, struct.error,
)  # fmt: skip
# Codes of ECG leads (DICOM PS3.16, CID 3001): the last number of MDC's `2:61` and of SCP-ECG's `5.6.3-9-61`.
_CODES = dict(zip(("1", "2", "61", "62", "63", "64", "3", "4", "5", "6", "7", "8"), LEADS, strict=True))


def read_dicom(path: Path) -> RawRecord:
    """The multiplex group of a DICOM file with the most standard leads, the longest of those; no median beats.

    Raises:
        RecordError: no DICOM file, without waveforms, or pydicom is not installed.
    """
    with needs("pydicom", "dicom", path):
        from pydicom import dcmread
        from pydicom.errors import BytesLengthException, InvalidDicomError
        from pydicom.filereader import read_file_meta_info
        from pydicom.uid import DeflatedExplicitVRLittleEndian
        from pydicom.waveforms import multiplex_array
    if size_of(path) > LARGEST:
        raise RecordError(f"{path}: larger than {LARGEST >> 20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values that bend the standard, which ECG devices write
            if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                raise RecordError(f"{path}: a deflated DICOM file, which could open to any size, is not read")
            content = dcmread(path)
        groups = content.get("WaveformSequence") or []
        if not groups:
            raise RecordError(f"{path}: a DICOM file without waveforms")
        ranked = [(_standard(group), _seconds(group), -place) for place, group in enumerate(groups)]
        place = -max(ranked)[2]
        group = groups[place]
        raw = multiplex_array(content, place, as_raw=True).T
        signal = np.asarray(multiplex_array(content, place, as_raw=False).T, float).copy()
        if padding := group.get("WaveformPaddingValue"):
            signal[raw == int.from_bytes(padding[: raw.itemsize], "little", signed=raw.dtype.kind == "i")] = np.nan
        rate = float(group.SamplingFrequency)
        channels = group.ChannelDefinitionSequence
        names, units = tuple(map(_name, channels)), tuple(map(_unit, channels))
        comments = tuple(
            f"{key}: {value}"
            for key, value in (
                ("Age", _years(str(content.get("PatientAge") or ""))),
                ("Sex", content.get("PatientSex")),
                ("Patient", content.get("PatientID")),
            )
            if value
        )
    except RecordError:
        raise
    except (InvalidDicomError, BytesLengthException, *_DICOM_ERRORS) as error:
        raise RecordError(f"{path}: not a DICOM ECG ({str(error)[:80]})") from None
    if not 0 < rate <= 1e6:
        raise RecordError(f"{path}: sampled at {rate:g} Hz")
    seconds = signal.shape[1] / rate
    return RawRecord(signal[:, : int(SECONDS * rate)], names, units, rate, seconds, comments, path.parent.name or None)


def _standard(group: Any) -> int:
    """How many standard leads a group holds; none where it was derived, as median beats are."""
    if str(group.get("WaveformOriginality", "ORIGINAL")).upper() == "DERIVED":
        return 0
    return len({canonical_lead(_name(channel)) for channel in group.ChannelDefinitionSequence} - {None})


def _seconds(group: Any) -> float:
    """How long a group is; a file may not say that it was derived, but a median beat is short."""
    return float(group.get("NumberOfWaveformSamples") or 0) / (float(group.get("SamplingFrequency") or 0) or np.inf)


def _name(channel: Any) -> str:
    """The lead by its code, else the first of what it means, its code and its label that names a lead."""
    source = (channel.get("ChannelSourceSequence") or [{}])[0]
    code = str(source.get("CodeValue") or "")
    if (code.startswith("2:") or code.startswith("5.6.3-9-")) and (known := _CODES.get(code[-2:].lstrip(":-"))):
        return known
    written = [str(source.get("CodeMeaning") or "").partition(",")[0], code, str(channel.get("ChannelLabel") or "")]
    return next(filter(canonical_lead, written), next(filter(None, written), ""))


def _unit(channel: Any) -> str:
    units = channel.get("ChannelSensitivityUnitsSequence")
    if not units or channel.get("ChannelSensitivity") is None:
        return NOT_MILLIVOLTS
    unit = str(units[0].get("CodeValue", ""))
    return unit if millivolts(unit) else str(units[0].get("CodeMeaning", unit))


def _years(age: str) -> str:
    """DICOM writes an age as 060Y; days, weeks and months are less than a year."""
    return age[:3].lstrip("0") if age.endswith("Y") else "0" if age else ""
