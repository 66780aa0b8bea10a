"""Records of decisions on their way to the repository: in batches, and before the answer."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for

import structlog

from trustd.model import Decision
from trustd.repository import RulingLog, RulingRecord

log = structlog.get_logger()

MOST = 20_000
"""Records that wait at most; beyond it new ones are dropped and counted."""
PAUSE = 0.05
"""Seconds after which decisions are counted."""
LAST = 5.0
"""Seconds that the last records may take when the daemon ends."""

Count = Callable[[str, str, int], None]
"""Takes the dialect, the reason and the number of decisions that were made."""

Written = asyncio.Future[bool]
"""Done when a record is where no end of the process loses it, or failed to get there: False."""


class Recorder:
    """Has records written, and counts. Belongs to the loop.

    One batch is written at a time. What comes meanwhile is the next batch: so a record waits
    for two commits at most, and a thousand at once are as quick as one.

    Args:
        counted: told how many decisions there were, now and then.
        everything: whether permits that bind nothing are recorded too.
    """

    def __init__(self, store: RulingLog, counted: Count, *, everything: bool) -> None:
        self.everything = everything
        self.dropped = 0
        self._counted = counted
        self._tally: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._store = store
        self._waiting: list[RulingRecord] = []
        self._next: Written | None = None
        self._writing: Future[None] | None = None
        self._counting: asyncio.TimerHandle | None = None
        self._failing = False

    def count(self, dialect: str, decisions: Iterable[Decision]) -> None:
        """Count decisions."""
        tally = self._tally[dialect]
        for each in decisions:
            tally[each.reason] += 1
        if self._counting is None:
            self._counting = asyncio.get_running_loop().call_later(PAUSE, self._count)

    def add(self, record: RulingRecord) -> Written:
        """Have a record written; whether it was."""
        loop = asyncio.get_running_loop()
        if len(self._waiting) >= MOST:
            self._lost(1, "the repository does not keep up")
            lost: Written = loop.create_future()
            lost.set_result(False)
            return lost
        self._waiting.append(record)
        if self._next is None:
            self._next = loop.create_future()
            if self._writing is None:
                # whoever else asks in this turn of the loop comes with it
                loop.call_soon(self._write)
        return self._next

    def flush(self) -> None:
        """Count and pass on what waits, and wait until it is written; the loop ends after it."""
        self._count()
        last = [] if self._writing is None else [self._writing]
        if self._waiting:
            last.append(self._store.append(self._waiting))
            self._waiting = []
        done, late = wait_for(last, LAST)
        written = not late and not any(each.exception() for each in done)
        if not written:
            log.error("the last decision records are not on the disk")
        if self._next is not None:
            self._next.set_result(written)
            self._next = None

    def _count(self) -> None:
        self._counting = None
        for dialect, reasons in self._tally.items():
            for reason, number in reasons.items():
                self._counted(dialect, reason, number)
        self._tally.clear()

    def _write(self) -> None:
        """Begin with the next batch."""
        records, batch = self._waiting, self._next
        if batch is None or not records:
            return
        self._waiting, self._next = [], None
        loop = asyncio.get_running_loop()
        writing = self._writing = self._store.append(records)
        writing.add_done_callback(
            lambda done: _soon(loop, lambda: self._wrote(records, batch, done))
        )

    def _wrote(self, records: Sequence[RulingRecord], batch: Written, done: Future[None]) -> None:
        error = done.exception()
        if error is None:
            self._failing = False
        else:
            self._lost(len(records), str(error))
        batch.set_result(error is None)
        self._writing = None
        self._write()

    def _lost(self, number: int, why: str) -> None:
        self.dropped += number
        if not self._failing:
            self._failing = True
            log.error("decision records are lost", error=why)


def _soon(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """Have the loop do something; one that has ended has nobody left to tell."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(work)
