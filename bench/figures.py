"""The measured figures, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bench.attacks import Point
from bench.bitbrains import SHAPES


def shapes(points: Sequence[Point], path: Path) -> None:
    """Detection by shape, a group of bars for each operating point."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(SHAPES))
    width = 0.8 / len(points)
    for index, point in enumerate(points):
        label = f"{point.result.false_per_month:.2f} false crossings a guest-month"
        axes.bar(places + index * width, point.result.detected, width, label=label)
    axes.set_xticks(places + 0.4 - width / 2, SHAPES, rotation=20, ha="right")
    axes.set_ylabel("detected share")
    axes.set_ylim(0, 1)
    axes.legend(fontsize=8, loc="lower left")
    _save(figure, path)


def compare(figures: Mapping[str, float | str], path: Path) -> None:
    """Engine and peers at both budgets."""
    peers = {key.split("_budget_")[0] for key in figures if key.startswith("peer_")}
    measured = (name for name in peers if f"{name}_budget_1_detected_share" in figures)
    names = ["engine", *sorted(measured)]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(names))
    for index, (budget, label) in enumerate((("1", "1"), ("025", "0.25"))):
        shares = [
            float(figures.get(f"{name}_budget_{budget}_detected_share", np.nan)) for name in names
        ]
        axes.bar(places + 0.4 * index, shares, 0.4, label=f"budget {label} a guest-month")
    axes.set_xticks(places + 0.2, [name.removeprefix("peer_") for name in names])
    axes.set_ylabel("detected share, seven shapes")
    axes.set_ylim(0, 1)
    axes.legend(fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write a drawing that is the same for the same figures."""
    with mpl.rc_context({"svg.hashsalt": "trustd"}):
        figure.savefig(path, metadata={"Date": None})
