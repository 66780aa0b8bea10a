"""How good a score is against labels: AUC-PR and VUS-PR. No point adjustment.

VUS-PR: Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin: Volume under the
surface, VLDB 2022.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
THRESHOLDS = 200


def auc_pr(labels: NDArray[np.bool_], scores: Floats) -> float:
    """Average precision; ties are one threshold.

    >>> auc_pr(np.array([False, True, True]), np.array([0.1, 0.9, 0.8]))
    1.0
    """
    order = np.argsort(-scores, kind="stable")
    hits, ranked = labels[order], scores[order]
    last = np.append(np.diff(ranked) != 0, True)
    true = np.cumsum(hits)[last]
    precision = true / (np.flatnonzero(last) + 1)
    recall = true / max(labels.sum(), 1)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def segments(labels: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of True as half-open intervals.

    >>> segments(np.array([False, True, True, False, True]))
    [(1, 3), (4, 5)]
    """
    edges = np.diff(np.concatenate([[0], labels.astype(np.int8), [0]]))
    return list(
        zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True)
    )


def soft(labels: NDArray[np.bool_], window: int) -> Floats:
    """Labels with shoulders of half a window, which fall off by a square root."""
    softened = labels.astype(float)
    half = window // 2
    if half == 0:
        return softened
    shoulder = np.sqrt(1.0 - np.arange(1, half + 1) / window)
    for begin, end in segments(labels):
        before = np.arange(max(begin - half, 0), begin)
        after = np.arange(end, min(end + half, len(labels)))
        softened[before] = np.maximum(softened[before], shoulder[begin - before - 1])
        softened[after] = np.maximum(softened[after], shoulder[after - end])
    return softened


def range_auc_pr(labels: NDArray[np.bool_], scores: Floats, window: int) -> float:
    """AUC-PR against softened labels, with the share of segments that were met."""
    softened = soft(labels, window)
    positives = (labels.sum() + softened.sum()) / 2.0
    runs = segments(softened > 0)
    peaks = np.array([scores[begin:end].max() for begin, end in runs])
    ranks = np.linspace(0, len(scores) - 1, THRESHOLDS).astype(int)
    area = earlier = 0.0
    for threshold in np.unique(np.sort(scores)[ranks])[::-1]:
        said = scores >= threshold
        true = float(softened[said].sum())
        recall = min(true / positives, 1.0) * float(np.mean(peaks >= threshold))
        precision = true / said.sum()
        area += (recall - earlier) * precision if recall > earlier else 0.0
        earlier = max(earlier, recall)
    return area


def vus_pr(labels: NDArray[np.bool_], scores: Floats, widest: int, steps: int = 5) -> float:
    """The mean of :func:`range_auc_pr` over windows from none to the widest."""
    windows = np.unique(np.linspace(0, widest, steps).astype(int))
    return float(np.mean([range_auc_pr(labels, scores, int(each)) for each in windows]))
