"""Subjective logic over columns (Jøsang, Subjective Logic, 2016)."""

from __future__ import annotations

import numpy as np

from trustd.trust.columns import Array

PRIOR = 2.0
"""The weight of not knowing: W."""


def opinion(good: Array, bad: Array) -> tuple[Array, Array, Array]:
    """Belief, disbelief and uncertainty from evidence; they add up to 1.

    >>> [float(part) for part in opinion(np.array(6.0), np.array(2.0))]
    [0.6, 0.2, 0.2]
    """
    whole = good + bad + PRIOR
    return good / whole, bad / whole, PRIOR / whole


def discount(good: Array, bad: Array, reliability: Array) -> tuple[Array, Array]:
    """The evidence that remains of a source which is right so often only.

    Discounting the opinion (``b' = p b``, ``d' = p d``) said as evidence, so that
    independent sources can be added.

    >>> [float(part) for part in discount(np.array(10.0), np.array(0.0), np.array(0.9))]
    [6.0, 0.0]
    >>> [float(part) for part in discount(np.array(3.0), np.array(1.0), np.array(1.0))]
    [3.0, 1.0]
    """
    factor = PRIOR * reliability / (PRIOR + (1.0 - reliability) * (good + bad))
    return factor * good, factor * bad


def forget(evidence: Array, seconds: Array | float, half_life: Array | float) -> Array:
    """What remains of evidence after a time."""
    return np.asarray(evidence * np.exp2(-np.asarray(seconds) / half_life))
