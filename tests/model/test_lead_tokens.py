"""K-MERL's tower: each lead has tokens of its own, a hidden lead has none, and the language model gets the mean."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from ecg_r1.model.configuration import ECGTowerConfig
from ecg_r1.model.encoder import ECGTower

SHAPE = {"stem": [[8, 20, 10]], "samples": 100, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture
def tower():
    torch.manual_seed(0)
    return ECGTower(ECGTowerConfig(**SHAPE, num_hidden_layers=2, lead_tokens=True)).eval()


def by_hand(tower, signal, leads):
    """The tower of one ECG, with tokens of the given leads alone and no mask."""
    times = tower.config.num_tokens - 1
    cut = tower.stem[0](signal[leads].unsqueeze(1)).transpose(1, 2)
    tokens = [tower.class_embedding + tower.positional_embedding[0]]
    for row, lead in enumerate(leads):
        for time in range(times):
            tokens.append(cut[row, time] + tower.positional_embedding[time + 1] + tower.lead_embedding[lead])
    hidden = tower.ln_pre(torch.stack(tokens)).unsqueeze(0)
    for block in tower.blocks:
        hidden = block(hidden)
    of_leads = hidden[0, 1:].view(len(leads), times, -1)
    return torch.cat([hidden[0, :1], of_leads.mean(dim=0)])


@pytest.mark.parametrize("leads", [[1], [0, 1], [1, 6, 11], list(range(12))])
def test_a_lead_of_zeros_has_no_token(tower, leads):
    signal = torch.randn(12, 100)
    shown = torch.zeros_like(signal)
    shown[leads] = signal[leads]
    with torch.no_grad():
        found = tower(shown.unsqueeze(0))[0]
        assert found.shape == (tower.config.num_tokens, 8)
        torch.testing.assert_close(found, by_hand(tower, signal, leads), atol=1e-5, rtol=1e-5)


def test_the_same_signal_in_another_lead_is_told_apart(tower):
    beat = torch.randn(100)
    first, second = torch.zeros(2, 1, 12, 100)
    first[0, 0], second[0, 6] = beat, beat
    with torch.no_grad():
        assert (tower(first) - tower(second)).abs().max() > 1e-2


def test_nothing_shown_is_finite_and_rows_do_not_see_each_other(tower):
    rows = torch.randn(3, 12, 100)
    rows[1] = 0
    with torch.no_grad():
        together = tower(rows)
        assert torch.isfinite(together).all()
        for row, alone in zip(together, rows, strict=True):
            torch.testing.assert_close(row, tower(alone.unsqueeze(0))[0], atol=1e-5, rtol=1e-5)


def test_without_lead_tokens_nothing_is_added():
    plain = ECGTower(ECGTowerConfig(**SHAPE, num_hidden_layers=1))
    assert "lead_embedding" not in dict(plain.named_parameters())
    assert plain.stem[0].in_channels == 12
