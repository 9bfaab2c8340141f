"""ECGs in XML: HL7 aECG, GE MUSE and CardioSoft, Philips Sierra.

defusedxml reads the XML: without entities, which could grow without limit or name other files. No library that runs on
Python 3.11 reads aECG or GE's XML without assuming a rate or unit that is missing; Philips' compression is sierraecg's.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ecg_r1.ecg.other_files import SECONDS
from ecg_r1.ecg.philips import read_philips
from ecg_r1.ecg.raw import RawRecord, RecordError, needs, size_of

LARGEST = 16 << 20  # bytes; an ECG of 10 s takes 1
_XML_ERRORS = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError, OSError, RecursionError,
    RuntimeError, SyntaxError, LookupError, StopIteration,
)  # fmt: skip
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def read_xml(path: Path) -> RawRecord:
    """An ECG in one of the kinds of XML that are known, which its root tells.

    Raises:
        RecordError: no XML, of another kind, damaged, or defusedxml is not installed.
    """
    with needs("defusedxml", "xml", path):
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import parse
    if size_of(path) > LARGEST:
        raise RecordError(f"{path}: larger than {LARGEST >> 20} MiB")
    try:
        root = parse(path, forbid_dtd=False).getroot()
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    except (DefusedXmlException, *_XML_ERRORS) as error:
        raise RecordError(f"{path}: not XML that can be read ({str(error)[:80]})") from None
    reader = _KINDS.get(root.tag)
    if reader is None:
        raise RecordError(f"{path}: XML with the root {root.tag[:40]!r}; {', '.join(_KINDS)} are read")
    try:
        raw = reader(root, path)
    except RecordError:
        raise
    except _XML_ERRORS as error:
        raise RecordError(f"{path}: a damaged {root.tag} ({str(error)[:80]})") from None
    return raw


def _aecg(root: Element, path: Path) -> RawRecord:
    """HL7 annotated ECG: the first rhythm series, whose every value is `origin + scale * digit`."""
    every = list(root.iter("series"))
    rhythm = [series for series in every if _attribute(series, "code", "code").upper() == "RHYTHM"]
    leads: dict[str, tuple[np.ndarray, str]] = {}
    rate = 0.0
    for sequence in (rhythm or every or [root])[0].iter("sequence"):
        code, value = _attribute(sequence, "code", "code"), sequence.find("value")
        if value is None:
            continue
        if code.upper().startswith("TIME_"):
            step = value.find("increment")
            if step is None or step.get("unit") not in _SECONDS:
                raise RecordError(f"{path}: the time between its samples is not given in s, ms or us")
            rate = 1 / (float(step.attrib["value"]) * _SECONDS[step.attrib["unit"]])
        elif (digits := value.findtext("digits")) and code not in leads:
            scale, origin = value.find("scale"), value.find("origin")
            if scale is None or not scale.get("unit"):
                raise RecordError(f"{path}: no scale or unit for {code[:40]}")
            unit, start = scale.attrib["unit"], 0.0
            if origin is not None and float(origin.get("value", 0)):
                if origin.get("unit", unit) != unit:
                    raise RecordError(f"{path}: origin and scale of {code[:40]} differ in their unit")
                start = float(origin.attrib["value"])
            leads[code] = start + float(scale.attrib["value"]) * np.array(digits.split(), float), unit
    subject = next(root.iter("trialSubject"), None)
    notes = {}
    if subject is not None:
        identifier = subject.find("id")
        notes["Patient"] = "" if identifier is None else identifier.get("extension", "")
        notes["Sex"] = next((code.get("code", "") for code in subject.iter("administrativeGenderCode")), "")
    return _record(path, leads, rate, notes)


def _muse(root: Element, path: Path) -> RawRecord:
    """GE MUSE: the rhythm waveform; III, aVR, aVL and aVF follow from I and II."""
    for waveform in root.iter("Waveform"):
        if (waveform.findtext("WaveformType") or "").strip().upper() != "RHYTHM":
            continue
        rate = float(_text(waveform, "SampleBase", path)) * 10 ** float(waveform.findtext("SampleExponent") or 0)
        leads: dict[str, tuple[np.ndarray, str]] = {}
        for lead in waveform.iter("LeadData"):
            samples = np.frombuffer(base64.b64decode(_text(lead, "WaveFormData", path)), "<i2").astype(float)
            samples[samples == -32768] = np.nan
            unit = _text(lead, "LeadAmplitudeUnits", path).rstrip("Ss")
            name = _text(lead, "LeadID", path)
            leads[name] = samples * float(_text(lead, "LeadAmplitudeUnitsPerBit", path)), unit
        patient = root.find("PatientDemographics")
        notes = {}
        if patient is not None:
            years = (patient.findtext("AgeUnits") or "YEARS").strip().upper() == "YEARS"
            notes = {
                "Age": (patient.findtext("PatientAge") or "") if years else "0",
                "Sex": patient.findtext("Gender") or "",
                "Patient": patient.findtext("PatientID") or "",
            }
        said = (statement.findtext("StmtText") or "" for statement in root.iterfind("Diagnosis/DiagnosisStatement"))
        return _record(path, leads, rate, notes | {"Report": " ".join(" ".join(said).split())})
    raise RecordError(f"{path}: a MUSE file without a rhythm waveform")


def _cardiosoft(root: Element, path: Path) -> RawRecord:
    """GE CardioSoft: the ten seconds of `StripData`, in units of its resolution."""
    strip = next(root.iter("StripData"), None)
    if strip is None:
        raise RecordError(f"{path}: a CardioSoft file without StripData")
    resolution = strip.find("Resolution")
    if resolution is None or resolution.get("units", "").lower() not in ("uvperlsb", "µvperlsb", "μvperlsb"):
        raise RecordError(f"{path}: the resolution of its samples is not given in uVperLsb")
    step = float(resolution.text or "")
    leads = {
        wave.get("lead", ""): (step * np.array((wave.text or "").replace(",", " ").split(), float), "uV")
        for wave in strip.iter("WaveformData")
    }
    patient = next(root.iter("PatientInfo"), None)
    notes = {}
    if patient is not None:
        tags = {"Age": "Age", "Sex": "Gender", "Patient": "PID"}
        notes = {name: patient.findtext(tag) or "" for name, tag in tags.items()}
    return _record(path, leads, float(_text(strip, "SampleRate", path)), notes)


def _philips(root: Element, path: Path) -> RawRecord:
    leads, rate, notes = read_philips(root, path)
    return _record(path, leads, rate, notes)


_KINDS: dict[str, Callable[[Element, Path], RawRecord]] = {
    "AnnotatedECG": _aecg,
    "RestingECG": _muse,
    "CardiologyXML": _cardiosoft,
    "restingecgdata": _philips,
}


def _record(path: Path, leads: dict[str, tuple[np.ndarray, str]], rate: float, notes: dict[str, str]) -> RawRecord:
    if not leads:
        raise RecordError(f"{path}: no leads in it")
    if not 0 < rate <= 1e6:
        raise RecordError(f"{path}: sampled at {rate:g} Hz")
    lengths = {len(samples) for samples, _ in leads.values()}
    if len(lengths) > 1:
        raise RecordError(f"{path}: leads of different lengths: {', '.join(map(str, sorted(lengths)))} samples")
    rate = round(rate, 6)
    signal = np.stack([samples[: int(SECONDS * rate)] for samples, _ in leads.values()])
    return RawRecord(
        signal=signal,
        names=tuple(leads),
        units=tuple(unit for _, unit in leads.values()),
        rate=rate,
        seconds=lengths.pop() / rate,
        comments=tuple(f"{key}: {value.strip()}" for key, value in notes.items() if value.strip()),
        source=path.parent.name or None,
    )


def _text(element: Element, tag: str, path: Path) -> str:
    if not (text := (element.findtext(tag) or "").strip()):
        raise RecordError(f"{path}: no {tag} in its {element.tag}")
    return text


def _attribute(element: Element, tag: str, name: str) -> str:
    child = element.find(tag)
    return "" if child is None else child.get(name, "")
