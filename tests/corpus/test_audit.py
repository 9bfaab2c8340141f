"""The audit: known shares of corruption are found again, copies of a signal, patients in two splits, wrong labels."""

import dataclasses
import json

import numpy as np
import pytest
from splits import write_split

from ecg_r1.corpus.audit.audit import PROFILE, audit
from ecg_r1.corpus.audit.duplicates import duplicates
from ecg_r1.corpus.audit.page import page, summary
from ecg_r1.corpus.audit.values import boilerplate
from ecg_r1.corpus.build import build
from ecg_r1.corpus.profile import SHIPPED, Profile, ProfileError, Share, find_profile, read_profile
from ecg_r1.corpus.text.corruption import quoted_value
from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import FormatError
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record import write_record
from ecg_r1.ecg.simulate import simulate
from ecg_r1.recipe import CorpusRecipe

RANDOM = np.random.default_rng(0)
TRUE = {"heart_rate_bpm": 66, "pr_ms": 180, "qrs_ms": 100, "qt_ms": 390}


def rows_of(count: int, spread: float = 12.0) -> list[dict]:
    """Records whose intervals spread as those of a population do."""
    rows = []
    for k in range(count):
        measured = {name: round(value + spread * RANDOM.normal()) for name, value in TRUE.items()}
        rows.append({"record": f"r{k}", "diagnoses": ["sinus rhythm"], "measurements": measured})
    return rows


def text(row: dict, **over: float) -> str:
    m = row["measurements"] | over
    return f"Rate {m['heart_rate_bpm']} bpm. PR {m['pr_ms']} ms. QRS {m['qrs_ms']} ms. QT {m['qt_ms']} ms."


def audited(tmp_path, rows, texts, name="train"):
    examples = [Example(row["record"], (row["record"],), "?", said) for row, said in zip(rows, texts, strict=True)]
    split = write_split(tmp_path / name, rows, examples, page_size=32)
    return audit([split], tmp_path / "audit")


def test_an_honest_corpus_has_nothing_to_report(tmp_path):
    rows = rows_of(300)
    found = audited(tmp_path, rows, map(text, rows))["responses"]
    profile = read_profile(tmp_path / "audit" / PROFILE)
    assert found["texts_that_quote"] == 300
    for row in found["quantities"].values():
        assert (row["supported"], row["contradicted"], row["boilerplate"], row["slips"]) == (300, 0, [], {})
    for quantity in profile.quantities.values():
        assert (quantity.templated, quantity.other.share, quantity.from_qrs_end.share) == (0, 0, 0)
        assert quantity.rounded.low == 0
        assert quantity.rounded.share == pytest.approx(0, abs=0.08)
        assert quantity.supported.share == 1


def test_an_honest_corpus_that_rounds_is_not_boilerplate(tmp_path):
    rows = rows_of(300)
    rounded = [text(row, **{key: 10 * round(value / 10) for key, value in row["measurements"].items()}) for row in rows]
    found = audited(tmp_path, rows, rounded)["responses"]
    assert all(not row["boilerplate"] for row in found["quantities"].values())
    profile = read_profile(tmp_path / "audit" / PROFILE)
    assert all(profile.quantities[name].rounded.share == 1 for name in ("pr_ms", "qrs_ms", "qt_ms"))


def test_a_template_s_value_is_found_with_its_share(tmp_path):
    rows = rows_of(400, spread=30.0)
    texts = [text(row, pr_ms=160) if k % 4 == 0 else text(row) for k, row in enumerate(rows)]
    (copy,) = audited(tmp_path, rows, texts)["responses"]["quantities"]["pr_ms"]["boilerplate"]
    assert copy["value"] == 160
    assert copy["template_share"] == pytest.approx(0.25, abs=0.06)


def test_two_values_of_two_templates():
    given = [(160.0 if k % 3 else 140.0, float(m)) for k, m in enumerate(RANDOM.normal(190, 30, 300).round())]
    given += [(float(m), float(m)) for m in RANDOM.normal(190, 30, 300).round()]
    assert {copy["value"] for copy in boilerplate(given, 20.0)} == {140.0, 160.0}


@pytest.mark.parametrize(
    ("over", "slip"),
    [
        ({"pr_ms": 0.18}, "seconds written as milliseconds"),
        ({"pr_ms": 180_000}, "microseconds, or milliseconds written as seconds"),
        ({"pr_ms": 18}, "a digit lost"),
        ({"qrs_ms": 1000}, "a digit too many"),
    ],
)
def test_a_unit_slip_is_told_from_another_error(tmp_path, over, slip):
    rows = rows_of(10, spread=0.0)
    (name,) = over
    texts = [text(rows[0], **over), text(rows[1], **{name: 333}), *map(text, rows[2:])]
    row = audited(tmp_path, rows, texts)["responses"]["quantities"][name]
    assert (row["contradicted"], row["slips"]) == (2, {slip: 1})


def test_a_qt_from_the_end_of_the_qrs(tmp_path):
    rows = rows_of(100)
    from_end = [row["measurements"]["qt_ms"] - row["measurements"]["qrs_ms"] for row in rows]
    texts = [
        text(row, qt_ms=qt) if k < 40 else text(row) for k, (row, qt) in enumerate(zip(rows, from_end, strict=True))
    ]
    found = audited(tmp_path, rows, texts)["responses"]
    assert found["quantities"]["qt_ms"]["from_qrs_end"] == 40
    profile = read_profile(tmp_path / "audit" / PROFILE).quantities["qt_ms"]
    assert profile.from_qrs_end.share == pytest.approx(0.4, abs=0.02)
    assert profile.other.share == 0


N = 160  # simulated records


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def built(out, corruption, cache, style="brief"):
    values = {
        "stage": "corpus", "out": str(out), "cache": str(cache), "pages": "drawn", "workers": 1,
        "seed": 1, "reports": {"style": style}, "corruption": corruption,
        "splits": {"train": [{"simulate": N}]},
    }  # fmt: skip
    (folder,) = build(CorpusRecipe.model_validate(values))
    return folder


def test_profiles_that_come_with_the_package_are_named(tmp_path):
    known = {path.stem: find_profile(path.stem) for path in SHIPPED.glob("*.json")}
    assert {"ecg-chat", "featuredb"} <= known.keys()
    for profile in known.values():
        assert profile.source
        assert all(quantity.quotes >= 390 for quantity in profile.quantities.values())
    assert known["featuredb"].quantities["qt_ms"].from_qrs_end.share > 0.5
    with pytest.raises(ProfileError, match=r'no corruption profile .*did you mean "featuredb"'):
        find_profile("featuredB")
    with pytest.raises(ProfileError, match=r"missing\.json"):
        find_profile(str(tmp_path / "missing.json"))


def shares(profile) -> dict[str, Share]:
    """All that a profile states, by quantity and kind."""
    found = {}
    for name, quantity in profile.quantities.items():
        kinds = {"supported": quantity.supported, "rounded": quantity.rounded, "other": quantity.other,
                 "from the end of the QRS": quantity.from_qrs_end}  # fmt: skip
        kinds |= {f"template {template.value:g}": template.share for template in quantity.templates}
        found |= {f"{name}: {kind}": share for kind, share in kinds.items()}
    return found


@pytest.mark.parametrize("style", ["brief", "full"])
def test_a_corpus_that_is_built_with_a_profile_has_that_profile(tmp_path, cache, style):
    """What a corpus was corrupted with is found; and what was found, once more on a corpus that is built with it."""
    stated = {"boilerplate": 0.3, "rounded": 0.3, "qt_from_qrs_end": 0.5}
    audit([built(tmp_path / "one", stated, cache, style)], tmp_path / "audit")
    profile = read_profile(tmp_path / "audit" / PROFILE)
    for name, quantity in profile.quantities.items():
        assert quantity.templated == pytest.approx(0.3, abs=0.15), name
        assert quantity.rounded.share == pytest.approx(0.3, abs=0.15), name
        assert quantity.other.share <= 0.05, name
    assert profile.quantities["qt_ms"].from_qrs_end.share == pytest.approx(0.5, abs=0.15)

    corruption = {"profile": str(tmp_path / "audit" / PROFILE)}
    split = built(tmp_path / "two", corruption, cache, style)
    found = audit([split], tmp_path / "again")
    again = shares(read_profile(tmp_path / "again" / PROFILE))
    assert again.keys() == shares(profile).keys()
    # Two samples of one truth: each share within twice the profile's 95% interval, and nearly all within the interval.
    inside = {name: share.low <= again[name].share <= share.high for name, share in shares(profile).items()}
    assert sum(inside.values()) >= 0.85 * len(inside), inside
    for name, share in shares(profile).items():
        low, high = 2 * share.low - share.share, 2 * share.high - share.share
        assert low <= again[name].share <= high, name
    assert found["splits"]["train"]["examples"] == N
    facts = json.loads((split / "split.json").read_text())
    assert facts["profile"]["quantities"]["qt_ms"]["from_qrs_end"]["share"] > 0.3
    assert facts["corruption"]["PR interval: boilerplate"] == pytest.approx(0.3, abs=0.15)


def test_values_that_are_wrong_for_no_reason_come_back_as_often_and_as_wrong(tmp_path):
    rows = rows_of(300, spread=40.0)
    wrong = [{"qrs_ms": row["measurements"]["qrs_ms"] + 60 + k % 7} if k % 3 == 0 else {} for k, row in enumerate(rows)]
    texts = [text(row, **over) for row, over in zip(rows, wrong, strict=True)]
    audited(tmp_path, rows, texts)
    found = read_profile(tmp_path / "audit" / PROFILE).quantities["qrs_ms"]
    assert found.other.share == pytest.approx(1 / 3, abs=0.02)
    assert found.errors[0] == pytest.approx(60, abs=1)
    draws = np.random.default_rng(0)
    profile, measured = Profile(quantities={"qrs_ms": found}), Measurements.from_json(TRUE)
    quoted = np.array([quoted_value("qrs_ms", measured, profile, draws) for _ in range(3000)])
    assert (quoted > 150).mean() == pytest.approx(found.other.share, abs=0.03)
    assert quoted.max() <= 100 + 66


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "invalid JSON"),
        ("[]", "one JSON object is expected"),
        ('{"quantities": {"rate": {}}}', "unknown quantity 'rate'"),
        ('{"quantities": {"pr_ms": {"rounded": {"share": 2}}}}', r"pr_ms\.rounded\.share: .* less than or equal"),
        ('{"quantities": {"pr_ms": {"rounded": {"share": 0.7}, "other": {"share": 0.7}, "errors": [1]}}}', "over 1"),
        ('{"quantities": {"pr_ms": {"other": {"share": 0.5}}}}', "`other` needs `errors`"),
        ('{"shares": {}}', "Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_profile_is_refused(tmp_path, cache, content, message):
    (tmp_path / "profile.json").write_text(content)
    with pytest.raises(ProfileError, match=rf"profile\.json: .*{message}"):
        built(tmp_path / "out", {"profile": str(tmp_path / "profile.json")}, cache)
    with pytest.raises(ProfileError, match="nowhere: No such file"):
        built(tmp_path / "out", {"profile": str(tmp_path / "nowhere")}, cache)
    with pytest.raises(ValueError, match="a `profile` has its own shares"):
        built(tmp_path / "out", {"profile": "x", "rounded": 0.1}, cache)


@pytest.fixture(scope="module")
def signals():
    return [simulated.record.signal for simulated in simulate(12, seed=5)]


def pairs(signals):
    return {(pair.a, pair.b): pair for pair in duplicates(iter(signals), signals.__getitem__)}


def test_different_ecgs_are_no_pair(signals):
    assert pairs(signals) == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda signal: signal,
        lambda signal: 1.3 * signal,
        lambda signal: signal + 0.5,  # another offset
        lambda signal: signal + np.sin(np.arange(5000) / 800).astype(np.float32),  # a wandering baseline
        lambda signal: signal + 0.02 * np.random.default_rng(1).normal(size=signal.shape).astype(np.float32),
        lambda signal: np.repeat(signal[:, ::5], 5, axis=1),  # 100 Hz
        lambda signal: np.roll(signal, 3, axis=1),
    ],
    ids=["equal", "gain", "offset", "baseline", "noise", "100 Hz", "shift"],
)
def test_a_copy_of_an_ecg_is_found(signals, change):
    found = pairs([*signals, change(signals[4])])
    assert set(found) == {(4, 12)}
    assert found[4, 12].exact == np.array_equal(change(signals[4]), signals[4])


def test_copies_and_patients_across_splits(tmp_path, signals):
    folders = []
    for name, places in (("train", (0, 1)), ("test", (1, 2))):
        rows = [{"record": f"{name}{k}", "diagnoses": ["NORM"], "measurements": {}, "patient": f"p{k}"} for k in places]
        chosen = [signals[k] for k in places]
        folders.append(write_split(tmp_path / name, rows, page_size=32, signal=chosen.__getitem__))
    found = audit(folders, tmp_path / "audit")
    assert (found["duplicates"]["pairs"], found["duplicates"]["across_splits"]) == (1, 1)
    assert (found["duplicates"]["examples"][0]["a"], found["duplicates"]["examples"][0]["b"]) == (
        "train/train1",
        "test/test1",
    )
    assert (found["patients"]["patients"], found["patients"]["in_several_splits"]) == (3, 1)
    assert found["patients"]["examples"] == [{"patient": "p1", "records": {"train": 1, "test": 1}}]
    notes = list(summary(found))
    assert "1 of 3 patients are in more than one split." in notes


def test_labels_against_their_criteria(tmp_path):
    block = {"diagnoses": ["first-degree AV block"]}
    measured = [{"pr_ms": 230}, {"pr_ms": 195}, {"pr_ms": 140}, {}]
    rows = [{"record": f"r{k}", "measurements": m} | block for k, m in enumerate(measured)]
    (row,) = audited(tmp_path, rows, [""] * 4)["criteria"]
    counts = {key: row[key] for key in ("labelled", "met", "borderline", "contradicted", "not measured")}
    assert counts == {"labelled": 4, "met": 1, "borderline": 1, "contradicted": 1, "not measured": 1}
    assert row["examples"] == ["r2: 140 ms"]


def test_the_page_escapes_what_a_corpus_says(tmp_path):
    rows = rows_of(2, spread=0.0)
    rows[0] = rows[0] | {"record": "<script>alert(1)</script>", "patient": "<img src=x>"}
    audited(tmp_path, rows, [text(rows[0], pr_ms=400), text(rows[1])])
    said = (tmp_path / "audit" / "audit.html").read_text()
    assert "<script>" not in said
    assert "&lt;script&gt;" in said


def test_a_file_of_examples_is_audited_on_its_records(tmp_path, ecg_r1):
    record = next(simulate(1, seed=3)).record
    for name in ("a", "b"):
        write_record(dataclasses.replace(record, record_id=name), tmp_path / "records")
    turns = [{"from": "human", "value": "<image>\nRate?"}, {"from": "gpt", "value": "Rate 20 bpm."}]
    file = tmp_path / "gem.json"
    file.write_text(json.dumps([{"id": name, "ecg": f"x/{name}", "conversations": turns} for name in ("a", "c")]))
    with pytest.raises(FormatError, match=r"gem\.json: no split; of a file of examples, name the records' folder"):
        audit([file], tmp_path / "out")
    said = ecg_r1("corpus", "audit", file, "--records", tmp_path / "records", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "Of 1 values that 1 responses quote, the signals support 0 (0.0%)." in said.out
    found = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert found["splits"]["gem"]["examples"] == 1
    assert page(found).startswith("<!doctype html>")
