"""Detectors that others use, fed with the same telemetry as the engine.

Each is one object for a fleet: ``step`` takes compressed values of shape (rows,
features) and gives one score a row. All have the same accumulation as the fast
pace of the engine, because without it none of them comes near.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FADE = 2.0 ** (-300.0 / 2700.0)
DAY = 288


class Detector(Protocol):
    """One score a row and tick; the larger, the stranger."""

    def step(self, values: Floats) -> Floats:
        """Score first, learn after."""


class Ewma:
    """|z| from an exponentially weighted mean and variance; the largest feature."""

    def __init__(self, rows: int, features: int) -> None:
        self._mean = np.zeros((rows, features))
        self._var = np.ones((rows, features))
        self._seen = 0

    def step(self, values: Floats) -> Floats:
        present = np.isfinite(values)
        apart = np.where(present, values - self._mean, 0.0)
        score = np.abs(apart) / np.sqrt(self._var + 1e-2)
        self._seen += 1
        weight = max(1.0 - 2.0 ** (-1.0 / DAY), 1.0 / self._seen)
        self._mean += weight * apart
        self._var += weight * (np.minimum(apart**2, 25 * self._var + 1) - self._var) * present
        return np.asarray(np.minimum(score, 50).max(axis=1))


class MedianMad:
    """Distance from the median of the last day in median absolute deviations."""

    def __init__(self, rows: int, features: int) -> None:
        self._past = np.full((DAY, rows, features), np.nan)
        self._median = np.zeros((rows, features))
        self._mad = np.ones((rows, features))
        self._tick = 0

    def step(self, values: Floats) -> Floats:
        score = np.nan_to_num(np.abs(values - self._median) / (1.4826 * self._mad + 0.5))
        self._past[self._tick % DAY] = np.nan_to_num(values)
        self._tick += 1
        if self._tick % 24 == 0:
            past = self._past[: min(self._tick, DAY)]
            self._median = np.median(past, axis=0)
            self._mad = np.median(np.abs(past - self._median), axis=0)
        return np.asarray(np.minimum(score, 50).max(axis=1))


class Mahalanobis:
    """Distance in an exponentially weighted covariance (all principal components)."""

    def __init__(self, rows: int, features: int) -> None:
        self._mean = np.zeros((rows, features))
        self._cov = np.tile(np.eye(features), (rows, 1, 1))
        self._inverse = self._cov.copy()
        self._ridge = 0.05 * np.eye(features)
        self._seen = 0

    def step(self, values: Floats) -> Floats:
        apart = np.nan_to_num(values - self._mean) * np.isfinite(values)
        score = np.sqrt(np.einsum("nf,nfg,ng->n", apart, self._inverse, apart))
        self._seen += 1
        weight = max(1.0 - 2.0 ** (-1.0 / (3 * DAY)), 1.0 / self._seen)
        self._mean += weight * apart
        self._cov += weight * (apart[:, :, None] * apart[:, None, :] - self._cov)
        if self._seen % 12 == 0:
            self._inverse = np.linalg.inv(self._cov + self._ridge)
        return np.asarray(np.minimum(score, 50))


class HalfSpaceTrees:
    """river's half-space trees, one model a row."""

    def __init__(self, rows: int, features: int) -> None:
        from river import anomaly  # noqa: PLC0415 - only this bench needs it

        limits = dict.fromkeys(range(features), (0.0, 12.0))
        self._models = [
            anomaly.HalfSpaceTrees(n_trees=10, height=8, window_size=DAY, limits=limits, seed=7)
            for _ in range(rows)
        ]

    def step(self, values: Floats) -> Floats:
        scores = np.empty(len(values))
        for row, (model, each) in enumerate(zip(self._models, np.nan_to_num(values), strict=True)):
            sample = dict(enumerate(each.tolist()))
            scores[row] = model.score_one(sample)
            model.learn_one(sample)
        return scores


class RandomCuts:
    """Robust random cut forest (rrcf), one small forest a row."""

    TREES, SIZE = 6, 128

    def __init__(self, rows: int, features: int) -> None:  # noqa: ARG002 - as the others
        tree = _tree()
        self._forests = [[tree() for _ in range(self.TREES)] for _ in range(rows)]
        self._tick = 0
        self._noise = np.random.default_rng(7)

    def step(self, values: Floats) -> Floats:
        scores = np.empty(len(values))
        jitter = self._noise.normal(0, 1e-6, values.shape)
        for row, (forest, each) in enumerate(
            zip(self._forests, np.nan_to_num(values) + jitter, strict=True)
        ):
            total = 0.0
            for tree in forest:
                if self._tick >= self.SIZE:
                    tree.forget_point(self._tick - self.SIZE)
                tree.insert_point(each, index=self._tick)
                total += tree.codisp(self._tick)
            scores[row] = total / self.TREES
        self._tick += 1
        return scores


def _tree() -> Callable[[], Any]:
    """The class of rrcf's trees, past its package, which no setuptools of today can load."""
    package = importlib.util.find_spec("rrcf")
    assert package is not None
    assert package.origin is not None
    spec = importlib.util.spec_from_file_location(
        "bench.rrcf", Path(package.origin).with_name("rrcf.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RCTree  # type: ignore[no-any-return]


VECTORISED: dict[str, Callable[[int, int], Detector]] = {
    "ewma_z": Ewma,
    "median_mad": MedianMad,
    "mahalanobis_pca": Mahalanobis,
}
SAMPLED: dict[str, Callable[[int, int], Detector]] = {
    "half_space_trees": HalfSpaceTrees,
    "rrcf": RandomCuts,
}


class Accumulated:
    """A detector's scores, faded and summed as the engine's evidence is."""

    def __init__(self, detector: Detector, rows: int) -> None:
        self._detector = detector
        self._heap = np.zeros(rows)

    def step(self, values: Floats) -> Floats:
        self._heap = FADE * self._heap + (1.0 - FADE) * self._detector.step(values)
        return self._heap
