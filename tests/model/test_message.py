"""An ECG as a part of a chat message: read back exactly, or refused in one line."""

import copy
import json

import numpy as np
import pytest

from ecg_r1.ecg.record import RecordError
from ecg_r1.ecg.simulate import simulate
from ecg_r1.model.message import LONGEST, ecg_part, page_part, read_ecg, user_message


@pytest.fixture(scope="module")
def record():
    return next(iter(simulate(1, seed=5))).record


@pytest.fixture
def ecg(record):
    return copy.deepcopy(ecg_part(record)["ecg"])


def test_a_record_survives_json_bit_by_bit(record):
    sent = json.loads(json.dumps(ecg_part(record)))
    assert sent["type"] == "ecg"
    assert np.array_equal(read_ecg(sent["ecg"]), record.signal)


def test_leads_are_known_by_name_and_what_follows_from_two_is_derived(ecg, record):
    order = [1, 0]
    ecg["leads"], ecg["signal"] = ["ii", "Lead I"], [ecg["signal"][i] for i in order]
    signal = read_ecg(ecg)
    assert np.array_equal(signal[:2], record.signal[:2])
    assert np.allclose(signal[2], record.signal[1] - record.signal[0], atol=1e-6)  # III = II - I
    assert not signal[6:].any()


def test_units_and_rate_are_made_canonical(ecg, record):
    ecg["unit"], ecg["sampling_rate"] = "uV", 250
    ecg["signal"] = [[1000 * v for v in row[::2]] for row in ecg["signal"]]
    signal = read_ecg(ecg)
    assert signal.shape == (12, 5000)
    assert np.corrcoef(signal[1], record.signal[1])[0, 1] > 0.99


def test_pages_are_sent_without_loss(record):
    import base64
    import io

    from PIL import Image

    page = np.random.default_rng(0).integers(0, 255, (40, 30, 3)).astype(np.uint8)
    url = page_part(page)["image_url"]["url"]
    again = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))
    assert np.array_equal(again, page)


def test_each_record_stands_before_its_page_and_the_question_last(record):
    page = np.zeros((8, 8, 3), np.uint8)
    content = user_message("And now?", [record, record], [page, page])["content"]
    assert [part["type"] for part in content] == ["ecg", "image_url", "ecg", "image_url", "text"]
    assert [part["type"] for part in user_message("Rate?", [record])["content"]] == ["ecg", "text"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e["signal"].pop(), "11 rows of `signal` for 12 names in `leads`"),
        (lambda e: e.update(leads=e["leads"] + ["X"]), "leads"),
        (lambda e: e["signal"][3].pop(), "differ in length"),
        (lambda e: e["signal"][0].__setitem__(7, float("nan")), "signal.0.7: Input should be a finite number"),
        (lambda e: e["signal"][0].__setitem__(7, None), "signal.0.7"),
        (lambda e: e["leads"].__setitem__(0, "V9"), "'V9' is no standard lead; name the leads I, II"),
        (lambda e: e["leads"].__setitem__(0, "II"), "'II' is named twice"),
        (lambda e: e.update(sampling_rate=50), "sampled at 50 Hz"),
        (lambda e: e.update(sampling_rate=-500), "sampling_rate"),
        (lambda e: e.update(unit="V"), "unit: Input should be 'mV' or 'uV'"),
        (lambda e: e.update(signal=[[1000 * v for v in row] for row in e["signal"]]), "check `unit`"),
        (lambda e: e.update(signal=[row[:100] for row in e["signal"]]), "at least 1 s"),
        (lambda e: e.update(signal=[[0.0] * (LONGEST + 1)] * 12), "at most"),
        (lambda e: e.update(signal=[[0.0] * 5000] * 12), "no signal"),
        (lambda e: e.update(signal="AAAA"), "signal"),
        (lambda e: e.update(gain=1), "gain: Extra inputs"),
        (lambda e: e.clear(), "leads: Field required"),
    ],
)
def test_what_is_no_ecg_is_refused_in_one_line(ecg, change, said):
    change(ecg)
    with pytest.raises(RecordError) as error:
        read_ecg(ecg)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", [None, 3, "x", [1.0]])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(RecordError, match='"leads"'):
        read_ecg(value)
