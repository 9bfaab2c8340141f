"""Learning curves and the reliability plot as inline SVG, which follows the page's light or dark colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from ecg_r1.evaluation.report.template import rendered
from ecg_r1.runs.read import Run

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 220, 46, 10, 10, 28


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: in the legend.
        steps: (n,).
        values: (n,), of these steps.
        colour: which of the page's colours (`--c0`, `--c1`, …).
    """

    name: str
    steps: np.ndarray
    values: np.ndarray
    colour: int


def panels(runs: Sequence[Run]) -> Markup:
    """Every chart that the runs' logs can fill."""
    supervised = [run for run in runs if not _has(run, "reward")]
    practised = [run for run in runs if _has(run, "reward")]
    colour = {run.name: i for i, run in enumerate(runs)}

    def per_run(key: str, of: Sequence[Run]) -> list[Series]:
        return [series(run.log, key, run.name, colour[run.name]) for run in of if _has(run, key)]

    charts = [
        chart("Training loss, SFT", per_run("loss", supervised)),
        chart("Total reward, GRPO", per_run("reward", practised)),
    ]
    for run in practised:
        keys = sorted(key for key in _keys(run) if key.startswith("rewards/") and key.endswith("/mean"))
        lines = [series(run.log, key, key.split("/")[1], i) for i, key in enumerate(keys)]
        charts.append(chart(f"Mean of each reward, {run.name}", lines))
    charts += [
        chart(
            "Rollout–policy mismatch, mean |Δ log p|",
            per_run("sampling/sampling_logp_difference/mean", practised),
            logarithmic=True,
        ),
        chart("Completion length, tokens", per_run("completions/mean_length", practised)),
        chart("Entropy, nats per token", per_run("entropy", practised)),
        chart("Share of groups without a learning signal", per_run("frac_reward_zero_std", practised), share=True),
    ]
    return Markup("\n").join(filter(None, charts))


def series(log: Sequence[Mapping[str, Any]], key: str, name: str, colour: int) -> Series:
    """The logged values of `key`; a step that a resumed run logged again counts with its last value."""
    values = {row["step"]: float(row[key]) for row in log if key in row and "step" in row}
    steps = sorted(step for step, value in values.items() if math.isfinite(value))
    return Series(name, np.array(steps, dtype=float), np.array([values[step] for step in steps]), colour)


def chart(title: str, lines: Sequence[Series], *, logarithmic: bool = False, share: bool = False) -> Markup:
    """A figure of the lines, each faint as logged and strong as a moving average over a tenth of its length.

    Args:
        title: above the figure.
        lines: those with fewer than two values are left out.
        logarithmic: whether the axis of the values is.
        share: whether the values lie between 0 and 1; then so does the axis.

    Returns:
        The figure; empty where no line is left.
    """
    if logarithmic:  # an exact 0 has no logarithm; it is drawn at the smallest value that has one
        lines = [_positive(line) for line in lines]
    lines = [line for line in lines if line.steps.size > 1]
    if not lines:
        return Markup("")
    every = np.concatenate([line.values for line in lines])
    ticks = _decades(every) if logarithmic else ticks_between(every.min(), every.max())
    if share:
        ticks = [tick for tick in ticks if 0 <= tick <= 1]
    low, high = min(ticks[0], every.min()), max(ticks[-1], every.max())
    last = max(line.steps[-1] for line in lines)
    first = min(line.steps[0] for line in lines)

    def x(step: float) -> float:
        return LEFT + (step - first) / max(last - first, 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        a, b, c = (math.log10(v) for v in (low, high, value)) if logarithmic else (low, high, value)
        return HEIGHT - BOTTOM - (c - a) / ((b - a) or 1) * (HEIGHT - TOP - BOTTOM)

    def drawn(line: Series) -> dict[str, Any]:
        both = [("raw", line.values), ("mean", _smooth(line.values))]
        paths = [
            (kind, " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(line.steps, values, strict=True)))
            for kind, values in both
        ]
        return {"name": line.name, "colour": line.colour % 6, "drawn": paths}

    return figure(
        title,
        [drawn(line) for line in lines],
        [(f"{y(tick):.1f}", f"{y(tick) + 4:.1f}", _label(tick)) for tick in ticks],
        [(f"{x(step):.1f}", anchor, f"step {step:.0f}") for step, anchor in ((first, "start"), (last, "end"))],
    )


def figure(
    title: str,
    lines: Sequence[Mapping[str, Any]],
    ticks: Sequence[tuple[str, str, str]],
    ends: Sequence[tuple[str, str, str]],
) -> Markup:
    """A figure with a title, lines and axes.

    Args:
        title: above it.
        lines: each has a `name`, a `colour` and what is `drawn`: pairs of a class ("raw", "mean") and points.
        ticks: (y, y of the label, label), in pixels.
        ends: (x, anchor, label) below the axis.
    """
    return rendered(
        "chart.j2",
        title=title,
        lines=lines,
        ticks=[dict(zip(("at", "below", "label"), tick, strict=True)) for tick in ticks],
        ends=[dict(zip(("at", "anchor", "label"), end, strict=True)) for end in ends],
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
    )


def reliability(result: Mapping[str, Any]) -> Markup:
    """How often what the models hold probable is true, of each model with several answers or probabilities.

    Returns:
        A figure with probability from left to right and the share of true labels from below, beside the diagonal of
        perfect calibration; empty where no model has such points.
    """
    plots = {name: model["reliability"] for name, model in result["models"].items() if model["reliability"]}
    if not plots:
        return Markup("")

    def at(probability: float, true: float) -> str:
        across = LEFT + probability * (WIDTH - LEFT - RIGHT)
        return f"{across:.1f},{HEIGHT - BOTTOM - true * (HEIGHT - TOP - BOTTOM):.1f}"

    colours = {name: i % 6 for i, name in enumerate(result["models"])}
    lines = [{"name": "perfect", "colour": 5, "drawn": [("raw", f"{at(0, 0)} {at(1, 1)}")]}]
    lines += [
        {
            "name": name,
            "colour": colours[name],
            "drawn": [("mean", " ".join(at(point["probability"], point["true"]) for point in points))],
        }
        for name, points in plots.items()
    ]
    ticks = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        height = float(at(0, share).split(",")[1])
        ticks.append((f"{height:.1f}", f"{height + 4:.1f}", f"{share:.0%}"))
    ends = [(str(LEFT), "start", "probability 0"), (str(WIDTH - RIGHT), "end", "1")]
    return figure("Reliability: share of true labels by their probability", lines, ticks, ends)


def _keys(run: Run) -> set[str]:
    return set().union(*(row.keys() for row in run.log))


def _has(run: Run, key: str) -> bool:
    return any(key in row for row in run.log)


def _smooth(values: np.ndarray) -> np.ndarray:
    half = len(values) // 20
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def _positive(line: Series) -> Series:
    positive = line.values[line.values > 0]
    floor = positive.min() if positive.size else 1.0
    return Series(line.name, line.steps, np.maximum(line.values, floor), line.colour)


def ticks_between(low: float, high: float) -> list[float]:
    """About four round numbers that hold `low` to `high`."""
    if high - low < 1e-9 * max(abs(high), 1):
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    span = high - low
    magnitude = 10 ** math.floor(math.log10(span / 4))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if span / (m * magnitude) <= 5)
    return [round(i * step, 12) for i in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _decades(values: np.ndarray) -> list[float]:
    low, high = math.floor(math.log10(values.min())), math.ceil(math.log10(values.max()))
    return [10.0**i for i in range(low, max(high, low + 1) + 1)]


def _label(tick: float) -> str:
    return f"{tick:.3g}".replace("e-0", "e−").replace("e-", "e−").replace("-", "−")
