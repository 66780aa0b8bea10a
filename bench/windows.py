"""Does what was measured at 300 s hold at 60 s, and with ticks of 5 s?

The trace has one value in 300 s. Finer telemetry is made from it: within each
interval the value is multiplied by a bursty, correlated, heavy-tailed noise whose
mean over the interval is one, so that the volume of each interval stays what was
measured. Telemetry that really has 60 s (the Server Machine Dataset, Alibaba) is
scored as it is and averaged to 300 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import fleet
from bench.bitbrains import FEATURES, MEMORY, Floats
from bench.fleet import Case
from trustd.trust import Engine

BURST = 1.0
"""Sigma of the logarithm of the noise: nine in ten values between a fifth and
five times the median."""
CORRELATED = 60.0
"""Seconds after which the noise has forgotten itself to 1/e."""


@dataclass(frozen=True, slots=True)
class Fine:
    """Telemetry made finer: values in order, each with its epoch seconds."""

    case: Case
    seconds: float
    seed: int = 0

    def __iter__(self) -> Iterator[tuple[int, float, Floats]]:
        """The coarse tick that each fine tick belongs to, its time and its values."""
        random = np.random.default_rng(self.seed)
        parts = round(self.case.period / self.seconds)
        keep = float(np.exp(-self.seconds / CORRELATED))
        shape = self.case.values.shape[1:]
        state = random.standard_normal(shape, dtype=np.float32)
        for tick, values in enumerate(self.case.values):
            noise = np.empty((parts, *shape), dtype=np.float32)
            for part in range(parts):
                fresh = random.standard_normal(shape, dtype=np.float32)
                state = keep * state + np.sqrt(1 - keep**2) * fresh
                noise[part] = np.exp(BURST * state)
            noise[:, :, MEMORY] = 1.0
            noise /= noise.mean(axis=0)
            start = self.case.at + tick * self.case.period
            for part in range(parts):
                fine = values * noise[part]
                fine[:, :2] = np.minimum(fine[:, :2], 100.0)
                yield tick, start + part * self.seconds, fine


def below(case: Case, seconds: float) -> NDArray[np.bool_]:
    """Whether each row was below one half in each coarse tick, shape (ticks, rows)."""
    engine = Engine(FEATURES, case.values.shape[1])
    found = np.zeros(case.values.shape[:2], dtype=bool)
    if seconds >= case.period:
        for tick, values in enumerate(case.values):
            at = case.at + tick * case.period
            found[tick] = engine.step(values, at=at, seconds=case.period).trust < 0.5
        return found
    for tick, at, values in Fine(case, seconds):
        found[tick] |= engine.step(values, at=at, seconds=seconds).trust < 0.5
    return found


def compare(case: Case, cadences: tuple[float, ...]) -> dict[str, float]:
    """False crossings and detection at several cadences of one telemetry."""
    figures = {}
    for seconds in cadences:
        result = fleet.judge(case, below(case, seconds))
        name = f"ticks_{seconds:g}s"
        figures[f"{name}_false_crossings_per_guest_month"] = result.false_per_month
        figures[f"{name}_detected_share"] = result.seven
        figures[f"{name}_delay_minutes"] = result.delay / 60.0
    return figures
