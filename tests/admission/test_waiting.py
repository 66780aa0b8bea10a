"""Who starts a guest waits for nobody who only reads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

from tests.decisions.serving import policy, world
from trustd.api.entry_shapes import EntryQuestion
from trustd.api.peer import Peer
from trustd.daemon.entry import Doorkeeper
from trustd.model import Orders
from trustd.repository import Database, Journal

GONE = "00000000-0000-0000-0000-0000000000ff"


async def test_admission_needs_no_thread_of_the_loop(tmp_path: Path) -> None:
    """While every thread of the loop's own pool is busy, a guest that is not here is looked up in
    the repository and answered for."""
    database, go_on = Database(tmp_path / "trustd.db"), threading.Event()
    access = SimpleNamespace(point=SimpleNamespace(world=world(policy())))
    keeper = Doorkeeper(
        access,  # type: ignore[arg-type]  # as much of it as is asked
        Journal(database),
        database,
        Orders,
        lambda _: None,
    )
    loop = asyncio.get_running_loop()
    try:
        with ThreadPoolExecutor(1) as pool:
            loop.set_default_executor(pool)
            busy = loop.run_in_executor(None, go_on.wait, 240)
            question = EntryQuestion("manage", "", GONE, "save", "")
            async with asyncio.timeout(60):
                told = await keeper.manage(question, Peer(1, 0, 0))
            assert told.permit
            assert not busy.done()
            go_on.set()
            assert await busy
    finally:
        go_on.set()
        database.close()
