"""Frozen towers run once: the loss and gradients are those of towers that run each time."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from peft import LoraConfig, get_peft_model

from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import freeze, load_model
from ecg_r1.model.features import NEVER, FeatureCache
from ecg_r1.recipe import Dropout
from ecg_r1.train.dropout import View
from ecg_r1.train.frozen import keep_features
from ecg_r1.train.media import Media
from ecg_r1.train.sft import SFTCollator


def opened(split, frozen=("ecg_tower", "vision_tower"), **media):
    torch.manual_seed(0)
    store = RecordStore(split)
    model, processor = load_model("tiny", texts=[example.response or "" for example in store.examples])
    freeze(model, list(frozen))
    return model.train(), Media(store, processor, **media)


def loss_of(model, media, epoch=0):
    batch = SFTCollator(media, epoch)([{"example": example.id} for example in media.store.examples])
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_each_record_is_encoded_once_with_the_same_loss_and_gradients(split):
    model, media = opened(split)
    plain, expected = loss_of(model, media)
    cache = keep_features(model, media)
    for _ in range(3):
        loss, grads = loss_of(model, media)
        assert torch.allclose(loss, plain, rtol=0, atol=1e-6)
        assert all(torch.allclose(grads[name], grad, rtol=0, atol=1e-6) for name, grad in expected.items())
    assert cache.encoded == {"ecg": 4, "image": 4}


@pytest.mark.parametrize(
    ("frozen", "towers"),
    [((), None), (("ecg_tower",), {"ecg"}), (("ecg_tower", "vision_tower"), {"ecg", "image"})],
)
def test_a_tower_that_learns_is_always_run(split, frozen, towers):
    model, media = opened(split, frozen)
    cache = keep_features(model, media)
    assert (cache and cache.towers) == towers


def test_a_tower_with_adapters_is_no_frozen_one(split):
    model, media = opened(split)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=r"model\.ecg_tower\..*c_fc"))
    assert keep_features(adapted, media).towers == {"image"}


def test_a_view_with_hidden_leads_is_encoded_anew(split):
    model, media = opened(split, dropout=Dropout(leads=1.0), seed=3)
    cache = keep_features(model, media)
    record = media.store.ids[0]
    views = [View(record), View(record, leads=("I", "II")), View(record, ecg=False), View(record, page=False)]
    keys = media.tensors([[view] for view in views])["media_keys"]
    assert (keys == NEVER).tolist() == [[False, False], [True, True], [True, False], [False, True]]
    first, again = loss_of(model, media, 0)[0], loss_of(model, media, 1)[0]
    assert first != again  # other leads in another epoch
    assert cache.encoded["ecg"] == 8


def test_the_same_name_with_another_content_has_another_key(split, tmp_path):
    _, media = opened(split)
    media.keyed = True
    keys = media.tensors([[View(record)] for record in media.store.ids])["media_keys"]
    assert len(set(keys[:, 0].tolist())) == len(media.store.ids)
    assert len(set(keys[:, 1].tolist())) == len(media.store.ids)


def test_what_came_first_stays_within_the_limit():
    cache = FeatureCache(["ecg"], limit=2 * 3 * 4)
    ran = []

    def encode(values):
        ran.append(len(values))
        return values.view(-1, 1, 3)

    values = torch.arange(9.0).view(3, 3)
    keys = torch.tensor([5, 6, 7])
    for _ in range(2):
        assert torch.equal(cache.take("ecg", keys, values, encode), values.view(3, 1, 3))
    assert ran == [1, 1, 1, 1]
    assert torch.equal(cache.take("page", keys, values, encode), values.view(3, 1, 3))  # a tower that is not frozen
    assert cache.used == 2 * 3 * 4


def test_what_is_kept_depends_on_no_other_of_its_batch_and_is_encoded_once(split):
    model, media = opened(split)
    tower = model.model.ecg_tower
    values = media.tensors([[View(record)] for record in media.store.ids])["ecg_values"]
    keys = torch.arange(1, len(values) + 1)
    together, alone = (FeatureCache(["ecg"], limit=2**20) for _ in range(2))
    repeated = torch.cat([values, values]), torch.cat([keys, keys])
    found = together.take("ecg", repeated[1], repeated[0], tower)
    assert together.encoded["ecg"] == len(values)
    for i, key in enumerate(keys):
        assert torch.equal(alone.take("ecg", key[None], values[i : i + 1], tower)[0], found[i])
        assert torch.equal(found[i], found[len(values) + i])
