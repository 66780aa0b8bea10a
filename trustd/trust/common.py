"""What happens to the whole host at once is not one guest's doing."""

from __future__ import annotations

import numpy as np

from trustd.trust.columns import Array

FEWEST = 8
"""A fleet of fewer guests has no common mode: one attack is too large a part."""
MANY = 0.4
"""The share of a fleet that has to move together."""
SPREAD = 1.4826
"""Sigma over median absolute deviation of a normal distribution."""
MOVED = 2.0
"""Sigmas from which a guest has moved."""


def without(signed: Array, known: Array) -> Array:
    """Deviations less what is common to the fleet, shape (guests, features).

    Where many guests moved the same way, the median of their deviations is what
    they did together. A deviation is reduced by it and measured by how differently
    the others moved; it is never reversed or enlarged.

    >>> fleet = np.full((9, 1), 5.0); fleet[0] = 50.0
    >>> without(fleet, fleet > 0)[:2, 0].tolist()
    [45.0, 0.0]

    Args:
        signed: in sigmas; 0 where it is not known.
        known: where there is a deviation.
    """
    guests = known.sum(axis=0)
    up = ((signed > MOVED) & known).sum(axis=0)
    down = ((signed < -MOVED) & known).sum(axis=0)
    moved = np.flatnonzero((guests >= FEWEST) & (np.maximum(up, down) > MANY * guests))
    if not len(moved):
        return signed
    reduced = signed.copy()
    for feature in moved:
        column, present = signed[:, feature], known[:, feature]
        shared = float(np.median(column[present]))
        differ = SPREAD * float(np.median(np.abs(column[present] - shared)))
        beyond = np.maximum(np.abs(column) - abs(shared), 0.0) / max(differ, 1.0)
        less = np.sign(column) * beyond
        reduced[:, feature] = np.where(column * shared > 0, less, column)
    return reduced
