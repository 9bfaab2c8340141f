"""Text queries to an ECG tower: embeddings, independent logits, and areas of statements never trained."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from splits import write_split

from ecg_r1.corpus.store import RecordStore
from ecg_r1.evaluation import zero_shot as evaluation
from ecg_r1.model.queries import QueryHead, embed, load_head, query_text
from ecg_r1.model.weights import CheckpointError
from ecg_r1.recipe import RecipeError
from ecg_r1.runs import layout
from ecg_r1.train.pretrain_queries import query_targets


def store_of(folder, labels):
    rows = [{"record": f"r{i}", "diagnoses": names, "measurements": {}} for i, names in enumerate(labels)]
    return RecordStore(write_split(folder, rows, page_size=32))


def test_letters_put_related_statements_nearer_than_strange_ones():
    names = ["first-degree AV block", "second-degree AV block", "atrial fibrillation"]
    vectors = embed(list(map(query_text, names)), "letters")
    assert vectors.norm(dim=1).tolist() == pytest.approx([1.0] * 3)
    near = vectors @ vectors.T
    assert near[0, 1] > near[0, 2]


def test_a_querys_logit_does_not_depend_on_the_others():
    torch.manual_seed(0)
    head, tokens, queries = QueryHead(6, 8, 2).eval(), torch.randn(3, 5, 8), torch.randn(4, 6)
    together = head(tokens, queries)
    assert together.shape == (3, 4)
    assert torch.allclose(together[:, 2:3], head(tokens, queries[2:3]), atol=1e-6)


def test_a_head_is_read_back_and_a_folder_without_one_is_refused(tmp_path):
    head = QueryHead(6, 8, 2)
    head.save(tmp_path / "queries", "letters", ["sinus rhythm"])
    again, encoder, trained = load_head(tmp_path / "queries")
    assert (encoder, trained) == ("letters", ("sinus rhythm",))
    tokens, queries = torch.randn(2, 5, 8), torch.randn(3, 6)
    assert torch.equal(again(tokens, queries), head(tokens, queries))
    with pytest.raises(CheckpointError, match="no text queries here"):
        load_head(tmp_path)
    with pytest.raises(CheckpointError, match="no sentence encoder"):
        embed(["normal ECG"], str(tmp_path))


def test_training_asks_for_frequent_statements_that_are_not_held_out(tmp_path):
    store = store_of(tmp_path / "s", [["SR", "possible LBBB"]] * 5 + [["SR", "AFIB"]] * 5 + [["IMI"]] * 4)
    names, labels = query_targets(store, ["AFIB"])
    assert names == ["left bundle branch block", "sinus rhythm"]
    assert labels.sum(0).tolist() == [5, 10]
    with pytest.raises(RecipeError, match="sinus tachycardia"):
        query_targets(store, ["sinus tachycardiaa"])


def test_areas_of_trained_and_unseen_statements(tmp_path, monkeypatch):
    """Logits that order one statement perfectly and one as badly as can be: areas 1 and 0, mean 0.5."""
    store = store_of(tmp_path / "held-out", [["AFIB"]] * 5 + [["LBBB"]] * 7)
    names, truth = evaluation._truth(store)
    assert names == ["atrial fibrillation", "left bundle branch block"]
    logits = np.where(truth, [1.0, -1.0], [-1.0, 1.0]) + np.linspace(0, 0.1, 12)[:, None]
    given = {"tower": logits, "control": -logits}
    monkeypatch.setattr(evaluation, "_logits", lambda run, *_: given[run.name])
    for run in given:
        QueryHead(6, 8, 2).save(tmp_path / run / layout.QUERIES, "letters", ["atrial fibrillation"])
    found = evaluation.zero_shot([tmp_path / "control", tmp_path / "tower"], store.folder, tmp_path, resamples=50)
    tower = found["runs"][str(tmp_path / "tower")]
    assert (tower["trained"], tower["unseen"], tower["all"]) == (1.0, 0.0, 0.5)
    (difference,) = found["differences"].values()
    assert (difference["trained"]["difference"], difference["unseen"]["difference"]) == (1.0, -1.0)
    assert (tmp_path / "zero-shot.json").is_file()
