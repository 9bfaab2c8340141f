"""A simulated ECG as DICOM, EDF and the XML of HL7, GE and Philips."""

import base64
from itertools import pairwise
from pathlib import Path

import numpy as np

from ecg_r1.ecg.leads import LEADS

# DICOM's codes of the leads (PS3.16, CID 3001).
MDC = dict(zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))


def dicom(path: Path, microvolts: np.ndarray, *, coded: bool = True) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid

    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = TwelveLeadECGWaveformStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = generate_uid()
    file.PatientID, file.PatientSex, file.PatientAge = "p 7", "F", "061Y"
    file.WaveformSequence = [
        _group(microvolts[:, :600], "DERIVED", coded),  # a median beat
        _group(microvolts, "ORIGINAL", coded),
    ]
    file.save_as(path, enforce_file_format=True)


def _group(microvolts: np.ndarray, originality: str, coded: bool):
    from pydicom.dataset import Dataset

    group = Dataset()
    group.WaveformOriginality, group.SamplingFrequency = originality, 500
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = microvolts.shape
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformPaddingValue = (-32768).to_bytes(2, "little", signed=True)
    samples = np.where(np.isnan(microvolts), -32768, np.rint(np.nan_to_num(microvolts) / 2.5)).astype("<i2")
    group.WaveformData = samples.T.tobytes()
    group.ChannelDefinitionSequence = []
    for lead in LEADS:
        channel, source, unit = Dataset(), Dataset(), Dataset()
        source.CodeValue, source.CodingSchemeDesignator = (f"2:{MDC[lead]}", "MDC") if coded else ("x", "99LOCAL")
        source.CodeMeaning = "coded" if coded else f"Lead {lead} (Einthoven)"
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
        channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = [source], [unit]
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = 2.5, 1
        channel.ChannelBaseline, channel.WaveformBitsStored = 0, 16
        group.ChannelDefinitionSequence.append(channel)
    return group


def edf(path: Path, microvolts: np.ndarray) -> None:
    import pyedflib

    with pyedflib.EdfWriter(str(path), 13, file_type=pyedflib.FILETYPE_EDFPLUS) as file:
        for i, name in enumerate([*(f"ECG {lead}" for lead in LEADS), "Resp"]):
            file.setSignalHeader(i, {
                "label": name, "dimension": "uV", "sample_frequency": 500 if i < 12 else 25, "physical_max": 8000.0,
                "physical_min": -8000.0, "digital_max": 32767, "digital_min": -32768, "prefilter": "", "transducer": "",
            })  # fmt: skip
        file.setSex(0)
        file.setPatientCode("p7")
        file.writeSamples([*microvolts, np.zeros(microvolts.shape[1] // 20)])


def aecg(path: Path, microvolts: np.ndarray, *, unit: str = "uV") -> None:
    rows = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/><value xsi:type="SLIST_PQ">'
        f'<origin value="0" unit="{unit}"/><scale value="2.5" unit="{unit}"/>'
        f"<digits>{' '.join(map(str, np.rint(row / 2.5).astype(int)))}</digits></value></sequence></component>"
        for lead, row in zip(LEADS, microvolts, strict=True)
    )
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><componentOf><trialSubject><id extension="p 7"/>'
        '<subjectDemographicPerson><administrativeGenderCode code="F"/></subjectDemographicPerson></trialSubject>'
        '</componentOf><component><series><code code="RHYTHM"/><component><sequenceSet><component><sequence>'
        '<code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20260101"/>'
        f'<increment value="0.002" unit="s"/></value></sequence></component>{rows}</sequenceSet></component></series>'
        "</component></AnnotatedECG>"
    )


def muse(path: Path, microvolts: np.ndarray) -> None:
    eight = [0, 1, *range(6, 12)]
    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>'
        "<PatientDemographics><PatientID>p 7</PatientID><PatientAge>61</PatientAge><AgeUnits>YEARS</AgeUnits>"
        "<Gender>FEMALE</Gender></PatientDemographics><Diagnosis><DiagnosisStatement><StmtText>Normal sinus rhythm"
        "</StmtText></DiagnosisStatement></Diagnosis>"
        + "".join(
            f"<Waveform><WaveformType>{kind}</WaveformType><SampleBase>500</SampleBase><SampleExponent>0"
            "</SampleExponent>"
            + "".join(
                f"<LeadData><LeadAmplitudeUnitsPerBit>4.88</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS"
                f"</LeadAmplitudeUnits><LeadID>{LEADS[i]}</LeadID><WaveFormData>"
                f"{base64.b64encode(np.rint(microvolts[i, :samples] / 4.88).astype('<i2').tobytes()).decode()}"
                "</WaveFormData></LeadData>"
                for i in eight
            )
            + "</Waveform>"
            for kind, samples in (("Median", 600), ("Rhythm", 5000))
        )
        + "</RestingECG>"
    )


def cardiosoft(path: Path, microvolts: np.ndarray) -> None:
    waves = "".join(
        f'<WaveformData lead="{lead}">{",".join(map(str, np.rint(row / 4.88).astype(int)))}</WaveformData>'
        for lead, row in zip(LEADS, microvolts, strict=True)
    )
    path.write_text(
        "<CardiologyXML><PatientInfo><PID>p 7</PID><Age units='YEARS'>61</Age><Gender>FEMALE</Gender></PatientInfo>"
        "<StripData><SampleRate units='Hz'>500</SampleRate><Resolution units='uVperLsb'>4.88</Resolution>"
        f"{waves}</StripData></CardiologyXML>"
    )


def philips(path: Path, microvolts: np.ndarray) -> None:
    units = np.rint(microvolts / 5).astype(int)
    one, two = units[:2]
    # Limb leads beyond the second are stored as their difference from what I and II say.
    units[2] = two - one - units[2]
    units[3] = -units[3] - (one + two) // 2
    units[4] = (one - (two - one - units[2])) // 2 - units[4]
    units[5] = (two + (two - one - units[2])) // 2 - units[5]
    content = b"".join(map(_xli, units))
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>'
        "<documenttype>SierraECG</documenttype><documentversion>1.04.01</documentversion></documentinfo><patient>"
        "<generalpatientdata><patientid>p 7</patientid><age><years>61</years></age><sex>Female</sex>"
        "</generalpatientdata></patient><dataacquisition><signalcharacteristics><samplingrate>500</samplingrate>"
        "<signalresolution>5</signalresolution><numberchannelsallocated>12</numberchannelsallocated>"
        "<acquisitiontype>STD-12</acquisitiontype></signalcharacteristics></dataacquisition><waveforms>"
        '<parsedwaveforms dataencoding="Base64" compression="XLI" durationperchannel="10000" numberofleads="12" '
        f'leadlabels="{" ".join(LEADS)}">{base64.b64encode(content).decode()}</parsedwaveforms></waveforms>'
        "</restingecgdata>"
    )


def _xli(samples: np.ndarray) -> bytes:
    """Philips' compression of a lead: second differences, high bytes before low ones, then LZW of 10 bits."""
    stored = [int(samples[0]), int(samples[1])]
    # z = 2y - x - last, where last is the value stored before, less 64
    wanted = [2 * y - x - z for (x, y), z in zip(pairwise(samples.tolist()), samples[2:].tolist(), strict=False)]
    first = wanted[0]
    stored += [value + 64 for value in wanted[1:]] + [64]
    words = np.array(stored).astype(np.int16).astype(np.uint16)
    packed = _lzw(bytes((words >> 8).astype(np.uint8)) + bytes((words & 255).astype(np.uint8)))
    return len(packed).to_bytes(4, "little") + b"\0\0" + first.to_bytes(2, "little", signed=True) + packed


def _lzw(content: bytes) -> bytes:
    strings = {bytes([i]): i for i in range(256)}
    codes, current = [], b""
    for byte in content:
        longer = current + bytes([byte])
        if longer in strings:
            current = longer
            continue
        codes.append(strings[current])
        if len(strings) <= 1022:
            strings[longer] = len(strings)
        current = bytes([byte])
    codes += [strings[current], 1023]
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
