"""With some leads hidden, a target says nothing that only these would show, and the prompt says which are shown."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.model.checkpoint import check_checkpoint, load_model, load_processor, save
from ecg_r1.model.processing import stated_leads
from ecg_r1.recipe import Dropout
from ecg_r1.scoring.contract import Case
from ecg_r1.train.dropout import Shown, View
from ecg_r1.train.held_to_leads import held_to_leads
from ecg_r1.train.media import Media
from ecg_r1.train.sft import SFTCollator

VALUES = {"pr_ms": 160.0, "by_lead": {"st_mv": [0.1] * 12, "t_mv": [0.3] * 12}}
TEXT = (
    "<think>PR interval 160 ms. ST 0.10 mV in V2 and V3. T wave 0.3 mV in II. The rhythm is regular.</think>"
    "<answer>normal ECG; T wave 0.3 mV in V3</answer>"
)


def case(leads):
    return Case("r", ("normal ECG",), Measurements.from_json(VALUES), leads=tuple(leads))


@pytest.mark.parametrize(
    ("leads", "gone"),
    [
        (LEADS, []),
        (("II", "V2", "V3"), []),
        (("II",), ["ST 0.10 mV in V2 and V3. "]),
        (("II", "V2"), ["ST 0.10 mV in V2 and V3. "]),  # one of its leads is hidden
        (("V2", "V3"), ["T wave 0.3 mV in II. "]),
        (("I",), ["ST 0.10 mV in V2 and V3. ", "T wave 0.3 mV in II. "]),
    ],
)
def test_sentences_about_hidden_leads_are_left_out(leads, gone):
    wanted = TEXT
    for sentence in gone:
        assert sentence in TEXT
        wanted = wanted.replace(sentence, "")
    assert held_to_leads(TEXT, case(LEADS), case(leads)) == wanted


def test_what_no_lead_shows_is_no_reason():
    text = "The QT interval is 400 ms. ST 0.10 mV in V2."  # QT was not measured in this record at all
    assert held_to_leads(text, case(LEADS), case(("II",))) == "The QT interval is 400 ms. "


@pytest.mark.parametrize(
    ("leads", "said"),
    [
        ([], ""),
        ([LEADS], ""),
        ([()], ""),
        ([("II",)], "Leads shown: II."),
        ([("I", "aVL")], "Leads shown: I, aVL."),
        ([LEADS, ("II", "V5")], "Leads shown of ECG 2: II, V5."),
        ([("II",), ("V1",)], "Leads shown of ECG 1: II. Leads shown of ECG 2: V1."),
    ],
)
def test_leads_are_stated(leads, said):
    assert stated_leads(leads) == said


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return load_model("tiny", texts=["Read this ECG. Leads shown: II, V1."])


def test_the_prompt_states_the_leads_that_are_drawn_and_the_target_keeps_to_them(split, model):
    _, processor = model
    processor.states_leads = True
    media = Media(RecordStore(split), processor, Dropout(leads=1.0, state_leads=True), seed=3)
    collator = SFTCollator(media)
    rows = [{"example": name} for name in media.store.example_ids.array.to_pylist()]
    batch = collator(rows)
    for row, ids, labels in zip(rows, batch["input_ids"], batch["labels"], strict=True):
        example = media.store.example(row["example"])
        shown = media.shown(example, 0)
        said = f"Leads shown: {', '.join(shown.views[0].leads)}."
        assert said in processor.tokenizer.decode(ids[labels == -100])
        target = processor.tokenizer.decode(labels[labels != -100]).removesuffix(processor.tokenizer.eos_token)
        assert target == held_to_leads(example.response, media.store.case(example.id), media.case(shown))
    processor.states_leads = False
    assert "Leads shown" not in processor.tokenizer.decode(collator(rows)["input_ids"][0])


def test_a_checkpoint_keeps_whether_leads_are_stated(model, tmp_path):
    gem, processor = model
    for states in (True, False):
        processor.states_leads = states
        folder = tmp_path / str(states)
        save(gem, processor, folder)
        loaded = load_processor(check_checkpoint(folder))
        assert loaded.states_leads is states
        assert ("Leads shown: II." in loaded.prompt("Read it.", leads=[("II",)])) is states
        assert "Leads shown" not in loaded.prompt("Read it.", leads=[LEADS])


def test_a_view_without_signal_and_page_states_nothing(split, model):
    _, processor = model
    processor.states_leads = True
    media = Media(RecordStore(split), processor)
    example = media.store.examples[0]
    view = View(example.records[0], ("II",), ecg=False, page=False)
    assert "Leads shown" not in media.prompt(example, Shown(example.id, (view,)))
    processor.states_leads = False
