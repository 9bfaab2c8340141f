"""BP-GPT's alignment: its loss on worked numbers, and what it changes in SFT."""

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import load_model
from ecg_r1.recipe import read_recipe
from ecg_r1.train.arguments import training_arguments
from ecg_r1.train.media import Media
from ecg_r1.train.prefix_alignment import contrast
from ecg_r1.train.sft import sft_trainer

RECIPE = Path(__file__).parents[2] / "recipes" / "papers" / "bp_gpt.yaml"


def test_the_loss_of_two_pairs():
    """S is 1 within a pair and 0 across: of e + e for the pairs, 4 e + 6 for all that are counted."""
    pairs = torch.eye(2)
    assert contrast(pairs, pairs, 1.0).item() == pytest.approx(math.log((4 * math.e + 6) / (2 * math.e)))
    swapped = contrast(pairs, pairs.flip(0), 1.0).item()  # the pairs' S is 0, the others' 1
    assert swapped == pytest.approx(math.log((4 * math.e + 6) / 2))


def test_rows_are_divided_by_their_own_product_and_the_text_gets_no_gradient():
    text = torch.tensor([[2.0, 0], [0, 1]], requires_grad=True)
    ecg = torch.tensor([[1.0, 0], [0, 1]], requires_grad=True)
    # t1 e1 = 2 / 4, e1 t1 = 2 / 1; t2 e2 = e2 t2 = 1; the six others 0
    loss = contrast(text, ecg, 1.0)
    own, every = math.exp(0.5) + math.e, math.exp(0.5) + math.exp(2) + 2 * math.e + 6
    assert loss.item() == pytest.approx(math.log(every / own))
    loss.backward()
    assert text.grad is None
    assert ecg.grad.abs().sum() > 0


def trained(split, folder, *overrides):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"])
    common = [f"run={folder}", "deepspeed=null", "trainer.max_steps=2", "trainer.per_device_train_batch_size=2",
              "trainer.report_to=none", "trainer.logging_steps=1", "trainer.save_strategy=no"]  # fmt: skip
    recipe = read_recipe(RECIPE, [*common, *overrides])
    arguments = training_arguments(recipe, "sft")
    trainer = sft_trainer(model, Media(RecordStore(split), processor), arguments, None, [], recipe.align)
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row]


def test_sft_adds_it_with_its_weight(split, tmp_path):
    plain = trained(split, tmp_path, "align=null")
    light, heavy = (trained(split, tmp_path, f"align.weight={weight}") for weight in (0.5, 2.0))
    assert all("alignment" not in row for row in plain)
    first = light[0]["alignment"]
    assert heavy[0]["alignment"] == pytest.approx(first)  # before any step
    assert light[0]["loss"] - plain[0]["loss"] == pytest.approx(0.5 * first, abs=1e-3)
    assert heavy[0]["loss"] - plain[0]["loss"] == pytest.approx(2 * first, abs=1e-3)
