"""How rare a deviation is, in the guest's own experience and in the fleet's.

Deviations are counted on a geometric ladder of sigmas, so a tail is remembered in
sixteen numbers. A guest without experience of its own has the fleet's.
"""

from __future__ import annotations

import numpy as np

from trustd.trust.columns import Array, Column, Table

RUNGS = 16
RAREST = 1e-6
_TWO_PER_OCTAVE = np.float32(2.0 / np.log(2.0))
_LEAST = np.float32(1e-9)
COLUMNS = {"tail": Column(depth=RUNGS), "tail.seen": Column()}


def rung(deviation: Array) -> Array:
    """The highest rung that a deviation in sigmas reaches; -1 below the first.

    >>> rung(np.array([0.5, 1.0, 1.5, 8.0, 1e9])).tolist()
    [-1, 0, 1, 6, 15]
    """
    steps = np.log(np.maximum(deviation, _LEAST)) * _TWO_PER_OCTAVE + np.float32(1e-4)
    return np.asarray(np.clip(np.floor(steps), -1, RUNGS - 1), dtype=np.int8)


def probabilities(table: Table, rungs: Array, prior: float) -> tuple[Array, Array]:
    """How often such a deviation or a larger one came, by guest and by fleet.

    Args:
        rungs: shape (guests, features), from :func:`rung`.
        prior: windows that the fleet's experience counts for.

    Returns:
        Two arrays of shape (guests, features), in (0, 1].
    """
    tail, seen = table["tail"], table["tail.seen"]
    # One imaginary guest that saw one window keeps the fleet's own zero away.
    imagined = np.exp2(-np.arange(1.0, RUNGS + 1.0))[:, None]
    everyone = np.ones(len(seen), dtype="f4")
    of_fleet = (everyone @ tail + imagined) / (everyone @ seen + 1.0)
    below = rungs < 0
    at = np.maximum(rungs, 0).astype(np.intp)
    # One flat index is several times faster than one an axis.
    fleet = of_fleet.astype("f4").ravel().take(at * rungs.shape[1] + np.arange(rungs.shape[1]))
    places = at * rungs.size + np.arange(rungs.size).reshape(rungs.shape)
    counted = np.ascontiguousarray(tail).ravel().take(places)
    own = (counted + prior * fleet) / (seen + prior)
    np.copyto(own, 1.0, where=below)
    np.copyto(fleet, 1.0, where=below)
    return np.clip(own, RAREST, 1.0), np.clip(fleet, RAREST, 1.0)


def count(table: Table, rungs: Array, present: Array, *, keep: float, weight: float) -> None:
    """Remember deviations.

    Args:
        keep: what remains of the earlier counts, in (0, 1).
        weight: what one window counts for.
    """
    tail, seen = table["tail"], table["tail.seen"]
    tail *= keep
    seen *= keep
    reached = np.where(present, rungs, -1)
    for step in range(int(reached.max(initial=-1)) + 1):
        tail[step] += weight * (reached >= step)
    seen += weight * present
