"""The system prompt of a corpus reaches training, and is kept with the model."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from ecg_r1.corpus.build import build
from ecg_r1.model.checkpoint import load_model, load_processor, save
from ecg_r1.recipe import CorpusRecipe, read_recipe
from ecg_r1.train.fit import fit
from ecg_r1.train.preflight import check
from ecg_r1.train.sft import SFTCollator

SFT = Path(__file__).parents[2] / "recipes" / "tiny" / "sft.yaml"
SYSTEM = 'You read "ECGs" {{ carefully }} — 心电图 😀'


@pytest.fixture
def corpus(tmp_path):
    recipe = {"stage": "corpus", "out": str(tmp_path / "corpus"), "page_size": 112, "workers": 1}
    prompts = {"question": ["What is the rate?"], "system": SYSTEM}
    recipe |= {"splits": {"train": [{"simulate": 2}]}, "prompts": prompts}
    (folder,) = build(CorpusRecipe.model_validate(recipe))
    return folder


def test_it_is_said_in_training_and_kept_with_the_model(corpus, tmp_path, monkeypatch):
    said = []
    collate = SFTCollator.__call__

    def seen(self, rows):
        batch = collate(self, rows)
        said.extend(self.media.processor.tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True))
        return batch

    monkeypatch.setattr(SFTCollator, "__call__", seen)
    overrides = [
        f"run={tmp_path}/run", "model=tiny", f"corpus={{train: {corpus}}}", "trainer.max_steps=1", "freeze=[]",
        "trainer.per_device_train_batch_size=2", "deepspeed=null", "trainer.save_strategy=no",
    ]  # fmt: skip
    recipe = read_recipe(SFT, overrides)
    fit(recipe, check(recipe, str(SFT)))
    assert len(said) == 2
    assert all(text.startswith(f"{SYSTEM}\n") and "What is the rate?" in text for text in said)
    kept = load_processor(tmp_path / "run" / "model")
    assert kept.system == SYSTEM
    assert kept.prompt("Rhythm?") == f"{SYSTEM}\n<ecg><image>\nRhythm?\n"
    # as `ask` and `predict` have it, and GRPO on a corpus without one
    assert kept.prompt("Which?", ecgs=2).startswith(SYSTEM)


def test_a_model_without_one_says_none(tmp_path):
    model, processor = load_model("tiny", texts=["Rate?"])
    save(model, processor, tmp_path)
    assert load_processor(tmp_path).system is None
    assert load_processor(tmp_path).prompt("Rate?") == "<ecg><image>\nRate?\n"


def test_a_chat_without_one_is_told_it_and_another_s_is_kept():
    pytest.importorskip("vllm")
    from ecg_r1.model.chat import with_system

    user = {"role": "user", "content": "Rate?"}
    own = {"role": "system", "content": "Mine."}
    assert with_system([user], SYSTEM) == [{"role": "system", "content": SYSTEM}, user]
    assert with_system([own, user], SYSTEM) == [own, user]
    assert with_system([user], None) == [user]


def test_a_question_with_a_tag_is_refused_before_training(corpus, tmp_path):
    from splits import write_split

    from ecg_r1.corpus.store import RecordStore
    from ecg_r1.datasets.example import Example
    from ecg_r1.model.processing import MediaError
    from ecg_r1.train.media import example_dataset

    row = {"record": "r", "diagnoses": ["NORM"], "measurements": {}}
    folder = write_split(tmp_path / "tagged", [row], [Example("x", ("r",), "<image>\nRate?")], page_size=32)
    with pytest.raises(MediaError, match="the text holds '<image>'"):
        example_dataset(RecordStore(folder))
