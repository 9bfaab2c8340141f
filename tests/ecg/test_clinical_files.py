"""ECGs as hospitals keep them: DICOM, EDF, and the XML of HL7, GE and Philips, each read by its optional library."""

import base64
import sys

import clinical_files as made
import numpy as np
import pytest

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.record import RecordError, find_records, read_record
from ecg_r1.ecg.simulate import simulate

KINDS = {
    "dicom": ("x.dcm", made.dicom, "pydicom"),
    "edf": ("x.edf", made.edf, "pyedflib"),
    "aecg": ("x.xml", made.aecg, "defusedxml"),
    "muse": ("x.xml", made.muse, "defusedxml"),
    "cardiosoft": ("x.xml", made.cardiosoft, "defusedxml"),
    "philips": ("x.xml", made.philips, "sierraecg"),
}


@pytest.fixture(scope="module")
def signal():
    """Limb leads that add up in whole µV, as recorders store them."""
    return next(iter(simulate(1, seed=2))).record.signal.astype(float)


def written(kind: str, folder, signal: np.ndarray, **options):
    name, write, library = KINDS[kind]
    pytest.importorskip(library, reason=f"reading {kind} needs {library}")
    write(folder / name, signal * 1000, **options)
    return folder / name


@pytest.mark.parametrize("kind", KINDS)
def test_the_signal_is_read_with_leads_units_and_patient(kind, signal, tmp_path):
    path = written(kind, tmp_path, signal)
    record = read_record(path)
    assert find_records(tmp_path) == [path]
    assert record.record_id == "x"
    assert (record.samples, record.lead_mask.all()) == (5000, True)
    np.testing.assert_allclose(record.signal, signal, atol=0.011)  # Philips rounds to 5 µV, sums of limb leads to 10
    assert record.sex == "female"
    assert record.patient == ("p7" if kind == "edf" else "p 7")
    assert record.age == (None if kind in ("edf", "aecg") else 61)
    assert record.report == ("Normal sinus rhythm" if kind == "muse" else None)
    said = {
        "edf": ("signals of other rates left out: Resp",),
        "muse": ("missing leads: III aVR aVL aVF (derived: III aVR aVL aVF)",),
    }
    assert record.quality == said.get(kind, ())


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_ones_end_in_a_record_or_one_line(kind, signal, tmp_path):
    path = written(kind, tmp_path, signal)
    content, rng, said = path.read_bytes(), np.random.default_rng(1), []
    for _ in range(15):
        damaged = bytearray(content)
        for place in rng.integers(min(len(content), 4000), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(damaged)) if rng.random() < 0.3 else None])
        try:
            assert np.isfinite(read_record(path).signal).all()
        except RecordError as error:
            said.append(str(error))
    assert all(str(path) in line and "\n" not in line for line in said)


def test_dicom_leads_are_found_by_their_meaning_too_and_padding_is_a_gap(signal, tmp_path):
    gap = signal.copy()
    gap[6, 1000:1200] = np.nan
    record = read_record(written("dicom", tmp_path, gap, coded=False))
    np.testing.assert_allclose(record.signal[:6], signal[:6], atol=2e-3)
    assert record.quality == ("gaps bridged: V1 4%",)


def _labelled(group, channel, lead):
    channel.ChannelLabel = lead
    del channel.ChannelSourceSequence


def _labelled_beside_a_local_code(group, channel, lead):
    channel.ChannelLabel, source = f"Lead {lead}", channel.ChannelSourceSequence[0]
    source.CodeValue, source.CodeMeaning = "17", "channel 17"


def _named_in_the_code(group, channel, lead):
    source = channel.ChannelSourceSequence[0]
    source.CodeValue, source.CodeMeaning = f"MDC_ECG_LEAD_{lead.upper()}", ""


def _not_said_to_be_derived(group, channel, lead):
    group.pop("WaveformOriginality", None)


@pytest.mark.parametrize(
    "change", [_labelled, _labelled_beside_a_local_code, _named_in_the_code, _not_said_to_be_derived]
)
def test_dicom_as_other_makers_write_it(change, signal, tmp_path):
    path = written("dicom", tmp_path, signal)
    import pydicom

    file = pydicom.dcmread(path)
    for group in file.WaveformSequence:
        for channel, lead in zip(group.ChannelDefinitionSequence, LEADS, strict=True):
            change(group, channel, lead)
    file.save_as(path)
    record = read_record(path)
    assert record.quality == ()
    np.testing.assert_allclose(record.signal, signal, atol=2e-3)


@pytest.mark.parametrize(
    ("plain", "foreign"),
    [
        (b"uV      ", b"\xb5V      "),
        (b"uV      ", "µV     ".encode()),
        (b"Resp            ", b"Fr\xe9quence       "),
        (b"p7 ", b"\xfc7 "),
    ],
)
def test_edf_with_letters_of_another_alphabet(plain, foreign, signal, tmp_path):
    path = written("edf", tmp_path, signal)
    content = path.read_bytes()
    assert plain in content[: 256 * 15]
    path.write_bytes(content[: 256 * 15].replace(plain, foreign) + content[256 * 15 :])
    record = read_record(path)
    np.testing.assert_allclose(record.signal, signal, atol=1e-3)
    assert record.lead_mask.all()


def test_cardiosoft_names_its_resolution_with_a_greek_letter(signal, tmp_path):
    path = written("cardiosoft", tmp_path, signal)
    path.write_text(path.read_text().replace("uVperLsb", "µVperLsb"), encoding="utf-8")
    np.testing.assert_allclose(read_record(path).signal, signal, atol=5e-3)


def test_a_scale_in_another_unit_is_honoured(signal, tmp_path):
    record = read_record(written("aecg", tmp_path, signal / 1000, unit="V"))
    np.testing.assert_allclose(record.signal, np.rint(signal / 1000 * 1000 / 2.5) * 2500, atol=1e-2)


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (' unit="s"', "time between its samples is not given"),
        ('<scale value="2.5" unit="uV"/>', "no scale or unit for MDC_ECG_LEAD_I"),
        ("</AnnotatedECG>", "not XML that can be read"),
    ],
)
def test_nothing_is_assumed_that_the_xml_does_not_say(signal, tmp_path, removed, message):
    path = written("aecg", tmp_path, signal)
    path.write_text(path.read_text().replace(removed, ""))
    with pytest.raises(RecordError, match=message):
        read_record(path)


def test_entities_and_foreign_xml_are_refused(tmp_path):
    pytest.importorskip("defusedxml", reason="reading XML needs defusedxml")
    for text, message in (
        ('<!DOCTYPE a [<!ENTITY b "cccc">]><AnnotatedECG>&b;</AnnotatedECG>', "not XML that can be read"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/passwd">]><a>&b;</a>', "not XML that can be read"),
        ("<html/>", "XML with the root 'html'"),
    ):
        (tmp_path / "x.xml").write_text(text)
        with pytest.raises(RecordError, match=message):
            read_record(tmp_path / "x.xml")


def test_a_compressed_lead_is_not_opened_without_limit(signal, tmp_path):
    path = written("philips", tmp_path, signal)
    bomb = made._lzw(bytes(2_000_000))
    text = path.read_text()
    start, end = text.index('leadlabels="'), text.index("</parsedwaveforms>")
    start = text.index(">", start) + 1
    content = len(bomb).to_bytes(4, "little") + bytes(4) + bomb
    path.write_text(text[:start] + base64.b64encode(content).decode() + text[end:])
    with pytest.raises(RecordError, match="opens to more than"):
        read_record(path)


@pytest.mark.parametrize(
    ("ending", "library", "extra"),
    [(".dcm", "pydicom", "dicom"), (".edf", "pyedflib", "edf"), (".xml", "defusedxml", "xml")],
)
def test_a_missing_library_is_named_with_how_to_get_it(tmp_path, monkeypatch, ending, library, extra):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / f"x{ending}").write_bytes(b"x" * 300)
    with pytest.raises(RecordError, match=rf'needs {library}: pip install "ecg-r1-gem\[{extra}\]"'):
        read_record(tmp_path / f"x{ending}")
