"""Running an engine over a fleet with attacks, and counting what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import bitbrains
from bench.bitbrains import Attack, Floats, Trace

MONTH = 30 * bitbrains.DAY
REARM = 3600.0
AFTER = 2
"""Ticks after an attack's end within which its crossing still counts."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fleet twice over: as it was, and with one attack a guest for each seed.

    Args:
        values: shape (ticks, rows, features); the first ``clean`` rows are untouched.
        attacks: one for each other row, in order.
    """

    values: Floats
    clean: int
    attacks: tuple[Attack, ...]
    at: float
    period: float


def build(trace: Trace, guests: Sequence[int], seeds: Sequence[int]) -> Case:
    """Clean rows of some guests, followed by their attacked copies."""
    chosen = list(guests)
    attacks = [each for seed in seeds for each in bitbrains.plan(trace, chosen, seed)]
    order = chosen + [each.guest for each in attacks]
    values = trace.values[:, order, :]
    for place, attack in enumerate(attacks):
        seed = seeds[place // len(chosen)]
        bitbrains.inject(values[:, len(chosen) + place, :], attack, seed)
    return Case(values, len(chosen), tuple(attacks), trace.at, trace.period)


Below = NDArray[np.bool_]


def crossings(below: Below, period: float) -> NDArray[np.intp]:
    """How often each guest went below, with an hour's re-arm; shape (guests,).

    Args:
        below: shape (ticks, guests).
    """
    rearm = round(REARM / period)
    counts = np.zeros(below.shape[1], dtype=np.intp)
    quiet = np.full(below.shape[1], rearm)
    for row in below:
        counts += row & (quiet >= rearm)
        quiet = np.where(row, 0, quiet + 1)
    return counts


@dataclass(frozen=True, slots=True)
class Result:
    """What a scorer did.

    Args:
        false_per_month: crossings of untouched guests, a guest-month.
        detected: share by shape, in the order of the shapes; NaN without an attack.
        delay: seconds from the beginning to the crossing, of those detected.
        below: share of clean time spent below.
    """

    false_per_month: float
    detected: tuple[float, ...]
    delay: float
    below: float

    @property
    def seven(self) -> float:
        """Detection over the seven shapes, without low and slow."""
        return float(np.nanmean(self.detected[:7]))


def noticed(case: Case, below: Below) -> NDArray[np.float64]:
    """Seconds from each attack's beginning to its crossing; NaN where there was none.

    >>> values = np.zeros((8, 2, 1), dtype=np.float32)
    >>> case = Case(values, 1, (Attack(0, 0, begin=2, end=4),), at=0.0, period=300.0)
    >>> below = np.zeros((8, 2), dtype=bool)
    >>> noticed(case, below).tolist()
    [nan]
    >>> below[3:, 1] = True
    >>> noticed(case, below).tolist()
    [600.0]

    Args:
        below: shape (ticks, rows), whether the row is below the threshold.
    """
    found = np.full(len(case.attacks), np.nan)
    for place, attack in enumerate(case.attacks):
        row = below[:, case.clean + place]
        span = row[attack.begin - 1 : attack.end + AFTER]
        began = np.flatnonzero(span[1:] & ~span[:-1])
        if len(began):
            found[place] = (began[0] + 1) * case.period
    return found


def judge(case: Case, below: Below) -> Result:
    """Count false crossings and detections.

    Args:
        below: shape (ticks, rows), whether the row is below the threshold.
    """
    first = int(bitbrains.WARMUP_DAYS * bitbrains.DAY / case.period)
    last = min(int(30 * bitbrains.DAY / case.period), len(below))
    untouched = below[first:last, : case.clean]
    months = case.clean * (last - first) * case.period / MONTH
    rate = float(crossings(untouched, case.period).sum()) / months
    after = noticed(case, below)
    hits: dict[int, list[bool]] = {shape: [] for shape in range(len(bitbrains.SHAPES))}
    for attack, seconds in zip(case.attacks, after, strict=True):
        hits[attack.shape].append(bool(np.isfinite(seconds)))
    plain = [attack.shape != len(bitbrains.SHAPES) - 1 for attack in case.attacks]
    delays = after[np.array(plain, dtype=bool) & np.isfinite(after)]
    return Result(
        rate,
        tuple(float(np.mean(each)) if each else np.nan for each in hits.values()),
        float(np.median(delays)) if len(delays) else np.nan,
        float(untouched.mean()),
    )


Step = Callable[[Floats, float], NDArray[np.float64]]


def run(case: Case, step: Step) -> NDArray[np.float32]:
    """Feed every tick to a scorer; its scores, shape (ticks, rows).

    Args:
        step: takes values of shape (rows, features) and epoch seconds.
    """
    scores = np.empty(case.values.shape[:2], dtype=np.float32)
    for tick, values in enumerate(case.values):
        scores[tick] = step(values, case.at + tick * case.period)
    return scores
