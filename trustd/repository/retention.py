"""How long everything is kept: what is due is rolled up, then dropped, never much at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TypeVar

import structlog

from trustd.repository.database import Database, Work
from trustd.repository.lapsing import (
    prune_incidents,
    prune_messages,
    prune_notices,
    prune_testimony,
)
from trustd.repository.pruning import (
    prune_decisions,
    prune_guests,
    prune_history,
    prune_trail,
    used,
)
from trustd.repository.reference import Reference
from trustd.repository.timeline import PATIENCE, Timelines

log = structlog.get_logger()

ROLLS = 200
"""Groups that one run rolls up at most."""
_STEP = 20
"""Of them, between two looks whether the run is to end."""
RUN_SECONDS = 20.0
"""For which one run prunes at most; the next one goes on."""
BATCH_SECONDS = 0.05
"""For which the writer may be kept from others at a time."""
_BATCH = 64
_LEAST, _MOST = 8, 4096
_AHEAD = 86400.0
"""Seconds by which the clock may be ahead of the reference before that is told."""

T = TypeVar("T")
Prune = Callable[[sqlite3.Connection, int], int]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long things are kept, in seconds.

    Args:
        tiers: ticks, minutes and hours of guests' history.
        audit: the audit trail, and decisions.
        guests: what is known of guests that are gone.
        most: bytes of everything.
        incidents: those that were resolved.
        notices: those that ended and whose end somebody could not be told.
        evidence: what other services said, and the identities of their messages.
        receivers: everybody who is told notices.
    """

    tiers: tuple[float, float, float]
    audit: float
    guests: float
    most: float
    incidents: float = 365 * 86400.0
    notices: float = 30 * 86400.0
    evidence: float = 90 * 86400.0
    receivers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the retention did.

    Args:
        dropped: rows, by kind.
        shortened: whether history went before its time, because all of it is too large.
        behind: seconds by which the clock is ahead of the time that records are judged by.
    """

    rolled: int
    dropped: dict[str, int]
    shortened: bool
    behind: float


class Retention:
    """Keeps the repository within its bounds; on a thread that may wait."""

    def __init__(
        self,
        database: Database,
        bounds: Bounds,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._database = database
        self._bounds = bounds
        self._timelines = Timelines(database)
        self._clock = clock
        self._reference = Reference(database, clock, steady)
        self._end = 0.0
        self._halted = threading.Event()
        self._told = False

    def halt(self) -> None:
        """Have a run that is under way, and every later one, end as soon as may be."""
        self._halted.set()

    def run(self) -> Run:
        """Roll up and drop what is due.

        Raises:
            StoreError: the repository takes no writes; the next run goes on.
        """
        self._end = time.monotonic() + RUN_SECONDS
        reference = self._reference.advance()
        bounds = self._bounds
        rolled = self._roll([reference - kept for kept in bounds.tiers[:-1]])
        dropped: dict[str, int] = {}
        for tier, (kind, kept) in enumerate(zip(KINDS, bounds.tiers, strict=True)):
            # what is not rolled up yet is by the next run
            drop = partial(_chunks, tier, reference - kept, rolled=tier + 1 < len(KINDS))
            dropped[kind] = self._all(drop)
        old, now = reference - bounds.audit, self._clock()
        dropped["audit"] = self._all(lambda each, most: prune_trail(each, old, now, most))
        dropped["decisions"] = self._all(lambda each, most: prune_decisions(each, old, most))
        gone = reference - bounds.guests
        dropped["guests"] = self._all(lambda each, most: prune_guests(each, gone, most))
        dropped |= self._lapse(reference)
        shortened = self._shorten()
        self._tell(shortened=shortened)
        return Run(rolled, dropped, shortened, self._reference.behind)

    def _roll(self, before: list[float]) -> int:
        """Roll up some groups; how many."""
        total = 0
        while total < ROLLS and self._goes_on():
            rolled = self._timelines.roll(min(_STEP, ROLLS - total), before=before)
            total += rolled
            if rolled < _STEP:
                break
        return total

    def _lapse(self, reference: float) -> dict[str, int]:
        """Drop what is over; how many rows, by kind."""
        bounds = self._bounds
        tell = partial(prune_notices, receivers=bounds.receivers)
        due: tuple[tuple[str, Callable[[sqlite3.Connection, float, int], int], float], ...] = (
            ("incidents", prune_incidents, bounds.incidents),
            ("notices", tell, bounds.notices),
            ("evidence", prune_testimony, bounds.evidence),
            ("messages", prune_messages, bounds.evidence),
        )
        return {kind: self._all(_before(prune, reference - kept)) for kind, prune, kept in due}

    def _goes_on(self) -> bool:
        return time.monotonic() < self._end and not self._halted.is_set()

    def _shorten(self) -> bool:
        """Drop the oldest detail until everything is within its bound."""
        shortened = False
        for tier in range(len(KINDS)):
            while self._used() > self._bounds.most and self._goes_on():
                drop = partial(_chunks, tier, inf, rolled=False)
                if not self._written(partial(_call, drop, _BATCH)):
                    break
                shortened = True
        return shortened

    def _used(self) -> int:
        with self._database.reading() as connection:
            return used(connection)

    def _all(self, prune: Prune) -> int:
        """Call it until nothing is left, or the run took its time."""
        total, most = 0, _BATCH
        while self._goes_on():
            dropped, seconds = self._written(partial(_timed, prune, most))
            total += dropped
            if dropped < most:
                break
            most = most * 2 if seconds < BATCH_SECONDS / 4 else most
            most = most // 2 if seconds > BATCH_SECONDS else most
            most = min(max(most, _LEAST), _MOST)
        return total

    def _written(self, work: Work[T]) -> T:
        # a disk that hangs must not hold this thread: what it keeps is tried again the next time
        return self._database.write(work, deadline=PATIENCE, synced=False)

    def _tell(self, *, shortened: bool) -> None:
        ahead = self._reference.behind > _AHEAD
        if shortened:
            log.warning("history is dropped before its time", most=self._bounds.most)
        if ahead and not self._told:
            log.warning("the clock is ahead of the time that passed", by=self._reference.behind)
        self._told = ahead


KINDS = ("ticks", "minutes", "hours")
"""Of guests' history, by tier."""


def _chunks(
    tier: int, before: float, connection: sqlite3.Connection, most: int, *, rolled: bool
) -> int:
    return prune_history(connection, tier, before, most, rolled=rolled)


def _before(prune: Callable[[sqlite3.Connection, float, int], int], before: float) -> Prune:
    return lambda connection, most: prune(connection, before, most)


def _call(prune: Prune, most: int, connection: sqlite3.Connection) -> int:
    return prune(connection, most)


def _timed(prune: Prune, most: int, connection: sqlite3.Connection) -> tuple[int, float]:
    began = time.perf_counter()
    dropped = prune(connection, most)
    return dropped, time.perf_counter() - began
