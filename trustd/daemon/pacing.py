"""Regular ticks on a clock that may be set: none is queued, and none waits for an hour to come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.base import BaseTrigger

log = structlog.get_logger()

STEP = 1.0
"""Seconds by which the wall clock must move against the steady one to have been set."""
LOOK = 1.0
"""Seconds between two looks at it."""


class Steady(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """Fires at fixed times; those that were missed are not made up for.

    The library's own trigger counts through every time that was missed, which after
    a step from 1970 to today takes minutes.

    >>> trigger, noon = Steady(5.0), datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> later = noon + timedelta(seconds=3)
    >>> trigger.get_next_fire_time(noon, later).second
    5
    >>> late = noon + timedelta(days=20_000)
    >>> trigger.get_next_fire_time(noon, late) - late
    datetime.timedelta(seconds=5)
    """

    __slots__ = ("_every",)

    def __init__(self, seconds: float) -> None:
        self._every = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        """The next time after ``previous`` that is still to come."""
        due = (previous or now) + self._every
        return due if due > now else now + self._every


def offset() -> float:
    """Seconds by which the wall clock is ahead of the steady one."""
    return time.time() - time.monotonic()


async def follow_clock(scheduler: BaseScheduler, ahead: Callable[[], float] = offset) -> None:
    """Have every job run now whenever the wall clock was set; never returns.

    The scheduler waits for times of day: after a step back it would wait until that
    time comes again.
    """
    before = ahead()
    while True:
        await asyncio.sleep(LOOK)
        now = ahead()
        if abs(now - before) > STEP:
            log.warning("the wall clock was set", seconds=round(now - before, 3))
            for job in scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
        before = now
