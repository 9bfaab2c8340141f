"""12-lead ECGs whose intervals and diagnosis are known exactly.

Every record is drawn from its own generator, so record `i` of a seed does not depend on which other records are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecg_r1.ecg.findings import Findings
from ecg_r1.ecg.heart import DOWER, POPULATIONS, Population, p_wave, population, ventricular_ectopic
from ecg_r1.ecg.leads import LEADS, derive_limb_leads
from ecg_r1.ecg.lobes import Beat, Wave
from ecg_r1.ecg.noise import electrode_movement, electrode_noise, fibrillation
from ecg_r1.ecg.record import SAMPLES, SAMPLING_RATE, ECGRecord
from ecg_r1.ecg.truth import TrueHeart, true_findings
from ecg_r1.errors import UserError

DIAGNOSES = tuple(POPULATIONS)[:11]  # each a population of its own, told apart by intervals, rhythm or shape
BEFORE, AFTER = 400.0, 760.0  # ms of one beat drawn around its QRS onset
MS = 1000 / SAMPLING_RATE
DRAWS = 1000  # in search of a beat that fits into its RR interval


@dataclass(frozen=True)
class Simulated:
    """A record and its true values, keyed as `ecg_r1.ecg.measure.QUANTITIES`; None where there is no P wave.

    Intervals are those of the waves' supports; rr_ms is the mean RR interval of all whole beats,
    axis_deg the direction of the QRS area. findings: those that the waves are made of.
    """

    record: ECGRecord
    truth: dict[str, float | None]
    findings: Findings


def simulate(
    n: int, *, seed: int, diagnoses: Sequence[str] | None = None, start: int = 0, artefacts: float = 0.0
) -> Iterator[Simulated]:
    """Records `start` to `start + n - 1` of a seed, cycling through `diagnoses` so that any stretch is balanced.

    Args:
        diagnoses: names from `POPULATIONS`, or several joined by "; "; the eleven of `DIAGNOSES` unless given.
        artefacts: share of the records in which an electrode moves.

    Raises:
        UnknownDiagnosis: there is no population of that name.
        UserError: diagnoses that exclude each other.
    """
    drawn = [(tuple(part.strip() for part in name.split(";")), population(name)) for name in diagnoses or DIAGNOSES]
    for i in range(start, start + n):
        one = _simulate_one(f"sim_{seed}_{i:06d}", *drawn[i % len(drawn)], np.random.default_rng([seed, i]))
        chance = np.random.default_rng([seed, i, 1])  # its own, so that the heart is the same with artefacts as without
        yield _with_movement(one, chance) if chance.random() < artefacts else one


def _simulate_one(
    record_id: str, diagnoses: tuple[str, ...], population: Population, rng: np.random.Generator
) -> Simulated:
    beat, rr = _fitting_beat(population, rng)
    onsets = _draw_onsets(population, beat, rr, rng)
    drawn = p_wave(beat) + population.ventricles(beat)
    for change in population.changes:
        drawn = change(drawn, beat, rng)
    waves = vary(drawn, rng)
    gains = rng.uniform(0.75, 1.25) * rng.uniform(0.92, 1.08, 8)[:, None]
    view = gains * DOWER
    template, qrs_area = draw_beat(waves, view)
    leads = np.zeros((8, SAMPLES), np.float32)
    atria: np.ndarray | None = None
    ectopic = _ectopic_beats(population, onsets, rng)
    reshaped = ectopic if population.ectopics == "ventricular" else set()
    for k, onset in enumerate(onsets):
        if k not in reshaped:
            place(template * np.float32(rng.normal(1, 0.02)), onset, leads)
    if reshaped:
        broad = Beat(pr=None, p=None, qrs=rng.uniform(140, 170), qt=rng.uniform(390, 430))
        other, _ = draw_beat(vary(ventricular_ectopic(broad), rng), view)
        for k in reshaped:
            place(other, onsets[k], leads)
    if population.rhythm.atrial == "fibrillation":
        leads += (view @ fibrillation(SAMPLES, SAMPLING_RATE, rng)).astype(np.float32)
    elif population.rhythm.atrial == "dissociated":
        drawn_p = vary(p_wave(Beat(pr=150.0, p=rng.uniform(90, 115), qrs=90.0, qt=400.0)), rng)
        template_p, atria = draw_beat(drawn_p, view)[0], _own_rhythm(rng)
        for onset in atria:
            place(template_p, int(onset), leads)
        waves = waves + drawn_p
    elif population.rhythm.atrial == "paced":
        leads += _spikes(onsets, rng)
    leads += electrode_noise(SAMPLES, SAMPLING_RATE, rng)
    record = ECGRecord(
        record_id,
        twelve(leads),
        np.ones(len(LEADS), bool),
        diagnoses=diagnoses,
        age=float(rng.integers(20, 90)),
        sex=("female", "male")[int(rng.integers(2))],
        source="simulated",
    )
    truth = true_quantities(beat, onsets, qrs_area)
    seen = [(wave, view @ dipole) for wave, dipole in waves]
    heart = TrueHeart(beat, seen, population, onsets, ectopic, truth, atria)
    return Simulated(record, truth, true_findings(heart, record.sex, record.age))


def _own_rhythm(rng: np.random.Generator) -> np.ndarray:
    """Where P waves stand that keep a rhythm of their own, 66 to 100 a minute; in samples."""
    cycle = rng.uniform(600, 900) / MS
    return np.arange(rng.uniform(0, cycle), SAMPLES + BEFORE / MS, cycle)


def _spikes(onsets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(8, samples): pacemaker spikes, two samples wide, up to 20 ms before each QRS."""
    spike = rng.uniform(0.4, 1.6) * rng.normal(0, 1, 8)
    before = int(rng.uniform(2, 20) / MS)
    leads = np.zeros((8, SAMPLES), np.float32)
    for at in onsets - before:
        if 0 <= at < SAMPLES - 1:
            leads[:, at] += spike
            leads[:, at + 1] -= 0.3 * spike
    return leads


def twelve(leads: np.ndarray) -> np.ndarray:
    """All leads from I, II, V1 … V6."""
    signal = np.zeros((len(LEADS), SAMPLES), np.float32)
    recorded = np.isin(LEADS, ("III", "aVR", "aVL", "aVF"), invert=True)
    signal[recorded] = leads
    derive_limb_leads(signal, recorded)
    return signal


def _with_movement(one: Simulated, rng: np.random.Generator) -> Simulated:
    movement = twelve(electrode_movement(SAMPLES, SAMPLING_RATE, rng))
    return replace(one, record=replace(one.record, signal=one.record.signal + movement))


def _fitting_beat(population: Population, rng: np.random.Generator) -> tuple[Beat, float]:
    """One population's beat and its RR (ms), drawn anew until the P wave finds room after the T wave.

    Raises:
        UserError: it never does.
    """
    rhythm = population.rhythm
    for _ in range(DRAWS):
        rr = 60000 / rng.uniform(*rhythm.rate)
        pr, qrs = rng.uniform(*rhythm.pr), rng.uniform(*rhythm.qrs)
        qt = rng.uniform(*rhythm.qtc) * np.sqrt(rr / 1000)  # Bazett
        p = min(rng.uniform(*rhythm.p), pr - 24)
        if rhythm.atrial != "sinus":
            return Beat(pr=None, p=None, qrs=qrs, qt=min(qt, 0.75 * rr)), rr
        if pr + qt + 30 < rr and qt < AFTER - 20:
            return Beat(pr=pr, p=p, qrs=qrs, qt=qt), rr
    raise UserError("cannot be simulated: at this rate, the P wave has no room after the T wave")


def _draw_onsets(population: Population, beat: Beat, rr: float, rng: np.random.Generator) -> np.ndarray:
    """QRS onsets in samples, from before the record to after it: breathing and chance, or the chaos of fibrillation."""
    share = rng.uniform(*population.rhythm.irregularity)
    count = int(np.ceil(1.6 * SAMPLES * MS / rr)) + 4
    if population.rhythm.atrial == "fibrillation":
        intervals = rr * rng.gamma(1 / share**2, share**2, count)
        intervals = np.maximum(intervals, beat.qt + 40)
    else:
        breaths = 2 * np.pi * (rng.uniform() + rng.uniform(0.15, 0.35) * np.arange(count) * rr / 1000)
        intervals = rr * (1 + share * np.sin(breaths) + rng.normal(0, 0.006, count))
        intervals = np.maximum(intervals, beat.qt + (beat.pr or 0) + 8)
    onsets = np.cumsum(intervals) - intervals[0] - rng.uniform(0, rr)
    onsets = np.rint(onsets / MS).astype(int)
    return onsets[onsets < SAMPLES + BEFORE / MS]


def _ectopic_beats(population: Population, onsets: np.ndarray, rng: np.random.Generator) -> set[int]:
    """Which beats are ectopic; those come early, and the pause after them is compensatory."""
    if not population.ectopics:
        return set()
    inside = np.flatnonzero((onsets > 300) & (onsets < SAMPLES - 600))[1:-1]
    chosen = {int(k) for k in rng.choice(inside, size=min(len(inside), int(rng.integers(1, 4))), replace=False)}
    chosen = {k for k in chosen if k - 1 not in chosen}
    for k in chosen:
        onsets[k] -= int(rng.uniform(0.22, 0.32) * (onsets[k] - onsets[k - 1]))
    return chosen


def vary(waves: list[Wave], rng: np.random.Generator) -> list[tuple[Wave, np.ndarray]]:
    """Each wave with its dipole: the heart turned a little in the frontal plane, every lobe a little otherwise."""
    turn = rng.normal(0, np.deg2rad(14))
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    return [(wave, rotation @ wave.dipole * rng.uniform(0.85, 1.15)) for wave in waves]


def draw_beat(waves: list[tuple[Wave, np.ndarray]], view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(8, samples) of one beat in mV, and the area of its QRS in I and II."""
    time = np.arange(-BEFORE, AFTER, MS)
    shapes = np.stack([wave.at(time) for wave, _ in waves])
    dipoles = view @ np.stack([dipole for _, dipole in waves], axis=1)
    is_qrs = np.array([wave.wave == "QRS" for wave, _ in waves])
    return (dipoles @ shapes).astype(np.float32), dipoles[:2, is_qrs] @ shapes[is_qrs].sum(axis=1)


def place(template: np.ndarray, onset: int, leads: np.ndarray) -> None:
    first = onset - round(BEFORE / MS)
    a, b = max(first, 0), min(first + template.shape[1], SAMPLES)
    if a < b:
        leads[:, a:b] += template[:, a - first : b - first]


def true_quantities(beat: Beat, onsets: np.ndarray, qrs_area: np.ndarray) -> dict[str, float | None]:
    whole = onsets[(onsets >= 0) & (onsets < SAMPLES - beat.qrs / MS)]
    rr = float(np.mean(np.diff(whole))) * MS
    area_i, area_ii = qrs_area
    area_avf = area_ii - area_i / 2
    return {
        "heart_rate_bpm": 60000 / rr,
        "rr_ms": rr,
        "p_ms": beat.p,
        "pr_ms": beat.pr,
        "qrs_ms": beat.qrs,
        "qt_ms": beat.qt,
        "qt_lead_ms": beat.qt,
        "qtc_ms": beat.qt / np.sqrt(rr / 1000),
        # aVF is a unipolar lead: 2/sqrt(3) makes it commensurate with the bipolar lead I.
        "axis_deg": float(np.rad2deg(np.arctan2(2 * area_avf / np.sqrt(3), area_i))),
    }
