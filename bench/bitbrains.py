"""The Bitbrains trace as telemetry, and the attacks that are injected into it.

Shen, van Beek, Iosup: Statistical characterization of business-critical workloads
hosted in cloud datacenters, CCGrid 2015 (GWA-T-12 "Rnd").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trustd.model import FeatureSpec, Unit

Floats = NDArray[np.float32]
KB = 1000.0
DAY = 86400.0
WARMUP_DAYS = 10
FEATURES = (
    FeatureSpec("cpu.usage", Unit.PERCENT, "cpu"),
    FeatureSpec("memory.used", Unit.PERCENT, "memory"),
    FeatureSpec("disk.read.bytes", Unit.BYTES_PER_SECOND, "disk"),
    FeatureSpec("disk.write.bytes", Unit.BYTES_PER_SECOND, "disk"),
    FeatureSpec("net.rx.bytes", Unit.BYTES_PER_SECOND, "network"),
    FeatureSpec("net.tx.bytes", Unit.BYTES_PER_SECOND, "network"),
)
CPU, MEMORY, READ, WRITE, RX, TX = range(6)
SHAPES = (
    "miner",
    "cpu+40",
    "ransomware",
    "flood-out",
    "flood-in",
    "exfiltration",
    "memory-leak",
    "low-and-slow",
)
HOURS = (6.0, 6.0, 0.5, 1 / 3, 1 / 3, 2.0, 6.0, 12.0)


@dataclass(frozen=True, slots=True)
class Trace:
    """Telemetry of a fleet.

    Args:
        values: shape (ticks, guests, features), in the features' units.
        at: epoch seconds of the first tick.
        period: seconds between ticks.
    """

    values: Floats
    at: float
    period: float


@dataclass(frozen=True, slots=True)
class Attack:
    """What was injected into one guest: ticks ``begin`` to ``end``, exclusive."""

    guest: int
    shape: int
    begin: int
    end: int


def load(path: Path) -> Trace:
    """Read the trace; memory becomes percent of what the guest was given."""
    with np.load(path) as file:
        capacity = file["cap"][:, 2][:, None]
        columns = [
            np.minimum(file["cpu_pct"], 100.0),
            np.minimum(100.0 * file["mem_kb"] / np.maximum(capacity, 1.0), 100.0),
            *(KB * file[name] for name in ("disk_r", "disk_w", "net_rx", "net_tx")),
        ]
        values = np.stack([column.T.astype(np.float32) for column in columns], axis=2)
        return Trace(values, float(file["t0"]), float(file["period"]))


def plan(trace: Trace, guests: range | list[int], seed: int) -> list[Attack]:
    """One attack a guest, at a random time after the warm-up."""
    random = np.random.default_rng(seed)
    ticks = len(trace.values)
    first = int(WARMUP_DAYS * DAY / trace.period)
    found = []
    for guest in guests:
        shape = (guest + seed) % len(SHAPES)
        length = round(HOURS[shape] * 3600 / trace.period)
        begin = int(random.integers(first, ticks - length - 3))
        found.append(Attack(guest, shape, begin, begin + length))
    return found


def inject(values: Floats, attack: Attack, seed: int) -> None:
    """Add an attack to one guest's telemetry, shape (ticks, features), in place."""
    random = np.random.default_rng((seed, attack.guest))
    part = values[attack.begin : attack.end]
    length = len(part)

    def add(feature: int, low: float, high: float) -> None:
        part[:, feature] += random.uniform(low, high, length)

    name = SHAPES[attack.shape]
    if name == "miner":
        part[:, CPU] = random.uniform(92, 100, length)
    elif name == "cpu+40":
        add(CPU, 38, 42)
    elif name == "ransomware":
        add(READ, 2e6, 8e6)
        add(WRITE, 1.5e6, 5e6)
        add(CPU, 18, 22)
    elif name == "flood-out":
        add(TX, 10.5e6, 11.5e6)
        add(CPU, 36, 44)
    elif name == "flood-in":
        add(RX, 9.5e6, 10.5e6)
        add(TX, 1.8e6, 2.2e6)
        add(CPU, 27, 33)
    elif name == "exfiltration":
        add(TX, 280e3, 320e3)
        add(READ, 280e3, 320e3)
    elif name == "memory-leak":
        ramp = np.linspace(0.0, 1.0, length)
        held = part[:, MEMORY]
        part[:, MEMORY] = np.maximum(held, held + ramp * (95.0 - held))
    else:
        add(TX, 18e3, 22e3)
    part[:, CPU] = np.minimum(part[:, CPU], 100.0)
