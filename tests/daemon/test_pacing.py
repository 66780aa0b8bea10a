"""Ticks on a clock that may be set."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from trustd.daemon import pacing
from trustd.daemon.pacing import Steady, follow_clock


async def test_clock_that_is_set_back_stops_no_tick(monkeypatch):
    """A job that would wait for an hour, because the wall clock was set back, runs at once."""
    monkeypatch.setattr(pacing, "LOOK", 0.01)
    ran = threading.Event()
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.add_job(ran.set, Steady(5.0), id="line")
    scheduler.modify_job("line", next_run_time=datetime.now(UTC) + timedelta(hours=1))
    scheduler.start()
    ahead = iter([0.0, 0.0])
    following = asyncio.create_task(follow_clock(scheduler, lambda: next(ahead, -3600.0)))
    try:
        assert await asyncio.to_thread(ran.wait, 60)
    finally:
        following.cancel()
        scheduler.shutdown()


async def test_clock_that_drifts_moves_nothing(monkeypatch):
    """A clock that is corrected slowly, as it should be, changes no job's time."""
    monkeypatch.setattr(pacing, "LOOK", 0.001)
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.add_job(print, Steady(3600.0), id="line")
    scheduler.start(paused=True)
    due = scheduler.get_job("line").next_run_time
    looked = 0
    enough = asyncio.Event()

    def drifting():
        nonlocal looked
        looked += 1
        if looked > 20:
            enough.set()
        return looked * 0.5

    following = asyncio.create_task(follow_clock(scheduler, drifting))
    await asyncio.wait_for(enough.wait(), 60)
    following.cancel()
    assert scheduler.get_job("line").next_run_time == due
    scheduler.shutdown()


def test_missed_times_are_not_made_up_for():
    """After a step from 1970 the next time is one period away, and is found at once."""
    trigger = Steady(0.5)
    now = datetime.now(UTC)
    first = trigger.get_next_fire_time(datetime(1970, 1, 1, tzinfo=UTC), now)
    assert first == now + timedelta(seconds=0.5)
    assert trigger.get_next_fire_time(first, first) == first + timedelta(seconds=0.5)
