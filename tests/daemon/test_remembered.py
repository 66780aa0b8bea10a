"""The overview after a restart."""

from __future__ import annotations

import asyncio
import time

import pytest
import structlog.testing

from tests.api.conftest import until
from tests.api.fleets import FEATURES
from tests.page.fleets import Past, fleet_of, made
from trustd.api import Live
from trustd.api.matrix import COLUMNS
from trustd.daemon.remembered import keep_remembering, remember
from trustd.errors import StoreError
from trustd.metrics import Exposition, Meters


@pytest.fixture
def live() -> Live:
    return Live(FEATURES, Meters("1.2.3"), version="1.2.3")


def published(live: Live, number: int) -> Past:
    fleet = fleet_of(number, at=time.time())
    live.publish(fleet, Exposition(FEATURES).render(fleet, live.meters))
    return Past(fleet)


async def test_the_overview_has_the_day_before_the_restart(live: Live) -> None:
    """Once the first tick is there, each guest's day is read from the history."""
    waiting = asyncio.create_task(remember(live, Past(fleet_of(0))))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    history = published(live, 3)
    assert not live.matrix.row(made(0).id)[:-1].strip()
    await remember(live, history)
    row = live.matrix.row(made(0).id)
    assert row.count(" ") <= 2
    assert row.startswith((" a", "a"))
    assert "~" in row[: COLUMNS // 2]
    assert row.endswith("d")


async def test_a_history_that_cannot_be_read_is_told_and_leaves_the_rest(live: Live) -> None:
    """The overview begins empty, and the daemon goes on."""

    class Broken(Past):
        def timeline(self, *_: object) -> object:
            raise StoreError("no such table")

    published(live, 2)
    with structlog.testing.capture_logs() as logs:
        await remember(live, Broken(live.fleet))
    assert [each["error"] for each in logs] == ["no such table"]
    assert live.matrix.row(made(1).id).strip() == "c"


async def test_the_overview_is_filled_again_where_it_begins_anew(live: Live) -> None:
    """Where the clock was ahead for a tick, and is right again, the day before it is there."""
    history = published(live, 3)
    filling = asyncio.create_task(keep_remembering(live, history))
    try:
        await until(lambda: bool(live.matrix.row(made(0).id)[:-1].strip()))
        for moment in (time.time() + 1e8, time.time()):
            known = fleet_of(3, at=moment)
            live.publish(known, Exposition(FEATURES).render(known, live.meters))
        assert not live.matrix.row(made(0).id)[:-1].strip()
        await until(lambda: live.matrix.row(made(0).id).count(" ") <= 2)
    finally:
        filling.cancel()
