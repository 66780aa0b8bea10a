"""Records of decisions on their way to the repository: in batches, and never in the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

import structlog

from trustd.repository import RulingLog, RulingRecord

log = structlog.get_logger()

MOST = 20_000
"""Records that wait at most; beyond it new ones are dropped and counted."""
PAUSE = 0.05
"""Seconds for which records gather before they are written together."""

Count = Callable[[str, str, int], None]
"""Takes the dialect, the reason and the number of decisions that were made."""


class Recorder:
    """Gathers records and has them written, and counts. Belongs to the loop.

    Args:
        counted: told how many decisions there were, now and then.
        everything: whether permits that bind nothing are recorded too.
    """

    def __init__(self, store: RulingLog, counted: Count, *, everything: bool) -> None:
        self.everything = everything
        self.dropped = 0
        self._counted = counted
        self._tally: Counter[tuple[str, str]] = Counter()
        self._store = store
        self._waiting: list[RulingRecord] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: Future[None] | None = None

    def count(self, dialect: str, reason: str) -> None:
        """Count a decision."""
        self._tally[dialect, reason] += 1
        if self._timer is None:
            self._wake()

    def add(self, record: RulingRecord) -> None:
        """Have a record written soon."""
        if len(self._waiting) >= MOST:
            if not self.dropped:
                log.error("decision records are dropped: the repository does not keep up")
            self.dropped += 1
            return
        self._waiting.append(record)
        if self._timer is None:
            self._wake()

    def _wake(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PAUSE, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._writing is not None and not self._writing.done():
            # one batch at a time: what cannot be written gathers here, where it is bounded
            self._wake()
            return
        self.flush()

    def flush(self) -> None:
        """Pass on what waits."""
        for (dialect, reason), number in self._tally.items():
            self._counted(dialect, reason, number)
        self._tally.clear()
        if self._waiting:
            records, self._waiting = self._waiting, []
            self._writing = self._store.append(records)
