"""Baselines that read the signal: a small 1-D CNN, and the control that reads it through a tower nobody trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ecg_r1.evaluation.baselines.classifiers import logistic, one_for_each_label
from ecg_r1.evaluation.baselines.contract import ECG, Answers, Labels, Said, asserted, learnable
from ecg_r1.model.encoder import ECGTower
from ecg_r1.model.presets import tower_config

EVERY = 5  # samples of 500 Hz that are averaged into one of 100 Hz
CHANNELS, KERNELS = (12, 32, 64, 64, 128), (7, 5, 5, 5)
EPOCHS, BATCH, RATE, DECAY, DROPOUT = 30, 32, 3e-3, 1e-2, 0.3
TOWER = "tiny"


class CNN(nn.Module):
    """Four convolutions with a stride of 2, the mean and the largest value over time, one linear layer.

    Takes signals (B, 12, 1000) in mV at 100 Hz and returns logits (B, labels).
    """

    def __init__(self, labels: int):
        super().__init__()
        blocks = []
        for into, out, kernel in zip(CHANNELS, CHANNELS[1:], KERNELS, strict=False):
            convolution = nn.Conv1d(into, out, kernel, stride=2, padding=kernel // 2, bias=False)
            blocks.append(nn.Sequential(convolution, nn.BatchNorm1d(out), nn.ReLU()))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(2 * CHANNELS[-1], labels))

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        hidden = self.blocks(signals)
        return self.head(torch.cat([hidden.mean(-1), hidden.amax(-1)], dim=1))


def cnn(ecgs: Sequence[ECG], truths: Sequence[Labels], seed: int) -> Answers:
    """A small 1-D CNN, trained for a fixed number of epochs; nothing of the split that is answered chooses a model."""
    names, has = learnable(truths)
    signals, targets = _at_100_hz(ecgs), torch.from_numpy(has).float()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = CNN(len(names))
        optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
        steps = EPOCHS * len(range(0, len(signals), BATCH))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(signals)).split(BATCH):
                if len(rows) == 1:  # batch normalisation has no variance of one
                    schedule.step()
                    continue
                loss = nn.functional.binary_cross_entropy_with_logits(model(signals[rows]), targets[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    model.eval()

    def answers(asked: Sequence[ECG]) -> list[Said]:
        with torch.no_grad():
            rows = [model(part).sigmoid() for part in _at_100_hz(asked).split(BATCH)]
        return asserted(names, torch.cat(rows).double().numpy())

    return answers


def _at_100_hz(ecgs: Sequence[ECG]) -> torch.Tensor:
    """(ECGs, 12, 1000) in mV."""
    return torch.from_numpy(np.stack([ecg.signal().reshape(12, -1, EVERY).mean(-1) for ecg in ecgs]))


def random_tower(ecgs: Sequence[ECG], truths: Sequence[Labels], seed: int) -> Answers:
    """Logistic regression on the mean token of a tiny GEM's ECG tower with random weights.

    What a model with trained towers does not do better, it does not owe to what the towers learned.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        tower = ECGTower(tower_config(TOWER)).eval()

    def tokens(asked: Sequence[ECG]) -> np.ndarray:
        with torch.no_grad():
            parts = [
                tower(torch.from_numpy(np.stack([ecg.signal() for ecg in asked[start : start + BATCH]]))).mean(dim=1)
                for start in range(0, len(asked), BATCH)
            ]
        return torch.cat(parts).double().numpy()

    return one_for_each_label(logistic, tokens)(ecgs, truths, seed)
