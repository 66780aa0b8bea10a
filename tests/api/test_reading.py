"""Long looks into the repository keep nobody waiting who asks for something else."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.api.fleets import FEATURES, assessed, fleet
from trustd.api import Live, serve
from trustd.api.history import HISTORIAN
from trustd.api.reading import READERS
from trustd.metrics import Exposition, Meters


class Slow:
    """A history that takes as long as the test wants."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked = threading.Semaphore(0)

    def storage(self) -> dict[str, str]:
        self.asked.release()
        self.go_on.wait(30)
        return {"kinds": "none"}

    def mount(self, app: web.Application) -> None:
        app[HISTORIAN] = self  # type: ignore[misc]  # as much of one as is asked for


async def test_readers_of_history_wait_for_each_other_only(tmp_path: Path) -> None:
    """However many ask for what takes long, so many looks are under way at most, the loop's own
    threads stay free for whoever comes in, and everybody is answered in the end."""
    live, slow, path = Live(FEATURES, Meters("1"), version="1"), Slow(), tmp_path / "trustd.sock"
    known = fleet(assessed())
    async with serve(live, path, None, mounts=[slow.mount]):
        live.publish(known, Exposition(FEATURES).render(known, live.meters))
        connector = aiohttp.UnixConnector(str(path), limit=0)
        async with aiohttp.ClientSession("http://trustd", connector=connector) as client:

            async def look() -> int:
                async with client.get("/v1/storage") as answer:
                    return answer.status

            looks = [asyncio.create_task(look()) for _ in range(64)]
            for _ in range(READERS):
                assert await asyncio.to_thread(slow.asked.acquire, timeout=10)
            # more than the loop's pool has; each of them needs a thread of it
            entering = [asyncio.to_thread(threading.get_ident) for _ in range(40)]
            assert len(await asyncio.wait_for(asyncio.gather(*entering), 5)) == 40
            assert not slow.asked.acquire(blocking=False)
            slow.go_on.set()
            assert set(await asyncio.gather(*looks)) == {200}
