"""What electrodes add to the heart's signal, and the atria in fibrillation.

Electrodes are seen in eight leads, I, II, V1 … V6, from which the others follow.
"""

from __future__ import annotations

import numpy as np


def electrode_noise(samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Baseline wander (0.12 to 0.45 Hz), mains hum (50 or 60 Hz) and muscle noise.

    Returns:
        float32 (8, samples) in mV.
    """
    time = np.arange(samples, dtype=np.float32) / rate
    mains = rng.choice([50.0, 60.0])
    frequencies = np.append(rng.uniform(0.12, 0.45, 3), mains).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, 4).astype(np.float32)
    waves = np.sin(np.float32(2 * np.pi) * frequencies[:, None] * time + phases[:, None])
    strengths = np.append(np.full(3, rng.uniform(0.01, 0.06)), rng.uniform(0, 0.006))
    slow = (rng.normal(size=(8, 4)) * strengths).astype(np.float32) @ waves
    muscle = rng.standard_normal((8, samples), dtype=np.float32)
    muscle *= np.float32(rng.uniform(0.004, 0.018))
    muscle[:, 1:] -= np.float32(0.5) * muscle[:, :-1]  # tilts the spectrum towards the high frequencies of EMG
    return slow + muscle


# How an offset of an electrode shows: rows I, II, V1 … V6, columns RA, LA, LL, V1 … V6. The chest leads are measured
# against the mean of the three limbs (Wilson's terminal).
ELECTRODES = np.block([
    [np.array([[-1.0, 1, 0], [-1, 0, 1]]), np.zeros((2, 6))],
    [np.full((6, 3), -1 / 3), np.eye(6)],
])  # fmt: skip


def electrode_movement(samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """The movement of one electrode, up to three times: its offset jumps and drifts back.

    Returns:
        float32 (8, samples) in mV.
    """
    time, offset = np.arange(samples) / rate, np.zeros(samples)
    for _ in range(int(rng.integers(1, 4))):
        since = time - rng.uniform(0, time[-1])
        jump = rng.choice([-1, 1]) * rng.uniform(0.5, 3) * np.exp(-np.maximum(since, 0) / rng.uniform(0.1, 1.5))
        offset += np.where(since > 0, jump, 0)
    return np.outer(ELECTRODES[:, rng.integers(ELECTRODES.shape[1])], offset).astype(np.float32)


def fibrillation(samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """(3, samples): the dipole of f-waves, 4.5 to 8 Hz with wandering frequency and strength, mostly towards V1."""
    time = np.arange(samples) / rate
    drift = np.sin(2 * np.pi * (rng.uniform(0.1, 0.4, 3)[:, None] * time + rng.uniform(size=(3, 1))))
    cycles = rng.uniform(4.5, 8) * time + 0.6 * drift[0] + rng.uniform()
    wave = np.sin(2 * np.pi * cycles) + 0.35 * np.sin(4 * np.pi * cycles + rng.uniform(0, 2 * np.pi))
    strength = rng.uniform(0.03, 0.08) * (1 + 0.35 * drift[1])
    sideways = rng.uniform(0.02, 0.05) * np.sin(2 * np.pi * (rng.uniform(4.5, 8) * time + 0.5 * drift[2]))
    return np.array([[-0.3], [0.6], [-0.9]]) * (strength * wave) + np.array([[0.3], [0.7], [0.1]]) * sideways
