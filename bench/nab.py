"""The standard score of the Numenta Anomaly Benchmark on ten series.

Lavin, Ahmad: Evaluating real-time anomaly detection algorithms, ICMLA 2015. One
threshold for all series, chosen on them, as the benchmark's own scorer does.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trustd.trust import Engine, FeatureSpec

FALSE = 0.11
PROBATION = 0.15
Window = tuple[int, int]
Floats = NDArray[np.float64]


def sigmoid(place: float) -> float:
    """The worth of a detection at a place relative to its window; 0 is its end.

    >>> round(sigmoid(-1.0), 3), sigmoid(0.0), round(sigmoid(3.0), 3)
    (0.987, 0.0, -1.0)
    """
    return float(2.0 / (1.0 + np.exp(5.0 * min(place, 100.0))) - 1.0)


def score(detections: NDArray[np.bool_], windows: Sequence[Window]) -> float:
    """The raw score of one series; ticks of the probation do not count."""
    start = min(int(PROBATION * len(detections)), 750)
    total = 0.0
    for begin, end in windows:
        first = np.flatnonzero(detections[max(begin, start) : end + 1])
        width = max(end - begin, 1)
        if len(first):
            total += sigmoid((max(begin, start) + int(first[0]) - end) / width)
        else:
            total -= 1.0
    inside = np.zeros(len(detections), dtype=bool)
    for begin, end in windows:
        inside[begin : end + 1] = True
    for tick in np.flatnonzero(detections & ~inside):
        if tick < start:
            continue
        before = [(begin, end) for begin, end in windows if end < tick]
        if before:
            begin, end = before[-1]
            total += FALSE * sigmoid((tick - end) / max(end - begin, 1))
        else:
            total -= FALSE
    return total


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its name, epoch seconds, values, and windows as ticks."""

    name: str
    times: Floats
    values: Floats
    windows: list[Window]


def read(folder: Path) -> list[Series]:
    """All series of a folder, with the windows in which something was wrong."""
    stated = json.loads((folder / "windows.json").read_text())
    found = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        times = np.array([_epoch(row["timestamp"]) for row in rows])
        windows = [
            (int(np.searchsorted(times, _epoch(begin))), int(np.searchsorted(times, _epoch(end))))
            for begin, end in stated.get(path.name, [])
        ]
        values = np.array([float(row["value"]) for row in rows])
        found.append(Series(path.stem, times, values, windows))
    return found


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def engine_scores(series: Series) -> Floats:
    """The engine's evidence on one series."""
    times, values = series.times, series.values
    rate = "bytes" in series.name or "network" in series.name.lower()
    spec = FeatureSpec(series.name, "B/s" if rate else "%", "series")
    engine = Engine([spec], 1)
    gaps = np.diff(times, prepend=times[0] - 300.0)
    scores = np.empty(len(values))
    for tick, (at, value, gap) in enumerate(zip(times, values, gaps, strict=True)):
        number = value / 300.0 if rate else value
        step = engine.step([[number]], at=at, seconds=min(max(gap, 1.0), 900.0))
        scores[tick] = step.evidence[0, 0]
    return scores


def measure(folder: Path) -> dict[str, float]:
    """The standard score, from 0 (says nothing) to 100 (perfect)."""
    series = read(folder)
    scored = [(engine_scores(each), each.windows) for each in series]
    count = sum(len(windows) for _, windows in scored)
    best, threshold = -np.inf, 0.0
    for each in np.geomspace(0.01, 20.0, 60):
        total = sum(score(_edges(scores > each), windows) for scores, windows in scored)
        if total > best:
            best, threshold = total, float(each)
    perfect = count * sigmoid(-1.0)
    return {
        "nab_standard_score": 100.0 * (best + count) / (perfect + count),
        "nab_threshold_evidence": threshold,
        "nab_series": float(len(series)),
    }


def _edges(said: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """An alarm is one detection, when it begins."""
    return said & ~np.concatenate([[False], said[:-1]])
