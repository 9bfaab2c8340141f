"""What was measured is not measured again: the same bytes with a cache as without, and no number of other code."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ecg_r1.corpus.cache as caching
import ecg_r1.corpus.make as making
import ecg_r1.corpus.unchanged as unchanged
from ecg_r1.corpus.build import build
from ecg_r1.corpus.cache import Cache, Measured, microvolts, without_signal
from ecg_r1.ecg.content import content
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import RecordError, write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.ecg.version import LIBRARIES, TABLES, code_version
from ecg_r1.recipe import CorpusRecipe

N = 3


def built(out: Path, cache: Path | None, *, records: Path | None = None, **changes) -> Path:
    values = {
        "stage": "corpus", "out": str(out), "page_size": 32, "workers": 1, "cache": cache and str(cache),
        "splits": {"train": [{"simulate": N} if records is None else {"records": str(records)}]},
    }  # fmt: skip
    return build(CorpusRecipe.model_validate(values | changes))[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def work(monkeypatch) -> list[str]:
    """What is measured and drawn while a corpus is built."""
    done = []
    for name in ("measure", "render"):
        function = getattr(making, name)

        def counted(record, *, name=name, function=function, **options):
            done.append(name)
            return function(record, **options)

        monkeypatch.setattr(making, name, counted)
    return done


@pytest.fixture
def records(tmp_path) -> Path:
    for k in range(N):
        record = dataclasses.replace(next(simulate(1, seed=k)).record, record_id=f"r{k}")
        write_record(record, tmp_path / "records")
    return tmp_path / "records"


@pytest.mark.parametrize("real", [False, True])
def test_another_wording_measures_and_draws_nothing_again(tmp_path, work, records, real):
    cache, source = tmp_path / "cache", records if real else None
    prompts = {"question": ["Rate?"]}
    alone = contents(built(tmp_path / "alone", None, records=source, prompts=prompts))
    work.clear()
    built(tmp_path / "first", cache, records=source)
    assert work == ["measure", "render"] * N
    work.clear()
    assert contents(built(tmp_path / "second", cache, records=source, prompts=prompts)) == alone
    assert work == []
    built(tmp_path / "pages", cache, records=source, page_size=48)
    assert work == ["render"] * N


def test_other_labels_measure_nothing_again(tmp_path, work, records):
    cache = tmp_path / "cache"
    built(tmp_path / "first", cache, records=records)
    work.clear()
    (tmp_path / "own.csv").write_text("record,labels\nr0,AFIB\nr1,NORM\nr2,NORM\n")
    sources = [{"records": str(records), "labels": str(tmp_path / "own.csv")}]
    folder = built(tmp_path / "second", cache, splits={"train": sources})
    assert work == []
    assert contents(folder) == contents(built(tmp_path / "alone", None, splits={"train": sources}))


def test_a_record_whose_file_changed_is_measured_again(tmp_path, work, records):
    cache = tmp_path / "cache"
    built(tmp_path / "first", cache, records=records)
    work.clear()
    header = records / "r1.hea"
    header.write_text(header.read_text().replace("# Age", "#Age").replace("#Sex: female", "#Sex: other"))
    signals = records / "r2.dat"
    whole = bytearray(signals.read_bytes())
    whole[1000] ^= 1
    signals.write_bytes(whole)
    built(tmp_path / "second", cache, records=records)
    changed = 1 + (header.read_text().count("#Sex: other"))
    assert work == ["measure", "render"] * changed


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "longer": lambda data: data + b"\0",
    "other": lambda data: os.urandom(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("kind", ["record", "page"])
def test_a_damaged_entry_is_made_again(tmp_path, work, damage, kind):
    cache = tmp_path / "cache"
    whole = contents(built(tmp_path / "first", cache))
    work.clear()
    for path in cache.rglob(f"*.{kind}"):
        path.write_bytes(damage(path.read_bytes()))
    assert contents(built(tmp_path / "second", cache)) == whole
    assert work == [{"record": "measure", "page": "render"}[kind]] * N
    work.clear()
    assert contents(built(tmp_path / "third", cache)) == whole  # and written anew
    assert work == []


def test_an_entry_under_another_one_s_name_is_not_taken(tmp_path, work):
    cache = tmp_path / "cache"
    whole = contents(built(tmp_path / "first", cache))
    work.clear()
    first, second, *_ = sorted(cache.rglob("*.record"))
    second.write_bytes(first.read_bytes())
    assert contents(built(tmp_path / "second", cache)) == whole
    assert work == ["measure"]


@pytest.fixture
def entry():
    record = next(simulate(1, seed=1)).record
    text = json.dumps(measure(record).to_json())
    signal = microvolts(record.signal)
    return Measured(without_signal(record), signal, Measurements.from_json(json.loads(text)), text)


def test_an_entry_is_given_back_as_it_was_kept(tmp_path, entry):
    signal = np.where(np.arange(5000) < 3001, entry.signal, 0).astype(np.int16)
    cut = dataclasses.replace(entry, signal=signal, record=dataclasses.replace(entry.record, samples=3001))
    windows = np.array([[0, 1250]] * 12)
    facts = {"windows": windows, "report": "Ä", "patient": "p", "quality": ("x", "y"), "age": None, "sex": None}
    odd = dataclasses.replace(entry, record=dataclasses.replace(entry.record, **facts))
    for number, given in enumerate((entry, cut, odd)):
        Cache(tmp_path).keep(f"{number:064d}", given)
        back = Cache(tmp_path).measured(f"{number:064d}")
        assert (back.text, back.measurements) == (given.text, given.measurements)
        np.testing.assert_array_equal(back.signal, given.signal)
        for field in dataclasses.fields(given.record):
            np.testing.assert_array_equal(getattr(back.record, field.name), getattr(given.record, field.name))
    assert Cache(tmp_path).measured("f" * 64) is None


@pytest.mark.parametrize(
    "facts",
    [
        {"samples": 10**9}, {"samples": 0}, {"lead_mask": [True]}, {"windows": [[0, 1]]}, {"record_id": 3},
        {"values": [0.1]}, {"margins": [float("nan")]}, {"reasons": {1000: "x"}}, {"reasons": {"x": "x"}},
    ],
    ids=lambda facts: str(facts)[:40],
)  # fmt: skip
def test_an_entry_with_a_right_checksum_and_wrong_facts_is_as_none(tmp_path, entry, monkeypatch, facts):
    """Whoever writes an entry by hand can compute its checksum."""
    model = caching._Facts

    def forged(**given):
        return model.model_construct(**given | facts)

    cache = Cache(tmp_path)
    monkeypatch.setattr(caching, "_Facts", forged)
    monkeypatch.setattr(model, "model_dump_json", lambda self: json.dumps(self.__dict__))
    cache.keep("a" * 64, entry)
    monkeypatch.undo()
    assert cache.measured("a" * 64) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, "[" * 2_000_000, '{"pr_ms": "x"}', '{"pr_ms": NaN}'],
    ids=lambda text: text[:40],
)
def test_an_entry_with_a_right_checksum_and_wrong_measurements_is_as_none(tmp_path, entry, monkeypatch, text):
    cache = Cache(tmp_path)
    monkeypatch.setattr(caching, "_without_findings", lambda measurements: text)
    cache.keep("a" * 64, entry)
    assert cache.measured("a" * 64) is None


READS = """
import sys
opened = set()
sys.addaudithook(lambda event, given: opened.add(str(given[0])) if event == "open" else None)
from pathlib import Path
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.record import read_record
from ecg_r1.ecg.render import render
from ecg_r1.ecg.simulate import simulate
for record in (next(simulate(1, seed=1)).record, read_record(sys.argv[1])):
    measure(record), render(record, size=64)
for name, module in list(sys.modules.items()):
    if getattr(module, "__file__", None):
        opened.add(module.__file__)
print("\\n".join(sorted(opened)))
"""


def test_the_version_covers_all_that_reading_measuring_and_drawing_use(records):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", READS, str(records / "r0")], capture_output=True, text=True, check=True, cwd=root
    )
    paths = [Path(line) for line in done.stdout.splitlines()]
    own = [path for path in paths if "site-packages" not in path.parts]  # an environment may lie in the checkout
    ours = {path.resolve().relative_to(root) for path in own if path.resolve().is_relative_to(root) and path.suffix}
    sources = {path for path in ours if path.suffix == ".py" and path.parts[:2] != ("ecg_r1", "ecg")}
    # Errors, files, tables: how a problem is said, and how bytes are read and written.
    known = {"__init__", "errors", "terminal", "files", "disk", "locks", "shipped"}
    assert {path.stem for path in sources} <= known, sources
    assert {path.name for path in ours if path.suffix in (".yaml", ".json")} == set(TABLES)
    libraries = {path.parts[path.parts.index("site-packages") + 1] for path in paths if "site-packages" in path.parts}
    assert set(LIBRARIES) - {"wfdb"} <= libraries  # which reads the formats other than 16


@pytest.mark.parametrize("change", ["source", "table", "library"])
def test_other_code_has_another_version_and_other_entries(tmp_path, work, monkeypatch, change):
    import ecg_r1.ecg.version as versions

    cache, before = tmp_path / "cache", code_version()
    built(tmp_path / "first", cache)
    work.clear()
    if change == "library":
        monkeypatch.setattr(versions, "version", lambda name: "9.9" if name == "neurokit2" else "1")
    else:
        ending, read = {"source": "measure.py", "table": "findings.yaml"}[change], Path.read_bytes
        monkeypatch.setattr(
            Path, "read_bytes", lambda path: read(path) + (b"\n" if path.name == ending else b""), raising=True
        )
    code_version.cache_clear()
    try:
        assert code_version() != before
        built(tmp_path / "second", cache)
        assert work == ["measure", "render"] * N
        with pytest.raises(Exception, match=r"another recipe \(measured_with differ\)"):
            built(tmp_path / "first", cache)
    finally:
        monkeypatch.undo()
        code_version.cache_clear()


def test_a_record_s_content_is_that_of_all_its_files(records, tmp_path):
    before = content(records / "r0").digest
    assert content(records / "r0.hea").digest == before
    assert content(records / "r1").digest != before
    moved = tmp_path / "elsewhere" / "records"
    moved.mkdir(parents=True)
    for ending in (".hea", ".dat"):
        (moved / f"r0{ending}").write_bytes((records / f"r0{ending}").read_bytes())
    assert content(moved / "r0").digest == before
    np.save(tmp_path / "page.npy", np.zeros((12, 5000)))
    one = content(tmp_path / "page.npy").digest
    np.save(tmp_path / "page.npy", np.ones((12, 5000)))
    assert content(tmp_path / "page.npy").digest != one


@pytest.fixture
def hashed(monkeypatch, records) -> list[Path]:
    """The records whose files are read to be hashed. The files of `records` are as if they were a day old."""
    asked = []
    monkeypatch.setattr(unchanged, "content", lambda path: asked.append(path) or content(path))
    monkeypatch.setattr(unchanged.time, "time", lambda now=time.time: now() + 86400)
    return asked


def test_files_that_are_as_they_were_are_not_hashed_again(tmp_path, hashed, records):
    cache = Cache(tmp_path / "cache")
    paths = [records / f"r{k}" for k in range(N)]
    first = [unchanged.content_of(path, cache) for path in paths]
    assert hashed == paths
    assert first == [content(path).digest for path in paths]
    hashed.clear()
    assert [unchanged.content_of(path, cache) for path in paths] == first
    assert hashed == []
    assert unchanged.content_of(paths[0], None) == first[0]
    assert hashed == paths[:1]


def rewritten(path: Path) -> None:
    """Another sample, and the same size and time of change."""
    was = path.stat()
    whole = bytearray(path.read_bytes())
    whole[1000] ^= 1
    path.write_bytes(whole)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def replaced(path: Path) -> None:
    """Another file in its place."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    rewritten(other)
    was = path.stat()
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("change", [rewritten, replaced])
def test_a_file_that_changed_is_hashed_again(tmp_path, hashed, records, change):
    cache, path = Cache(tmp_path / "cache"), records / "r1"
    before = unchanged.content_of(path, cache)
    change(path.with_suffix(".dat"))
    assert unchanged.content_of(path, cache) == content(path).digest != before


def test_a_file_beside_it_may_change_how_a_record_is_read(tmp_path, hashed, records):
    cache, path = Cache(tmp_path / "cache"), records / "r1"
    before = unchanged.content_of(path, cache)
    (records / "r9.hea").write_text("")
    assert unchanged.content_of(path, cache) == before
    assert hashed == [path, path]


def test_a_record_without_its_files_is_missed(tmp_path, hashed, records):
    cache, path = Cache(tmp_path / "cache"), records / "r1"
    unchanged.content_of(path, cache)
    path.with_suffix(".dat").unlink()
    with pytest.raises(RecordError, match=r"r1\.dat"):
        unchanged.content_of(path, cache)


def test_a_file_that_has_just_changed_may_change_again_and_is_not_noted(tmp_path, hashed, records, monkeypatch):
    path = records / "r1"
    monkeypatch.setattr(unchanged.time, "time", lambda: path.with_suffix(".dat").stat().st_ctime + 1)
    unchanged.content_of(path, Cache(tmp_path / "cache"))
    assert not list((tmp_path / "cache").rglob("*.content"))


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"null",
        b"[]",
        b"[1, 2, 3]",
        b'["0", ["/", 3], []]',
        b'["0", "/", 1]',
        b'["0", [], []]',
        b'["0", [[]], [[]]]',
    ],
)
def test_an_entry_that_says_nothing_of_files_is_as_none(tmp_path, hashed, records, entry):
    cache, path = Cache(tmp_path / "cache"), records / "r1"
    before = unchanged.content_of(path, cache)
    name = next((tmp_path / "cache").rglob("*.content")).name
    cache.write(name, entry)
    assert unchanged.content_of(path, cache) == before
    assert hashed == [path, path]
