"""What the processor takes, what it refuses, and GEM's own preprocessing beside ours."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from PIL import Image
from transformers import AutoProcessor

from ecg_r1.ecg.record import ECGRecord
from ecg_r1.model.presets import build_config, build_processor
from ecg_r1.model.processing import ECGFeatureExtractor, MediaError
from ecg_r1.model.registration import register_auto_classes
from ecg_r1.model.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def processor():
    tokenizer = train_tokenizer(["Read this ECG."])
    return build_processor(build_config("tiny", tokenizer), tokenizer)


def ecg(seed=0):
    return np.random.default_rng(seed).standard_normal((12, 5000)).astype(np.float32)


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        (np.zeros((5000, 12)), "canonical leads"),
        (np.zeros((8, 5000)), r"shape \(8, 5000\); give it \(12, samples\)"),
        (np.full((12, 5000), np.nan), "NaN"),
        (np.full((12, 5000), np.inf), "NaN or infinite"),
    ],
)
def test_what_is_no_ecg_is_refused(processor, signal, said):
    with pytest.raises(MediaError, match=said):
        processor(ecgs=[signal])


def test_an_ecg_at_another_rate_is_refused(processor):
    with pytest.raises(MediaError, match="400 Hz, the tower reads 500 Hz"):
        processor(ecgs=[ecg()], sampling_rate=400)
    record = ECGRecord("r", ecg(), np.ones(12, dtype=bool), sampling_rate=250, samples=5000)
    with pytest.raises(MediaError, match="250 Hz"):
        processor(ecgs=[record])


@pytest.mark.parametrize(
    ("text", "ecgs", "pages", "said"),
    [
        ("", 0, 0, "empty"),
        (" \n", 1, 0, "empty"),
        ("<ecg><ecg><ecg>\nRead", 1, 0, "3 <ecg> in the prompt for 1 ECG;"),
        ("<ecg><image>\nRead", 2, 1, "1 <ecg> in the prompt for 2 ECGs"),
        ("<ecg><image>\nRead", 1, 0, "1 <image> in the prompt for 0 pages"),
        ("Read", 0, 1, "0 <image> in the prompt for 1 page;"),
    ],
)
def test_prompts_and_media_must_agree(processor, text, ecgs, pages, said):
    page = np.zeros((112, 112, 3), dtype=np.uint8)
    with pytest.raises(MediaError, match=said):
        processor(text=text, ecgs=[ecg()] * ecgs, images=[page] * pages)


def test_prompts_can_be_tokenised_where_no_array_is_at_hand(processor):
    ids = processor(text=processor.prompt("Read this ECG."))["input_ids"][0]
    assert ids.count(processor.tokenizer.convert_tokens_to_ids("<ecg>")) == processor.num_ecg_tokens


def test_several_records_in_one_prompt(processor):
    assert processor.prompt("Compare.", ecgs=2, images=2) == "<ecg><image><ecg><image>\nCompare.\n"
    assert processor.prompt("Compare.", ecgs=2, images=1) == "<ecg><image><ecg>\nCompare.\n"
    assert processor.prompt("What is QTc?", ecgs=0, images=0) == "What is QTc?\n"


def test_a_masked_lead_is_zeros(processor):
    mask = np.ones(12, dtype=bool)
    mask[[3, 7]] = False
    values = processor(ecgs=[ECGRecord("r", ecg(), mask, samples=5000)])["ecg_values"][0]
    assert not values[[3, 7]].any()
    assert torch.equal(values[0], torch.from_numpy(ecg()[0]))


def test_signals_are_cut_or_padded_at_the_end(processor):
    long, short = ecg(), ecg()[:, :4000]
    values = processor(ecgs=[np.concatenate([long, long], axis=1), short])["ecg_values"]
    assert torch.equal(values[0], torch.from_numpy(long))
    assert torch.equal(values[1, :, :4000], torch.from_numpy(short))
    assert not values[1, :, 4000:].any()


def test_mimic_lead_order_swaps_avl_and_avf():
    signal = np.arange(12, dtype=np.float32)[:, None].repeat(5000, 1)
    values = ECGFeatureExtractor(lead_order="mimic")([signal])["ecg_values"]
    assert values[0, :, 0].tolist() == [0, 1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11]


def page(height=200, width=400):
    """A landscape page: black, with a column of red at each edge, where a 12-lead page has leads I and V4."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, :20, 0] = pixels[:, -20:, 0] = 255
    return pixels


def test_the_whole_page_is_read_and_gem_reads_its_centre(processor):
    ours = processor(images=[page()])["pixel_values"][0]
    gem = build_processor(build_config("tiny", processor.tokenizer), processor.tokenizer, gem_compat=True)
    theirs = gem(images=[page()])["pixel_values"][0]
    assert ours.shape == theirs.shape == (3, 112, 112)
    assert ours[:, 0].min() == ours[:, 0].max(dim=1).values.min()  # a white margin above
    assert ours[0, 56].max() - ours[0, 56].min() > 2  # both red edges within
    assert theirs[0, 56].max() == theirs[0, 56].min()  # nothing but black is left of the page
    # a page that is square already is passed on as it is, PIL or array
    square = page(300, 300)
    same = processor(images=[square, Image.fromarray(square)])["pixel_values"]
    assert torch.equal(same[0], processor.image_processor([square], return_tensors="pt")["pixel_values"][0])
    assert torch.equal(same[0], same[1])


def test_gem_compat_takes_signals_as_gem_does(processor, tmp_path):
    """GEM: NaN -> 0, no resampling, zeros at the end; in the lead order of MIMIC's files."""
    config = build_config("tiny", processor.tokenizer)
    config.ecg_config.lead_order = "mimic"
    register_auto_classes()
    build_processor(config, processor.tokenizer, gem_compat=True).save_pretrained(tmp_path)
    gem = AutoProcessor.from_pretrained(tmp_path)  # both facts are the checkpoint's, not the caller's
    signal = ecg()[:, :4096]  # CODE-15%: 400 Hz
    signal[2, 7] = np.nan
    values = gem(ecgs=[signal], sampling_rate=400)["ecg_values"][0]
    expected = np.zeros((12, 5000), dtype=np.float32)
    expected[:, :4096] = np.nan_to_num(signal)[[0, 1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11]]
    assert torch.equal(values, torch.from_numpy(expected))
