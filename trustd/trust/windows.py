"""From ticks of any length to windows that can be compared.

The learned lane was measured on averages over 300 s. Shorter ticks are gathered
into strides of a minute, and at the end of each stride the average over the last
300 s is judged: the same quantity, looked at more often. A tick that is longer
than a stride is a stride of its own; one longer than the window is a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trustd.trust.columns import Array, Column, Table

SLOTS = 5
COLUMNS = {
    "window.sum": Column(depth=SLOTS),
    "window.time": Column(depth=SLOTS),
}


@dataclass(slots=True)
class Clock:
    """Where the present window stands; the same for every guest.

    Args:
        slot: the slot being filled.
        elapsed: seconds gathered in it.
        spans: seconds of each slot.
        contention: the host's, in second-weighted sum over the slot.
    """

    slot: int
    elapsed: float
    spans: Array
    contention: float = 0.0

    @classmethod
    def fresh(cls) -> Clock:
        """A window of which nothing has passed."""
        return cls(0, 0.0, np.zeros(SLOTS))


@dataclass(frozen=True, slots=True)
class Window:
    """One average to be judged.

    Args:
        means: shape (guests, features); NaN where nothing was measured.
        seconds: since the last judgement.
        contention: of the host in that time, in [0, 1].
    """

    means: Array
    seconds: float
    contention: float


def gather(
    table: Table,
    clock: Clock,
    values: Array,
    seconds: Array,
    *,
    passed: float,
    contention: float,
    stride: float,
    window: float,
) -> Window | None:
    """Add a tick; the window to judge if a stride is complete.

    Args:
        values: shape (guests, features).
        seconds: that each guest's values stand for, shape (guests,).
        passed: seconds since the last tick.
    """
    spent = np.minimum(seconds, window).astype("f4")[:, None] * np.isfinite(values)
    sums, times = table["window.sum"], table["window.time"]
    slot = clock.slot
    sums[slot] += np.nan_to_num(values) * spent
    times[slot] += spent
    clock.elapsed += passed
    clock.contention += contention * passed
    if clock.elapsed < stride - passed / 2:
        return None
    clock.spans[slot] = clock.elapsed
    recent = _recent(clock, window)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[recent].sum(axis=0) / times[recent].sum(axis=0)
    means[times[slot] <= 0.0] = np.nan
    judged = Window(means, clock.elapsed, clock.contention / clock.elapsed)
    clock.slot = (slot + 1) % SLOTS
    clock.elapsed = clock.contention = 0.0
    sums[clock.slot] = 0.0
    times[clock.slot] = 0.0
    clock.spans[clock.slot] = 0.0
    return judged


def _recent(clock: Clock, window: float) -> list[int]:
    """The newest slots that together fill the window and no more."""
    chosen: list[int] = []
    filled = 0.0
    for back in range(SLOTS):
        slot = (clock.slot - back) % SLOTS
        span = float(clock.spans[slot])
        if span <= 0.0 or (chosen and filled + span / 2 > window):
            break
        chosen.append(slot)
        filled += span
    return chosen
