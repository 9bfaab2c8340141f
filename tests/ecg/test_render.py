from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.ecg import wild
from ecg_r1.ecg.annotate import annotate
from ecg_r1.ecg.artefacts import ARTEFACTS, distort
from ecg_r1.ecg.paper import GRIDS, LAYOUTS, Paper, PaperError
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.wild import Look, draw_page, draw_paper


@pytest.fixture(scope="module")
def record() -> ECGRecord:
    return next(iter(simulate(1, seed=8))).record


def dark(page: np.ndarray) -> np.ndarray:
    return page.max(axis=2) < 120


PAPERS = [Paper(layout) for layout in LAYOUTS] + [
    Paper(order="cabrera", speed=50.0), Paper("6x2", speed=50.0, grid="green", header=("ID 1", "25 mm/s"))
]  # fmt: skip


@pytest.mark.parametrize("paper", PAPERS, ids=str)
def test_every_lead_is_on_the_page(record, paper):
    page = render(record, paper=paper)
    height, width = paper.size_mm
    assert page.shape == (round(4 * height), round(4 * width), 3)
    assert page.dtype == np.uint8
    found = paper.cells()
    assert len({cell.lead for cell in found}) == 12
    for cell in found:
        left, right = int(4 * cell.x_mm(cell.start)), int(4 * cell.x_mm(cell.end)) - 1
        box = dark(page)[int(4 * cell.top) : int(4 * (cell.top + paper.row)), left:right]
        assert box.any(axis=0).mean() > 0.98, cell.lead


@pytest.mark.parametrize("size", [112, 224, 336])
def test_a_square_loses_no_edge(record, size):
    page = render(record, size=size)
    assert page.shape == (size, size, 3)
    columns = np.flatnonzero(dark(page).any(axis=0))
    scale = size / Paper().size_mm[1]
    assert columns[0] <= 5 * scale + 2
    assert columns[-1] >= size - 5 * scale - 4
    assert (page[0] == 255).all()
    assert (page[-1] == 255).all()


def test_pages_are_deterministic(record):
    np.testing.assert_array_equal(render(record, size=336), render(record, size=336))


@pytest.mark.parametrize(("speed", "gain"), [(25.0, 10.0), (50.0, 10.0), (25.0, 5.0), (25.0, 20.0), (50.0, 5.0)])
def test_the_scale_is_that_of_the_paper(speed, gain):
    signal = np.zeros((12, 5000), np.float32)
    signal[1, 500:1000] = 0.5  # mV for 1 s, in the rhythm strip
    paper = Paper(speed=speed, gain=gain)
    page = dark(render(ECGRecord("step", signal, np.ones(12, bool)), paper=paper, pixels_per_mm=8))
    strip = paper.cells()[-1]
    rows = slice(int(8 * (strip.top + 6.5)), int(8 * (strip.top + 32.5)))  # below the lead's name
    shown = page[rows, int(8 * strip.x_mm(0.1)) : int(8 * strip.x_mm(paper.seconds - 0.1))]
    level = np.array([np.flatnonzero(column).mean() for column in shown.T])
    high = level < (level.min() + level.max()) / 2
    assert abs(level.max() - level.min() - 8 * gain / 2) < 3
    assert abs(high.sum() - 8 * speed) < 4
    pulse = page[int(8 * (strip.top + 0.55 * paper.row - gain - 0.1)) :, : int(8 * strip.left)]
    tall = np.flatnonzero(pulse[: int(8 * (gain - 1))].sum(axis=0) > 8 * 0.8 * (gain - 1))
    assert abs(tall[-1] - tall[0] - 8 * 0.2 * speed) < 6  # 200 ms, 1 mV high


def test_cabrera_turns_avr_around():
    signal = np.zeros((12, 5000), np.float32)
    signal[3, 500:1000] = -1.0  # aVR
    record = ECGRecord("avr", signal, np.ones(12, bool))
    for paper, above in ((Paper("12x1"), False), (Paper("12x1", "cabrera"), True)):
        (cell,) = (cell for cell in paper.cells() if cell.lead == "aVR")
        middle = cell.top + 0.55 * paper.row
        column = dark(render(record, paper=paper))[:, int(4 * cell.x_mm(1.5))]
        drawn = np.flatnonzero(column[int(4 * (middle - 12)) : int(4 * (middle + 12))]).mean() / 4 - 12
        assert abs(drawn - (-10 if above else 10)) < 1, cell.name
    assert [cell.name for cell in Paper("12x1", "cabrera").cells()[:6]] == ["aVL", "I", "-aVR", "II", "aVF", "III"]


@pytest.mark.parametrize("grid", GRIDS)
def test_grids_have_their_colour(record, grid):
    page, plain = render(record, paper=Paper(grid=grid)), render(record)
    ink = dark(plain)
    assert (dark(page) != ink).mean() < 0.002  # where a trace shades into the grid
    red, green, blue = page[~ink].reshape(-1, 3).mean(axis=0)
    strongest = {"red": red, "orange": red, "green": green, "blue": blue, "grey": red}[grid]
    assert strongest == max(red, green, blue)


def test_a_header_stands_above_the_traces(record):
    paper = Paper(header=("ID 1234567   02-MAR-2017", "25 mm/s   10 mm/mV"))
    page, bare = render(record, paper=paper), render(record)
    added = page.shape[0] - bare.shape[0]
    assert added == round(4 * paper.size_mm[0]) - round(4 * Paper().size_mm[0])
    assert dark(page)[: 20 + added - 2].sum() > 300
    assert (dark(page)[added + 24 :] != dark(bare)[24:]).mean() < 0.002


def test_missing_leads_have_a_name_but_no_trace(record):
    without = replace(record, lead_mask=np.arange(12) != 6)
    v1 = Paper().cells()[6]
    box = dark(render(without))[
        int(4 * (v1.top + 8)) : int(4 * (v1.top + 28)), int(4 * (v1.left + 2)) : int(4 * (v1.left + 60))
    ]
    assert v1.lead == "V1"
    assert not box.any()


def test_extreme_signals_stay_on_the_page(record):
    assert render(replace(record, signal=record.signal * 1e6), size=336).shape == (336, 336, 3)


def test_unknown_papers_are_named():
    with pytest.raises(PaperError, match=r"layout '2x6' is unknown; there are: 3x4, 3x4\+3, 4x3, 6x2, 12x1"):
        Paper("2x6")
    for wrong in ({"order": "reverse"}, {"speed": 0.0}, {"gain": float("nan")}, {"grid": "pink"}):
        with pytest.raises(PaperError, match=next(iter(wrong))):
            Paper(**wrong)


def test_the_delineation_tints_the_page(record):
    plain, tinted = render(record, paper=Paper("12x1")), annotate(record)
    changed = (plain != tinted).any(axis=2).mean()
    assert 0.05 < changed < 0.6
    silent = ECGRecord("x", np.zeros((12, 5000), np.float32), np.ones(12, bool))
    np.testing.assert_array_equal(annotate(silent), render(silent, paper=Paper("12x1")))


@pytest.mark.parametrize("kind", ARTEFACTS)
def test_artefacts_change_the_page_and_leave_it_legible(record, kind):
    page = render(record, size=336)
    spoiled = distort(page, seed=1, kinds=[kind], chance=1.0)
    assert spoiled.shape == page.shape
    assert spoiled.dtype == np.uint8
    assert (spoiled != page).mean() > 0.005
    np.testing.assert_array_equal(spoiled, distort(page, seed=1, kinds=[kind], chance=1.0))
    assert (spoiled.max(axis=2) < 150).sum() > 0.3 * (page.max(axis=2) < 150).sum()


def test_the_names_of_the_artefacts_need_no_opencv():
    assert tuple(ARTEFACTS) == wild.ARTEFACTS


def test_unknown_artefacts_are_named(record):
    with pytest.raises(ValueError, match="unknown artefact 'coffee'"):
        distort(render(record, size=112), seed=1, kinds=["coffee"])


def test_none_of_the_page_is_lost_where_it_is_turned_or_seen_from_aside():
    page = np.full((200, 300, 3), 255, np.uint8)
    corners = [(3, 3), (3, 296), (196, 3), (196, 296)]
    for y, x in corners:
        page[y - 3 : y + 3, x - 3 : x + 3] = 0
    for kind in ("rotation", "perspective"):
        for seed in range(20):
            seen = distort(page, seed=seed, kinds=[kind], chance=1.0).max(axis=2)
            quarters = [seen[:100, :150], seen[:100, 150:], seen[100:, :150], seen[100:, 150:]]
            assert all((quarter < 90).sum() > 12 for quarter in quarters), (kind, seed)


def test_pages_in_the_wild_are_drawn_from_their_seed_and_are_of_every_kind(record):
    papers = [draw_paper(np.random.default_rng(seed)) for seed in range(300)]
    assert papers == [draw_paper(np.random.default_rng(seed)) for seed in range(300)]
    for what, kinds in (("layout", LAYOUTS), ("grid", GRIDS), ("speed", (25, 50)), ("gain", (5, 10, 20))):
        assert {getattr(paper, what) for paper in papers} == set(kinds)
    assert 0.5 < np.mean([paper.layout == "3x4" for paper in papers]) < 0.8
    look = Look(papers[0], artefacts=3)
    page = draw_page(record, 224, look)
    assert page.shape == (224, 224, 3)
    np.testing.assert_array_equal(page, draw_page(record, 224, look))
    assert (page != draw_page(record, 224, Look(papers[0]))).any()
