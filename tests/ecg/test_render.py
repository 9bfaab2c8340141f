from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.ecg.annotate import annotate
from ecg_r1.ecg.artefacts import ARTEFACTS, distort
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.render import GAIN, LAYOUTS, MARGIN, PULSE, cells, render
from ecg_r1.ecg.simulate import simulate


@pytest.fixture(scope="module")
def record() -> ECGRecord:
    return next(iter(simulate(1, seed=8))).record


def dark(page: np.ndarray) -> np.ndarray:
    return page.max(axis=2) < 120


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_lead_is_on_the_page(record, layout):
    page = render(record, layout=layout)
    height, width = LAYOUTS[layout].size_mm
    assert page.shape == (round(4 * height), round(4 * width), 3)
    assert page.dtype == np.uint8
    found = cells(LAYOUTS[layout])
    assert len({cell.lead for cell in found}) == 12
    for cell in found:
        left, right = int(4 * cell.x_mm(cell.start)), int(4 * cell.x_mm(cell.end)) - 1
        box = dark(page)[int(4 * cell.top) : int(4 * (cell.top + LAYOUTS[layout].row)), left:right]
        assert box.any(axis=0).mean() > 0.98, cell.lead


@pytest.mark.parametrize("size", [112, 224, 336])
def test_a_square_loses_no_edge(record, size):
    page = render(record, size=size)
    assert page.shape == (size, size, 3)
    columns = np.flatnonzero(dark(page).any(axis=0))
    scale = size / LAYOUTS["3x4"].size_mm[1]
    assert columns[0] <= MARGIN * scale + 2
    assert columns[-1] >= size - MARGIN * scale - 4
    assert (page[0] == 255).all()
    assert (page[-1] == 255).all()


def test_pages_are_deterministic(record):
    np.testing.assert_array_equal(render(record, size=336), render(record, size=336))


def test_scale_is_25_mm_a_second_and_10_mm_a_millivolt():
    signal = np.zeros((12, 5000), np.float32)
    signal[1, 1000:1500] = 1.0  # 1 mV for 1 s, in the rhythm strip
    page = dark(render(ECGRecord("step", signal, np.ones(12, bool)), pixels_per_mm=8))
    strip = cells(LAYOUTS["3x4"])[-1]
    rows = slice(int(8 * (strip.top + 6.5)), int(8 * (strip.top + 32.5)))  # below the lead's name
    shown = page[rows, int(8 * strip.x_mm(0.1)) : int(8 * strip.x_mm(9.9))]
    level = np.array([np.flatnonzero(column).mean() for column in shown.T])
    high = level < (level.min() + level.max()) / 2
    assert abs(level.max() - level.min() - 8 * GAIN) < 3
    assert abs(high.sum() - 8 * 25) < 4
    assert abs(dark_width_of_pulse(page[rows]) - 8 * PULSE[1]) < 6


def dark_width_of_pulse(rows: np.ndarray) -> int:
    tall = np.flatnonzero(rows[:, : int(8 * (MARGIN + sum(PULSE) + 2))].sum(axis=0) > 60)
    return int(tall[-1] - tall[0])


def test_missing_leads_have_a_name_but_no_trace(record):
    without = replace(record, lead_mask=np.arange(12) != 6)
    v1 = cells(LAYOUTS["3x4"])[6]
    box = dark(render(without))[
        int(4 * (v1.top + 8)) : int(4 * (v1.top + 28)), int(4 * (v1.left + 2)) : int(4 * (v1.left + 60))
    ]
    assert v1.lead == "V1"
    assert not box.any()


def test_extreme_signals_stay_on_the_page(record):
    assert render(replace(record, signal=record.signal * 1e6), size=336).shape == (336, 336, 3)


def test_unknown_layouts_are_named(record):
    with pytest.raises(ValueError, match="there are: 3x4, 6x2, 12x1"):
        render(record, layout="2x6")


def test_the_delineation_tints_the_page(record):
    plain, tinted = render(record, layout="12x1"), annotate(record)
    changed = (plain != tinted).any(axis=2).mean()
    assert 0.05 < changed < 0.6
    silent = ECGRecord("x", np.zeros((12, 5000), np.float32), np.ones(12, bool))
    np.testing.assert_array_equal(annotate(silent), render(silent, layout="12x1"))


@pytest.mark.parametrize("kind", ARTEFACTS)
def test_artefacts_change_the_page_and_leave_it_legible(record, kind):
    page = render(record, size=336)
    spoiled = distort(page, seed=1, kinds=[kind], chance=1.0)
    assert spoiled.shape == page.shape
    assert spoiled.dtype == np.uint8
    assert (spoiled != page).mean() > 0.005
    np.testing.assert_array_equal(spoiled, distort(page, seed=1, kinds=[kind], chance=1.0))
    assert (spoiled.max(axis=2) < 150).sum() > 0.3 * (page.max(axis=2) < 150).sum()


def test_unknown_artefacts_are_named(record):
    with pytest.raises(ValueError, match="unknown artefact 'coffee'"):
        distort(render(record, size=112), seed=1, kinds=["coffee"])
