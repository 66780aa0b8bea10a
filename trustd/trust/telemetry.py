"""What comes into the engine, checked: numbers that can be scored, and gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trustd.trust.columns import Array


def checked(values: ArrayLike, seconds: ArrayLike, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Telemetry and its times; what is no number is a gap.

    Args:
        values: in the features' units, none of which is ever negative.
        seconds: for which they stand; one number, or one a guest.
        shape: (guests, features).

    Returns:
        Copies of both, (guests, features) and (guests,): NaN for a gap, 0 where no time
        passed.

    Raises:
        ValueError: the shapes do not fit.

    >>> measured, spent = checked([[1.0, -1.0], [2.0, 3.0]], [60.0, 0.0], (2, 2))
    >>> measured.tolist(), spent.tolist()
    ([[1.0, nan], [nan, nan]], [60.0, 0.0])
    """
    measured = np.array(values, dtype=float)
    if measured.shape != shape:
        raise ValueError(f"values have the shape {measured.shape}, expected {shape}")
    spent = np.array(np.broadcast_to(np.asarray(seconds, dtype=float), shape[:1]))
    timed = np.isfinite(spent) & (spent > 0)
    spent[~timed] = 0.0
    measured[~np.isfinite(measured) | (measured < 0) | ~timed[:, None]] = np.nan
    return measured, spent
