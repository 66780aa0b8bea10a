"""What the page's overview shows of the time before this run."""

from __future__ import annotations

import asyncio
import time

import structlog

from trustd.api import Live
from trustd.api.history import Historian
from trustd.api.matrix import COLUMNS, STEP
from trustd.errors import StoreError

log = structlog.get_logger()

_POINTS = 10 * COLUMNS
"""Of a guest's day: several in each stretch of the overview."""
_SHARE = 4
"""Of the time that is left to other work: so many times what the reading took."""


async def keep_remembering(live: Live, history: Historian) -> None:
    """Fill the overview, and again whenever it begins anew; never returns."""
    while True:
        live.matrix.lacking.clear()
        await remember(live, history)
        await live.matrix.lacking.wait()


async def remember(live: Live, history: Historian) -> None:
    """Fill the overview with what is stored, guest by guest, beside everything else."""
    await live.begun.wait()
    fleet = live.fleet
    for guest in tuple(fleet.guests):
        until = time.time()
        began = time.monotonic()
        try:
            line = await asyncio.to_thread(
                history.timeline, guest, None, until - COLUMNS * STEP, until, _POINTS
            )
        except StoreError as error:
            # the overview begins empty then; whoever reads the history is told why
            log.warning("the overview lacks what was before", error=str(error))
            return
        live.matrix.fill(line, fleet.bands)
        await asyncio.sleep(_SHARE * (time.monotonic() - began))
