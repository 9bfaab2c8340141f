"""Random weights under GEM's names, converted: our GEM computes what GEM does, at GEM's width.

ECG tower and projectors are full size (768 wide and 12 deep; 768 -> 1024 -> 4096 -> 4096); CLIP has its width and
677 - 101 = 576 patches at two layers, the language model its width at one layer.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import gem_reference as reference
import gem_release as release
import sentencepiece

from ecg_r1.model.checkpoint import load_model
from ecg_r1.model.convert.plan import plan
from ecg_r1.model.convert.shards import write

CLIP = {"width": 1024, "layers": 2, "size": 336, "mlp": 512}
LANGUAGE = release.llama_config(width=4096, layers=1, mlp=64, heads=32, keys=2)
MIMIC = [0, 1, 2, 3, 5, 4, 6, 7, 8, 9, 10, 11]  # aVF before aVL
QUESTION = "What is the PR interval of this ECG?"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gem")
    torch.manual_seed(0)
    state = release.write_gem(folder / "GEM", language=LANGUAGE, clip_kwargs=CLIP, width=768, layers=12, projection=512)
    for _ in write(plan(folder / "GEM", gem_compat=True), folder / "ours"):
        pass
    # float64: what is compared is the computation, and not how this machine's BLAS rounds sums of 768 numbers
    model, processor = load_model(str(folder / "ours"), dtype="float64")
    state = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "GEM" / "tokenizer.model"))
    return state, model.eval(), processor, pieces


@pytest.fixture(scope="module")
def ecg():
    return np.random.default_rng(0).standard_normal((12, 5000)).astype(np.float32)


def close(ours, theirs, tolerance=1e-10):
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@torch.no_grad()
def test_ecg_tower_and_projectors_at_full_width(converted, ecg):
    state, model, processor, _ = converted
    hidden = reference.ecg_features(state, torch.from_numpy(ecg[MIMIC]).double(), layers=12, heads=12)
    projected = reference.linear(state, "model.ecg_projector", hidden)
    values = processor(ecgs=[ecg])["ecg_values"]
    assert hidden.shape == (101, 768)
    close(model.model.ecg_tower(values)[0], hidden)
    close(model.model.ecg_projector(model.model.ecg_tower(values))[0], projected)
    close(model.model.encode_ecg(values)[0], reference.mm_projector(state, projected))


@torch.no_grad()
def test_the_whole_of_gem_prompt_to_logits(converted, ecg):
    state, model, processor, pieces = converted
    page = np.random.default_rng(1).integers(0, 255, (401, 553, 3)).astype(np.uint8)
    before, after = reference.prompt_ids(pieces, release.SYSTEM, QUESTION)
    image = reference.image_features(state, reference.page_pixels(page, 336).double(), layers=2, heads=32)
    signal = reference.ecg_features(state, torch.from_numpy(ecg[MIMIC]).double(), layers=12, heads=12)
    media = reference.mm_projector(state, torch.cat([reference.linear(state, "model.ecg_projector", signal), image]))
    words = state["model.embed_tokens.weight"]
    embedded = torch.cat([words[before], media, words[after]])
    expected = reference.llama_logits(state, embedded, layers=1, heads=32, keys=2)

    x = processor(text=processor.prompt(QUESTION), ecgs=[ecg], images=[page], return_tensors="pt")
    assert x["input_ids"].shape == (1, len(before) + 677 + len(after))
    assert x["input_ids"][0, : len(before)].tolist() == before
    assert x["input_ids"][0, -len(after) :].tolist() == after
    logits = model(**x).logits[0]
    # two more rows: the placeholders' ids; transformers computes a Llama's norms and angles in float32
    close(logits[:, :400], expected, 1e-5)
