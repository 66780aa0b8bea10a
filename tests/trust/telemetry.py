"""A small fleet of servers with days and nights, for simulations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trustd.trust import Engine, FeatureSpec, Scores

DAY = 86400.0
START = 1_760_000_000.0 - 1_760_000_000.0 % DAY
TICK = 300.0
FEATURES = (
    FeatureSpec("cpu.usage", "%", "cpu"),
    FeatureSpec("memory.used", "%", "memory"),
    FeatureSpec("disk.read.bytes", "B/s", "disk"),
    FeatureSpec("disk.write.bytes", "B/s", "disk"),
    FeatureSpec("net.rx.bytes", "B/s", "network"),
    FeatureSpec("net.tx.bytes", "B/s", "network"),
)
CPU, MEMORY, READ, WRITE, RX, TX = range(6)
USUAL = np.array([8.0, 40.0, 20e3, 60e3, 30e3, 25e3])
GUESTS = 12

Values = NDArray[np.float64]


class Fleet:
    """Telemetry of a fleet, the same for the same seed; time goes on by itself."""

    def __init__(self, guests: int = GUESTS, seed: int = 1, at: float = START) -> None:
        self.random = np.random.default_rng(seed)
        self.guests = guests
        self.at = at

    def tick(self, seconds: float = TICK) -> tuple[Values, float]:
        """Values and the time they belong to."""
        self.at += seconds
        busy = 1.0 + 0.5 * np.sin(2 * np.pi * self.at / DAY)
        noise = np.exp(0.25 * self.random.standard_normal((self.guests, len(USUAL))))
        values = USUAL * busy * noise
        values[:, MEMORY] = 40.0 + self.random.standard_normal(self.guests)
        return values, self.at

    def run(self, engine: Engine, ticks: int, seconds: float = TICK) -> Iterator[Scores]:
        """Feed so many ticks as they are."""
        for _ in range(ticks):
            values, at = self.tick(seconds)
            yield engine.step(values, at=at, seconds=seconds)


def last(scores: Iterator[Scores]) -> Scores:
    """The scores after the last tick."""
    *_, final = scores
    return final


def flood(values: Values, guest: int) -> Values:
    """One guest floods the network."""
    values[guest, TX] = 11e6
    values[guest, CPU] += 40.0
    return values


def mine(values: Values, guest: int) -> Values:
    """One guest takes all of its processors."""
    values[guest, CPU] = 97.0
    return values
