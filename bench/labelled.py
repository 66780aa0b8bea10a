"""Labelled data sets of servers: does the evidence rise where something was wrong?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import detectors, metrics
from trustd.trust import Engine, FeatureSpec

Floats = NDArray[np.float64]
PERIODS = {"asd": 300.0, "smd": 60.0, "jumpstarter": 300.0}
SHARES = np.array([1.0, 0.5, 0.25])


def engine_scores(values: Floats, period: float) -> Floats:
    """The three largest pieces of evidence of each tick, with falling shares."""
    features = [FeatureSpec(f"metric.{i}", "%", f"group.{i}") for i in range(values.shape[1])]
    engine = Engine(features, 1)
    scores = np.empty(len(values))
    for tick, row in enumerate(values):
        step = engine.step(row[None], at=tick * period, seconds=period)
        scores[tick] = np.sort(step.evidence[0])[::-1][:3] @ SHARES
    return scores


def peer_scores(make: Callable[[int, int], detectors.Detector], values: Floats) -> Floats:
    """A peer's accumulated scores, on percentages in tens."""
    detector = detectors.Accumulated(make(1, values.shape[1]), 1)
    return np.array([detector.step(row[None] / 10.0)[0] for row in values])


def scaled(train: Floats, test: Floats) -> Floats:
    """Train and test one after the other, in percent of the range seen in train."""
    low, high = np.nanpercentile(train, 0.1, axis=0), np.nanpercentile(train, 99.9, axis=0)
    span = np.where(high > low, high - low, 1.0)
    both = (np.concatenate([train, test]).astype(float) - low) / span
    return np.asarray(100.0 * np.clip(both + 1.0, 0.0, 4.0) / 2.0)


def measure(folder: Path) -> dict[str, float]:
    """Mean AUC-PR and VUS-PR of the engine and its peers, by data set."""
    figures: dict[str, float] = {}
    scorers: dict[str, Callable[[Floats, float], Floats]] = {"engine": engine_scores}
    for name, make in detectors.VECTORISED.items():
        scorers[name] = lambda values, _, make=make: peer_scores(make, values)
    for data, period in PERIODS.items():
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in scorers}
        for path in sorted(folder.glob(f"{data}-*.npz")):
            with np.load(path) as file:
                values = scaled(file["train"], file["test"])
                labels = file["label"] > 0
            for name, scorer in scorers.items():
                scores = scorer(values, period)[-len(labels) :]
                found[name].append(
                    (metrics.auc_pr(labels, scores), metrics.vus_pr(labels, scores, 24))
                )
        for name, pairs in found.items():
            if pairs:
                auc, vus = np.mean(pairs, axis=0)
                figures[f"{data}_{name}_auc_pr"] = float(auc)
                figures[f"{data}_{name}_vus_pr"] = float(vus)
    return figures
