"""Conversations: every turn stands in the prompt, and every response is learned."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from splits import write_split

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.model.checkpoint import load_model
from ecg_r1.model.tokenizer import LLAVA_V1_TEMPLATE
from ecg_r1.recipe import Dropout
from ecg_r1.train.media import WHOLE, Media, example_dataset
from ecg_r1.train.sft import SFTCollator, conversation

ROW = {"record": "r", "diagnoses": ["NORM"], "measurements": {}}
ALONE = Example("alone", ("r",), "Rate?", "75 bpm.")
TURNS = Example("turns", ("r",), "PR?", "164 ms.", turns=(("Rate?", "75 bpm."), ("Normal?", "Yes.")))


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    folder = write_split(tmp_path_factory.mktemp("split") / "train", [ROW], [ALONE, TURNS], page_size=112)
    _, processor = load_model("tiny", texts=["Rate? PR? Normal? 75 bpm. 164 ms. Yes."])
    return Media(RecordStore(folder), processor, Dropout(), seed=0)


def test_a_split_keeps_the_turns(media):
    assert list(media.store.examples) == [ALONE, TURNS]
    assert media.store.questions() == [("Rate?", 1, ()), ("PR?", 1, TURNS.turns)]


def test_the_media_stand_once_before_the_first_question(media):
    prompt = media.prompt(TURNS, media.shown(TURNS, WHOLE))
    assert prompt.count("<ecg>") == prompt.count("<image>") == 1
    places = [prompt.index(text) for text in ("<ecg>", "Rate?", "75 bpm.</s>", "Normal?", "Yes.</s>", "PR?")]
    assert places == sorted(places)
    assert prompt.rstrip().endswith("PR?")


def test_each_response_is_learned_and_no_question(media):
    tokenizer = media.processor.tokenizer
    batch = SFTCollator(media)(list(example_dataset(media.store)))
    learned = [tokenizer.decode(row[row != -100]) for row in batch["labels"]]
    assert learned == ["75 bpm.</s>", "75 bpm.</s>Yes.</s>164 ms.</s>"]
    for row, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        assert torch.equal(row[labels != -100], labels[labels != -100])
    alone, turns = batch["attention_mask"].sum(dim=1).tolist()
    assert turns > alone


def test_the_parts_are_the_prompt_and_the_response(media):
    parts = conversation(media, TURNS, media.shown(TURNS, WHOLE))
    assert (
        "".join(text for text, _ in parts)
        == media.processor.expand(media.prompt(TURNS, media.shown(TURNS, WHOLE))) + "164 ms.</s>"
    )


def test_in_llava_s_template_too(media, monkeypatch):
    monkeypatch.setattr(media.processor.tokenizer, "chat_template", LLAVA_V1_TEMPLATE)
    assert [text for text, is_response in conversation(media, TURNS, media.shown(TURNS, WHOLE)) if is_response] == [
        "75 bpm.</s>",
        "Yes.</s>",
        "164 ms.</s>",
    ]


def test_a_template_that_rewrites_an_earlier_response_leaves_the_last_one_to_learn(media, monkeypatch):
    said = "m['content'] if m['role'] == 'user' else 'said'"
    template = "{% for m in messages %}{{ m['role'] + ': ' + (" + said + ") + ' ' }}{% endfor %}"
    monkeypatch.setattr(media.processor.tokenizer, "chat_template", template)
    assert [text for text, is_response in conversation(media, TURNS, media.shown(TURNS, WHOLE)) if is_response] == [
        "164 ms.</s>"
    ]
