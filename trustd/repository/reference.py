"""By which time records are old: one that a clock that jumps cannot carry away."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from trustd.repository.database import Database
from trustd.repository.timeline import PATIENCE

CATCH_UP = 10.0
"""How much faster than time itself the reference may follow a clock that is ahead of it.

A month of downtime is caught up with in three days; a clock that jumps years ahead makes
the ticks of two days old after five hours, and half a year of audit after 18 days."""


class Reference:
    """Never ahead of the clock, and never moved on by more than time that really passed allows.

    Args:
        clock: epoch seconds.
        steady: seconds that pass while the host is asleep too, and that nobody sets.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], steady: Callable[[], float]
    ) -> None:
        self._database = database
        self._clock = clock
        self._steady = steady
        self._last = steady()
        self.behind = 0.0
        """Seconds by which the clock is ahead of it."""

    def advance(self) -> float:
        """The time, in epoch seconds, by which to judge what is old; it is kept.

        Raises:
            StoreError: it cannot be kept, or the disk does not answer.
        """
        now, passed = self._clock(), self._steady() - self._last
        self._last += passed

        def work(connection: sqlite3.Connection) -> float:
            row = connection.execute("SELECT reference FROM retention").fetchone()
            reference = now if row is None else min(now, row[0] + CATCH_UP * passed)
            connection.execute("INSERT OR REPLACE INTO retention VALUES (1, ?)", (reference,))
            return reference

        reference = self._database.write(work, deadline=PATIENCE, synced=False)
        self.behind = now - reference
        return reference
