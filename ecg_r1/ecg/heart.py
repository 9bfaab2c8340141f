"""The simulated heart: a dipole made of waves with exact beginnings and ends, and how each diagnosis bends it.

A wave is a lobe of the heart's electric dipole in Frank's axes (x left, y inferior, z posterior), seen in the leads
through Dower's transform (Dower, Machado and Osborne, Clin Cardiol 1980;3:87). Unlike the Gaussians of McSharry et
al. (IEEE TBME 2003;50:289) a lobe has a support, so that onsets and offsets are known exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ecg_r1.ecg import changes
from ecg_r1.ecg.changes import Change
from ecg_r1.ecg.lobes import Beat, Dipole, Lobe, Segment, Wave
from ecg_r1.ecg.vocabulary import UnknownDiagnosis, vocabulary
from ecg_r1.errors import UserError

# Rows: I, II, V1 … V6; columns: x, y, z. The other four leads follow from I and II.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)


@dataclass(frozen=True)
class Rhythm:
    """Ranges a population is drawn from, uniformly: ms; rate per minute; irregularity as a share of RR."""

    rate: tuple[float, float] = (60.5, 99.0)
    pr: tuple[float, float] = (122.0, 196.0)
    qrs: tuple[float, float] = (74.0, 104.0)
    qtc: tuple[float, float] = (372.0, 442.0)
    p: tuple[float, float] = (84.0, 118.0)
    irregularity: tuple[float, float] = (0.005, 0.035)
    atrial: str = "sinus"  # or fibrillation, dissociated, paced (the ventricles, without P waves)


def p_wave(beat: Beat) -> list[Wave]:
    """The P wave: the right atrium, then the left one."""
    if beat.pr is None or beat.p is None:
        return []
    start, end = -beat.pr, -beat.pr + beat.p
    return [
        Lobe("P", start, start + 0.68 * beat.p, (0.04, 0.09, -0.05), edge=1.2),
        Lobe("P", start + 0.32 * beat.p, end, (0.075, 0.06, 0.05), edge=1.2),
    ]


def t_wave(beat: Beat, dipole: Dipole, onset: float = 0.3) -> list[Wave]:
    """The T wave.

    Args:
        dipole: its peak in Frank's axes, mV.
        onset: where T begins, as a share of the time between the QRS end and the T end.
    """
    start = beat.qrs + onset * (beat.qt - beat.qrs)
    return [Lobe("T", start, beat.qt, dipole, rise=0.58, edge=1.7)]


def _qrs(beat: Beat, *parts: tuple[float, float, Dipole]) -> list[Wave]:
    return [Lobe("QRS", a * beat.qrs, b * beat.qrs, dipole, edge=2.4) for a, b, dipole in parts]


def _st(beat: Beat, dipole: Dipole) -> list[Wave]:
    return [Segment("ST", 0.55 * beat.qrs, beat.qrs, beat.qt - 20, dipole)]


def narrow(beat: Beat) -> list[Wave]:
    """A normal QRS (septum, apex, base) with its T wave."""
    septal, apex, base = (-0.16, -0.05, -0.30), (1.10, 0.85, 0.25), (-0.15, -0.15, 0.55)
    return _qrs(beat, (0, 0.36, septal), (0.14, 0.78, apex), (0.55, 1, base)) + t_wave(beat, (0.30, 0.22, -0.22))


def left_bundle(beat: Beat) -> list[Wave]:
    """Slow activation from right to left without a septal q; ST and T discordant."""
    return (
        _qrs(beat, (0, 0.5, (0.55, 0.20, 0.45)), (0.18, 0.82, (0.75, 0.25, 0.75)), (0.45, 1, (0.60, 0.12, 0.45)))
        + _st(beat, (-0.06, -0.02, -0.12))
        + t_wave(beat, (-0.22, -0.06, -0.32), onset=0.2)
    )


def right_bundle(beat: Beat) -> list[Wave]:
    """The right ventricle comes late: terminal forces to the right and forward."""
    first = 88 / max(beat.qrs, 120)
    return _qrs(
        beat,
        (0, 0.36 * first, (-0.16, -0.05, -0.32)),
        (0.14 * first, 0.9 * first, (1.0, 0.75, 0.25)),
        (0.42, 1, (-0.60, 0.02, -0.62)),
    ) + t_wave(beat, (0.34, 0.20, 0.10))


def hypertrophied(beat: Beat) -> list[Wave]:
    """High voltages to the left and back, with strain."""
    septal, apex, base = (-0.15, -0.05, -0.25), (2.0, 0.85, 0.95), (-0.15, -0.2, 0.85)
    return (
        _qrs(beat, (0, 0.36, septal), (0.14, 0.8, apex), (0.55, 1, base))
        + _st(beat, (-0.09, -0.02, -0.07))
        + t_wave(beat, (-0.20, 0.03, -0.30))
    )


def inferior_infarction(beat: Beat) -> list[Wave]:
    """Forces turn away from the inferior wall, and the injury current towards it."""
    return (
        _qrs(beat, (0, 0.46, (0.10, -0.65, -0.15)), (0.22, 0.82, (1.05, 0.45, 0.25)), (0.55, 1, (-0.1, 0.15, 0.45)))
        + _st(beat, (-0.08, 0.30, 0.08))
        + t_wave(beat, (0.10, 0.30, -0.05))
    )


def anterior_infarction(beat: Beat) -> list[Wave]:
    """No initial forces forward (QS in V1 to V3), and the injury current forward."""
    return (
        _qrs(beat, (0, 0.45, (0.10, -0.05, 0.50)), (0.18, 0.8, (0.75, 0.75, 0.55)), (0.55, 1, (-0.1, -0.1, 0.35)))
        + _st(beat, (0.08, 0.02, -0.26))
        + t_wave(beat, (0.22, 0.12, -0.32))
    )


def ventricular_ectopic(beat: Beat) -> list[Wave]:
    """From the right ventricle's outflow tract: broad, downwards, with a discordant T."""
    return _qrs(beat, (0, 0.6, (0.35, 0.9, 0.55)), (0.3, 1, (0.5, 1.0, 0.7))) + t_wave(beat, (-0.25, -0.4, -0.35), 0.1)


@dataclass(frozen=True)
class Population:
    """Hearts with one diagnosis: their rhythm, how their ventricles depolarise, and whether some beats are ectopic.

    ectopics: where those come from: `ventricular`, `atrial`, or "" for none.
    changes: what bends the waves of each heart.
    """

    rhythm: Rhythm
    ventricles: Callable[[Beat], list[Wave]] = narrow
    ectopics: str = ""
    changes: tuple[Change, ...] = ()


_BROAD = (124.0, 178.0)
POPULATIONS: dict[str, Population] = {
    "normal ECG": Population(Rhythm(), narrow),
    "sinus bradycardia": Population(Rhythm(rate=(36.0, 58.5)), narrow),
    "sinus tachycardia": Population(Rhythm(rate=(102.0, 148.0), pr=(112.0, 180.0)), narrow),
    "atrial fibrillation": Population(
        Rhythm(rate=(52.0, 135.0), irregularity=(0.15, 0.26), atrial="fibrillation"), narrow
    ),
    "first-degree AV block": Population(Rhythm(rate=(60.5, 96.0), pr=(208.0, 340.0)), narrow),
    "left bundle branch block": Population(Rhythm(qrs=_BROAD, qtc=(415.0, 500.0)), left_bundle),
    "right bundle branch block": Population(Rhythm(qrs=_BROAD, qtc=(400.0, 475.0)), right_bundle),
    "long QT interval": Population(Rhythm(qtc=(485.0, 600.0)), narrow),
    "left ventricular hypertrophy": Population(Rhythm(qrs=(86.0, 116.0), qtc=(380.0, 452.0)), hypertrophied),
    "inferior myocardial infarction": Population(Rhythm(), inferior_infarction),
    "anterior myocardial infarction": Population(Rhythm(), anterior_infarction),
    "ventricular premature complex": Population(Rhythm(rate=(60.5, 90.0)), ectopics="ventricular"),
    "supraventricular premature complex": Population(Rhythm(rate=(60.5, 85.0)), ectopics="atrial"),
    "sinus arrhythmia": Population(Rhythm(rate=(60.5, 80.0), irregularity=(0.15, 0.22))),
    "third-degree AV block": Population(Rhythm(rate=(34.0, 46.0), irregularity=(0.002, 0.01), atrial="dissociated")),
    "artificial pacemaker rhythm": Population(
        Rhythm(rate=(60.5, 90.0), qrs=_BROAD, qtc=(430.0, 500.0), irregularity=(0.001, 0.004), atrial="paced"),
        left_bundle,
    ),
    "ventricular preexcitation": Population(
        Rhythm(pr=(86.0, 112.0), p=(58.0, 80.0), qrs=(112.0, 150.0), qtc=(390.0, 450.0)), changes=(changes.preexcited,)
    ),
    "non-specific ST elevation": Population(Rhythm(), changes=(changes.st_elevation,)),
    "non-specific ST depression": Population(Rhythm(), changes=(changes.st_depression,)),
    "inverted T-waves": Population(Rhythm(), changes=(changes.inverted_t,)),
    "low amplitude T-waves": Population(Rhythm(), changes=(changes.flat_t,)),
    "high T-voltage": Population(Rhythm(), changes=(changes.tall_t,)),
    "T-wave abnormality": Population(Rhythm(), changes=(changes.biphasic_t,)),
    "pathological Q waves": Population(Rhythm(), changes=(changes.infarcted,)),
    "poor R-wave progression": Population(Rhythm(), changes=(changes.without_r,)),
    "fragmented QRS": Population(Rhythm(), changes=(changes.notched,)),
    "low QRS voltages": Population(Rhythm(), changes=(changes.low_voltage,)),
    "voltage criteria for left ventricular hypertrophy": Population(Rhythm(), changes=(changes.high_voltage,)),
    "left axis deviation": Population(Rhythm(), changes=(changes.turned_left,)),
    "right axis deviation": Population(Rhythm(), changes=(changes.turned_right,)),
    "indeterminate axis": Population(Rhythm(), changes=(changes.turned_far,)),
    "right atrial enlargement": Population(Rhythm(), changes=(changes.high_p,)),
    "left atrial enlargement": Population(Rhythm(p=(130.0, 160.0), pr=(172.0, 198.0))),
}


_OF_CRITERION = {"heart_rate_bpm": "rate", "pr_ms": "pr", "qrs_ms": "qrs", "qtc_ms": "qtc"}


def population(diagnosis: str) -> Population:
    """The population of a diagnosis, or of several joined by "; ": the rhythm of one with the ventricles of another.

    An interval that a diagnosis has a criterion for is drawn from its range; other wishes yield to that.

    Raises:
        UnknownDiagnosis: no population has that name.
        UserError: two that want the same interval or the ventricles otherwise.
    """
    ranges: dict[str, Any] = {}
    owned: set[str] = set()
    bent: tuple[Change, ...] = ()
    ventricles: Callable[[Beat], list[Wave]] = narrow
    names = [name.strip() for name in diagnosis.split(";")]
    for name in names:
        if name not in POPULATIONS:
            raise UnknownDiagnosis(f"no simulated population {name!r}; there are: {', '.join(POPULATIONS)}")
        own = POPULATIONS[name]
        criterion = vocabulary().get(name).criterion
        field = _OF_CRITERION.get(criterion.split()[0]) if criterion else None
        if field in owned or (ventricles is not narrow and own.ventricles is not narrow):
            wanted = field if field in owned else "ventricles"
            raise UserError(f"{diagnosis!r} cannot be simulated: two of them want their own {wanted}")
        wishes = {f.name: getattr(own.rhythm, f.name) for f in fields(Rhythm)}
        ranges |= {f: wish for f, wish in wishes.items() if wish != getattr(Rhythm, f) and f not in owned}
        owned |= {field} if field else set()
        ventricles = own.ventricles if own.ventricles is not narrow else ventricles
        bent += own.changes
    ectopics = max(POPULATIONS[name].ectopics for name in names)  # ventricular ones, where some are
    return Population(replace(Rhythm(), **ranges), ventricles, ectopics, bent)
