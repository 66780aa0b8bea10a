"""Processor time of scoring one sample of one guest: trustd's engine beside other detectors.

river's half-space trees and rrcf are models of one stream each, so every guest has its own, as
they are used; the vectorised ones take a fleet at once, as the engine does. All see the same
values and take turns. How well each detects is what ``make bench-scoring`` measures.

    python -m bench.samples
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from statistics import fmean

import numpy as np

from bench.cost import FEATURES
from bench.detectors import SAMPLED, VECTORISED
from bench.results import write
from trustd.trust import Engine

GUESTS = 1_000
FEW = 8
"""Guests of the models that take milliseconds a sample."""
TICKS, WARM = 160, 140
"""Ticks, and how many of them before it counts: rrcf is full after 128."""
SECONDS = 300.0
"""A tick in which the engine judges anew; in those between it only adds up."""

Step = Callable[[int, np.ndarray], object]


def main() -> None:
    """Microseconds a sample of one guest, the mean over ticks: some learn in every 24th only."""
    random = np.random.default_rng(0)
    usual = random.gamma(2.0, [[5.0, 2e4, 50.0] * 5 + [5.0]] * GUESTS)
    engine = Engine(FEATURES, GUESTS)
    steps: dict[str, tuple[int, Step]] = {
        "trustd": (
            GUESTS,
            lambda tick, values: engine.step(values, at=1e9 + tick * SECONDS, seconds=SECONDS),
        )
    }
    modules = {"half_space_trees": "river", "rrcf": "rrcf"}
    for guests, peers in ((GUESTS, VECTORISED), (FEW, SAMPLED)):
        for name, make in peers.items():
            if name in modules and importlib.util.find_spec(modules[name]) is None:
                print(f"{modules[name]} is not installed")
                continue
            detector = make(guests, len(FEATURES))
            steps[name] = (guests, lambda _, values, it=detector: it.step(np.arcsinh(values)))
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for tick in range(TICKS):
        values = usual * random.uniform(0.8, 1.2, usual.shape)
        for name, (guests, step) in steps.items():
            some = values[:guests]
            began = time.process_time()
            step(tick, some)
            spent[name].append((time.process_time() - began) / guests * 1e6)
    figures: dict[str, float | int | str] = {"guests": GUESTS, "features": len(FEATURES)}
    for name, took in spent.items():
        figures[f"{name}_us_per_sample"] = fmean(took[WARM:])
    ours = fmean(spent["trustd"][WARM:])
    for name in spent.keys() - {"trustd"}:
        figures[f"{name}_times_trustd"] = fmean(spent[name][WARM:]) / ours
    write("samples", figures)


if __name__ == "__main__":
    main()
