"""The injection protocol on Bitbrains: the engine and its peers at equal budgets.

Everything that is chosen (thresholds) is chosen on the guests of even number; the
figures are of the guests of odd number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import bitbrains, detectors, fleet
from bench.bitbrains import FEATURES, SHAPES, Trace
from bench.fleet import Case, Result
from trustd.trust import Engine, Settings

BUDGETS = {"1": 1.0, "025": 0.25}
SEEDS = (11, 12)
EVERY = tuple(range(11, 19))
"""So many draws that every guest has every shape once: then it is not chance which guest
has which. Peers have the two draws only: some take milliseconds a sample."""
SCALES = (0.35, 1.0, 2.5, 6.0)
"""Multiples of the default thresholds, for the curve."""


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point of the engine."""

    scale: float
    result: Result


def below(case: Case, scale: float) -> NDArray[np.bool_]:
    """Whether trust was below one half, with thresholds scaled; (ticks, rows)."""
    base = Settings()
    paces = tuple(replace(pace, crossing=pace.crossing * scale) for pace in base.paces)
    engine = Engine(FEATURES, case.values.shape[1], replace(base, paces=paces))
    found = np.empty(case.values.shape[:2], dtype=bool)
    for tick, values in enumerate(case.values):
        at = case.at + tick * case.period
        found[tick] = engine.step(values, at=at, seconds=case.period).trust < 0.5
    return found


def scale_for(budget: float, clean: dict[float, float]) -> float:
    """The scale at which untouched guests cross so often, between measured ones."""
    scales = np.log(np.array(sorted(clean)))
    rates = np.array([clean[scale] for scale in sorted(clean)])
    falling = np.minimum.accumulate(rates)
    return float(np.exp(np.interp(-budget, -falling, scales)))


def engine_figures(trace: Trace) -> tuple[dict[str, float], list[Point]]:
    """The engine at its defaults and at the budgets, and its curve."""
    even, odd = (range(first, trace.values.shape[1], 2) for first in (0, 1))
    tuning = fleet.build(trace, even, ())
    clean = {scale: fleet.judge(tuning, below(tuning, scale)).false_per_month for scale in SCALES}
    unseen = fleet.build(trace, odd, SEEDS)
    figures: dict[str, float] = {}
    points = []
    chosen = {"default": 1.0} | {
        f"budget_{name}": scale_for(budget, clean) for name, budget in BUDGETS.items()
    }
    for name, scale in chosen.items():
        result = fleet.judge(unseen, below(unseen, scale))
        points.append(Point(scale, result))
        figures |= flat(f"engine_{name}", result)
        figures[f"engine_{name}_threshold_scale"] = scale
    figures["engine_tuning_half_default_false_crossings_per_guest_month"] = clean[1.0]
    return figures, points


def every_figures(trace: Trace) -> dict[str, float]:
    """The engine at its defaults, every shape on every guest not seen before."""
    unseen = fleet.build(trace, range(1, trace.values.shape[1], 2), EVERY)
    under = below(unseen, 1.0)
    figures = flat("engine_every", fleet.judge(unseen, under))
    # Attacks on one guest are met or missed together: a guest is one observation.
    plain = np.array([attack.shape != len(SHAPES) - 1 for attack in unseen.attacks])
    met = np.isfinite(fleet.noticed(unseen, under))
    shares = (met & plain).reshape(len(EVERY), -1).sum(axis=0) / (len(SHAPES) - 1)
    figures["engine_every_detected_share_standard_error"] = float(
        np.std(shares, ddof=1) / np.sqrt(len(shares))
    )
    return figures


def flat(name: str, result: Result) -> dict[str, float]:
    """A result as figures with their units in the names."""
    return {
        f"{name}_false_crossings_per_guest_month": result.false_per_month,
        f"{name}_detected_share": result.seven,
        f"{name}_delay_minutes_median": result.delay / 60.0,
        f"{name}_time_below_share": result.below,
        **{
            f"{name}_{shape}_detected_share": share
            for shape, share in zip(SHAPES, result.detected, strict=True)
        },
    }


def peer_figures(trace: Trace, sample: int) -> dict[str, float]:
    """Every peer at the same budgets; slow ones on a sample of the guests."""
    figures: dict[str, float] = {}
    every = range(trace.values.shape[1])
    for name, make in detectors.VECTORISED.items():
        figures |= peer(trace, name, make, list(every))
    for name, make in detectors.SAMPLED.items():
        figures |= peer(trace, name, make, list(every)[:sample])
        figures[f"peer_{name}_sampled_guests"] = float(sample)
    return figures


def peer(
    trace: Trace,
    name: str,
    make: Callable[[int, int], detectors.Detector],
    guests: list[int],
) -> dict[str, float]:
    """One peer: thresholds from the first half of its guests, figures from the other."""
    rate = np.array([feature.unit != "percent" for feature in FEATURES])
    scored = []
    for half, seeds in ((guests[0::2], ()), (guests[1::2], SEEDS)):
        case = fleet.build(trace, half, seeds)
        rows = case.values.shape[1]
        detector = detectors.Accumulated(make(rows, len(FEATURES)), rows)

        def step(
            values: NDArray[np.float32], _: float, detector: detectors.Accumulated = detector
        ) -> NDArray[np.float64]:
            plain = values.astype(float)
            return detector.step(np.where(rate, np.arcsinh(plain / 8e3), plain / 10.0))

        scored.append((case, fleet.run(case, step)))
    (tuning, first), (unseen, second) = scored
    figures = {}
    for label, budget in BUDGETS.items():
        threshold = threshold_for(tuning, first, budget)
        figures |= flat(f"peer_{name}_budget_{label}", fleet.judge(unseen, second > threshold))
    return figures


def threshold_for(case: Case, scores: NDArray[np.float32], budget: float) -> float:
    """The least threshold at which untouched guests cross no more often than that."""
    clean = scores[:, : case.clean]
    grid = np.unique(np.quantile(clean[len(clean) // 3 :], 1.0 - np.geomspace(1e-6, 0.5, 40)))
    for threshold in grid:
        if fleet.judge(case, scores > threshold).false_per_month <= budget:
            return float(threshold)
    return float(grid[-1])


def load(folder: Path) -> Trace:
    """The trace in the folder of telemetry."""
    return bitbrains.load(folder / "bitbrains-2013-08.npz")
