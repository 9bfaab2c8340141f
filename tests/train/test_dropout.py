"""What dropout hides: how often, from whom, and that it is the same for all who must see the same."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from transformers import TrainerControl, TrainerState, TrainingArguments

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.paper import Paper
from ecg_r1.ecg.render import PLAIN
from ecg_r1.ecg.wild import STORED, Look, draw_page
from ecg_r1.model.checkpoint import load_model
from ecg_r1.recipe import Dropout, Pages
from ecg_r1.scoring import Completion, load_reward
from ecg_r1.scoring.abstention import NOTHING_SHOWN
from ecg_r1.train.dropout import NOTHING, Shown, View, arrange, draw
from ecg_r1.train.held_to_leads import held_to_leads
from ecg_r1.train.media import WHOLE, DrawEachEpoch, Media, example_dataset
from ecg_r1.train.pretrain import pretrain_trainer
from ecg_r1.train.sft import SFTCollator

MANY = 4000


def draws(dropout, leads=LEADS):
    return [draw(dropout, 0, moment, "r1", leads) for moment in range(MANY)]


def test_shares_are_as_asked():
    views = draws(Dropout(leads=0.3, ecg=0.1, page=0.2, nothing=0.15, interleave=0.4))
    sigma = (0.25 / MANY) ** 0.5
    for share, count in (
        (0.3, sum(view.leads is not None for view in views)),
        (0.1, sum(not view.ecg and view.page for view in views)),
        (0.2, sum(view.ecg and not view.page for view in views)),
        (0.15, sum(not view.ecg and not view.page for view in views)),
        (0.4, sum(view.page_first for view in views)),
    ):
        assert count / MANY == pytest.approx(share, abs=4 * sigma)
    assert all(view.ecg or view.page for view in draws(Dropout(ecg=0.5, page=0.5)))


def test_each_number_of_leads_is_as_likely_and_each_lead_too():
    shown = [view.leads for view in draws(Dropout(leads=1.0)) if view.leads]
    assert len(shown) == MANY
    numbers = Counter(map(len, shown))
    assert set(numbers) == set(range(1, 12))
    assert max(numbers.values()) < 1.3 * min(numbers.values())
    leads = Counter(lead for leads in shown for lead in leads)
    assert max(leads.values()) < 1.1 * min(leads.values())
    assert all(list(leads) == [lead for lead in LEADS if lead in leads] for leads in shown)


def test_only_leads_that_are_there_are_shown_and_the_last_is_never_hidden():
    assert {view.leads for view in draws(Dropout(leads=1.0), ["II", "V5"])} == {("II",), ("V5",)}
    assert {view.leads for view in draws(Dropout(leads=1.0), ["II"])} == {None}


def test_a_draw_depends_on_seed_moment_and_record_alone():
    dropout = Dropout(leads=0.5, ecg=0.2, page=0.2, interleave=0.5)
    one = [draw(dropout, 3, moment, f"r{k}", LEADS) for moment in range(9) for k in range(9)]
    np.random.seed(1)
    torch.manual_seed(1)
    again = [draw(dropout, 3, moment, f"r{k}", LEADS) for moment in reversed(range(9)) for k in reversed(range(9))]
    assert one == again[::-1]
    by_place = {k: [view for i, view in enumerate(one) if i % 9 == k] for k in range(9)}
    assert len({tuple((v.leads, v.ecg, v.page) for v in views) for views in by_place.values()}) == 9
    other_seed = [draw(dropout, 4, moment, f"r{k}", LEADS) for moment in range(9) for k in range(9)]
    assert sum(a != b for a, b in zip(one, other_seed, strict=True)) > 40


@pytest.fixture(scope="module")
def media(split):
    torch.manual_seed(0)
    _, processor = load_model("tiny", texts=["Report this ECG. normal"])
    return Media(RecordStore(split), processor, Dropout(leads=0.5, ecg=0.25, page=0.25, interleave=0.3), seed=2)


def test_a_hidden_lead_is_zero_in_the_signal_blank_on_the_page_and_unknown_to_the_rewards(media):
    record = media.store.ids[0]
    view = View(record, leads=("II", "V1"))
    shown = [lead in view.leads for lead in LEADS]
    assert np.array_equal(media.signal(view)[shown], media.store.signal(record)[shown])
    assert not media.signal(view)[~np.array(shown)].any()
    page, whole = media.page(view), media.page(View(record))
    assert page.shape == whole.shape
    assert (page < 128).sum() < 0.8 * (whole < 128).sum()  # ink; names and margins stay
    assert media.case(Shown(record, (view,))).leads == ("II", "V1")
    assert media.case(Shown(record, (View(record),))).leads == LEADS


def test_a_page_of_all_leads_is_the_one_that_is_kept(media):
    record = media.store.ids[1]
    assert np.array_equal(media.page(View(record, leads=LEADS)), media.store.page(record))


def test_each_view_is_processed_once_and_rows_point_to_theirs(media):
    a, b = media.store.ids[:2]
    views = [View(a), View(a, ("I",)), View(b, page=False), View(a), View(a, ("I",))]
    tensors = media.tensors([[view] for view in views])
    assert tensors["media_index"].tolist() == [[[0, 0]], [[1, 1]], [[2, -1]], [[0, 0]], [[1, 1]]]
    assert tensors["ecg_values"].shape[0] == tensors["pixel_values"].shape[0] == 3
    assert not tensors["ecg_values"][1, 1:].any()
    assert not tensors["pixel_values"][2].any()


def test_a_row_of_several_records_has_the_places_of_each(media):
    a, b = media.store.ids[:2]
    rows = [[View(a), View(b, page=False)], [View(b, ecg=False)], [View(b, page=False), View(a)]]
    tensors = media.tensors(rows)
    assert tensors["media_index"].tolist() == [[[0, 0], [1, -1]], [[-1, 2], [-1, -1]], [[1, -1], [0, 0]]]
    assert tensors["ecg_values"].shape[0] == 3


def test_each_record_of_an_example_is_drawn_for_itself(media):
    a, b = media.store.ids[:2]
    moments = range(20)
    pairs = [media.shown(Example("both", (a, b), "Which?"), moment).views for moment in moments]
    assert pairs == [(media.view(a, moment), media.view(b, moment)) for moment in moments]
    alone = [media.shown(media.store.example(a), moment).views for moment in moments]
    assert [views[0] for views in pairs] == [views[0] for views in alone]  # whatever it is asked with


@pytest.mark.parametrize(
    ("view", "tags"),
    [
        (View("r"), "ei"),
        (View("r", page_first=True), "ie"),
        (View("r", page=False), "e"),
        (View("r", ecg=False, page_first=True), "i"),
        (View("r", ecg=False, page=False), ""),
    ],
)
def test_prompts_hold_the_placeholders_of_what_is_shown(media, view, tags):
    processor = media.processor
    tokens = {"e": processor.ecg_token * processor.num_ecg_tokens, "i": processor.image_token * 16}
    whole = processor.expand(processor.prompt("Report this ECG."))
    expected = whole.replace(tokens["e"] + tokens["i"], "".join(tokens[tag] for tag in tags))
    ids = processor.tokenizer([whole, expected], add_special_tokens=False)["input_ids"]
    assert arrange(ids[0], [view], processor) == ids[1]


def test_placeholders_of_two_records_stand_in_their_order(media):
    processor = media.processor
    ecg, image = processor.ecg_token * processor.num_ecg_tokens, processor.image_token * processor.num_image_tokens
    whole = processor.expand(processor.prompt("Which?", ecgs=2))
    expected = whole.replace(ecg + image + ecg + image, image + ecg + ecg)
    ids = processor.tokenizer([whole, expected], add_special_tokens=False)["input_ids"]
    assert arrange(ids[0], [View("r", page_first=True), View("s", page=False)], processor) == ids[1]


def test_nothing_is_hidden_unless_asked_for_nor_at_evaluation(media):
    plain = Media(media.store, media.processor)
    assert plain.dropout == NOTHING
    views = [View(record) for record in media.store.ids]
    assert [plain.view(record, 5) for record in media.store.ids] == views
    assert [media.view(record, WHOLE) for record in media.store.ids] == views


def test_pages_look_otherwise_where_the_recipe_says_so(media):
    wild = Media(media.store, media.processor, media.dropout, media.seed, pages=Pages(paper=0.6, artefacts=0.5))
    records, moments = media.store.ids, range(40)
    views = {(record, moment): wild.view(record, moment) for record in records for moment in moments}
    assert views == {place: wild.view(*place) for place in views}
    for place, view in views.items():  # dropout draws what it would draw without them
        assert dataclasses.replace(view, look=STORED) == media.view(*place)
    looks = [view.look for view in views.values()]
    assert 0.3 < np.mean([look.paper == PLAIN for look in looks]) < 0.6
    assert 0.4 < np.mean([look.artefacts is None for look in looks]) < 0.6
    assert all(wild.view(record, WHOLE) == View(record) for record in records)
    view = View(records[0], look=Look(Paper("6x2", grid="blue"), artefacts=5))
    size = media.store.facts["page_size"]
    assert np.array_equal(wild.page(view), draw_page(media.store.record(records[0]), size, view.look))
    assert not torch.equal(*wild.tensors([[view], [View(records[0])]])["pixel_values"])
    assert str(Shown("e", (view,))) == "ecg page (6x2, 25 mm/s, 10 mm/mV, blue, photographed (5)): all leads"


def test_sft_sees_an_example_otherwise_in_another_epoch(media):
    rows = list(example_dataset(media.store)) * 8
    collator = SFTCollator(media)
    begin = DrawEachEpoch(collator)
    state = TrainerState()

    def epoch(number):
        state.epoch = number
        begin.on_epoch_begin(TrainingArguments(report_to=[]), state, TrainerControl())
        return collator(rows)

    first, second, again = epoch(0.0), epoch(1.0), epoch(0.0)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert first["input_ids"].shape != second["input_ids"].shape or not torch.equal(
        first["ecg_values"], second["ecg_values"]
    )
    later = epoch(1.5)  # resumed amid an epoch
    assert all(torch.equal(second[key], later[key]) for key in later)
    # The loss is on the responses alone, wherever the placeholders have moved.
    for number, batch in enumerate((first, second)):
        for row, labels in zip(rows, batch["labels"], strict=True):
            example = media.store.example(row["example"])
            whole, seen = media.store.case(example.id), media.case(media.shown(example, number))
            response = held_to_leads(example.response, whole, seen) + media.processor.tokenizer.eos_token
            assert media.processor.tokenizer.decode(labels[labels != -100]) == response


def test_of_what_is_not_shown_nothing_is_known_and_the_right_response_says_so(media):
    record, other = media.store.ids[:2]
    hidden = View(record, ecg=False, page=False)
    case = media.case(Shown(record, (hidden,)))
    assert (case.leads, case.diagnoses) == ((), ())
    assert all(case.measurements[name].unknown for name in ("pr_ms", "heart_rate_bpm"))
    assert str(hidden) == "nothing"
    assert Shown(record, (hidden,)).nothing
    assert not Shown("both", (hidden, View(other))).nothing
    assert load_reward("abstain")(Completion.parse(NOTHING_SHOWN), case).value == 1
    assert load_reward("intervals")(Completion.parse("PR interval 160 ms."), case) is None

    collator = SFTCollator(Media(media.store, media.processor, Dropout(nothing=0.5), seed=1))
    rows = list(example_dataset(media.store))
    batch = collator(rows)
    targets = [media.processor.tokenizer.decode(labels[labels != -100]) for labels in batch["labels"]]
    end = media.processor.tokenizer.eos_token
    unseen = [bool((index < 0).all()) for index in batch["media_index"]]
    assert 0 < sum(unseen) < len(rows)
    for row, target, blind, ids in zip(rows, targets, unseen, batch["input_ids"], strict=True):
        assert target == (NOTHING_SHOWN if blind else media.store.example(row["example"]).response) + end
        assert bool((ids == media.processor.ecg_token_id).any()) != blind


def test_a_batch_in_which_nothing_is_shown_can_be_learned_from(media):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Report this ECG. normal", NOTHING_SHOWN])
    collator = SFTCollator(Media(media.store, processor, Dropout(nothing=1.0)))
    batch = collator(list(example_dataset(media.store))[:2])
    assert (batch["media_index"] == -1).all()
    model.train()(**batch).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_towers_see_some_of_the_leads_in_pre_training(media, tmp_path):
    model, _ = load_model("tiny", texts=["normal ECG"])
    few = Media(media.store, media.processor, Dropout(leads=1.0))
    arguments = TrainingArguments(
        output_dir=str(tmp_path), report_to=[], max_steps=2, disable_tqdm=True, dataloader_pin_memory=False
    )
    trainer = pretrain_trainer(model, few, arguments, [])
    signals = [trainer.data_collator([0, 1, 2, 3])["ecg_values"] for trainer.data_collator.collator.epoch in range(3)]
    shown = [signal.abs().sum(dim=2) > 0 for signal in signals]
    assert all((leads.sum(dim=1) < 12).all() and (leads.sum(dim=1) > 0).all() for leads in shown)
    assert not torch.equal(shown[0], shown[1])
    trainer.train()
    assert trainer.state.global_step == 2
