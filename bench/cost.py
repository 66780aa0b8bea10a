"""What a tick costs, in processor time and in memory."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

from trustd.trust import Engine, FeatureSpec

FLEETS = (100, 1_000, 10_000)
FEATURES = [
    FeatureSpec(f"feature.{index}", ("%", "B/s", "1/s")[index % 3], f"group.{index % 4}")
    for index in range(16)
]


def measure() -> dict[str, float]:
    """Milliseconds of a tick that is judged, and of one between; bytes a guest."""
    figures = {}
    random = np.random.default_rng(0)
    for guests in FLEETS:
        values = random.gamma(2.0, [[5.0, 2e4, 50.0] * 5 + [5.0]] * guests)
        tracemalloc.start()
        engine = Engine(FEATURES, guests)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        repeat = 20 if guests > 1_000 else 60
        for name, seconds, skip in (("judged", 300.0, 1), ("between", 5.0, 12)):
            spent = []
            for tick in range(repeat * skip):
                shaken = values * random.uniform(0.8, 1.2, values.shape)
                begun = time.process_time()
                scores = engine.step(shaken, at=1e9 + tick * seconds, seconds=seconds)
                if scores.judged == (name == "judged"):
                    spent.append(time.process_time() - begun)
            figures[f"tick_{name}_{guests}_guests_ms_median"] = 1e3 * float(np.median(spent))
            figures[f"tick_{name}_{guests}_guests_ms_least"] = 1e3 * min(spent)
        figures[f"memory_{guests}_guests_bytes_per_guest"] = held / guests
    return figures
