"""The page, served over loopback as the daemon serves it, with a fleet to look at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.api.fleets import FEATURES
from tests.page.fleets import Past, Records, Scores, Waiting, remember
from trustd.api import Live, serve
from trustd.metrics import Exposition, Meters
from trustd.model import Fleet


@dataclass
class Page:
    """One daemon's page, and the daemon behind it as far as a page can tell."""

    live: Live
    address: str
    exposition: Exposition

    def publish(self, fleet: Fleet) -> None:
        """One tick, as the daemon does it."""
        self.live.meters.observe(fleet)
        self.live.publish(fleet, self.exposition.render(fleet, self.live.meters))

    def tick(self, **changed: object) -> None:
        """The next tick, with these fields of the fleet changed."""
        self.publish(replace(self.live.fleet, tick=self.live.fleet.tick + 1, **changed))


@asynccontextmanager
async def page_of(
    fleet: Fleet, *, port: int = 0, socket: Path | None = None
) -> AsyncIterator[Page]:
    """Serve the page of a fleet until the context ends.

    Args:
        port: where; 0 for any that is free.
        socket: a unix socket to serve it on as well.
    """
    live = Live(FEATURES, Meters("1.2.3"), version="1.2.3")
    mounts = [Past(fleet).mount, Waiting(3).mount, Scores(fleet.at).mount]
    tcp = ("127.0.0.1", port)
    async with serve(live, socket, tcp, office=Records(), mounts=mounts) as listening:
        assert listening.tcp is not None
        host, port = listening.tcp
        page = Page(live, f"http://{host}:{port}/", Exposition(FEATURES))
        remember(live, fleet)
        page.publish(fleet)
        yield page


@asynccontextmanager
async def forwarded(socket: Path) -> AsyncIterator[str]:
    """An address on loopback that leads to a unix socket, as ``ssh -L`` makes one."""
    pipes: set[asyncio.Task[None]] = set()

    async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await source.read(1 << 16):
                sink.write(piece)
                await sink.drain()
        sink.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(socket)
        try:
            await asyncio.gather(pour(reader, back), pour(there, writer))
        finally:
            for end in (back, writer):
                end.close()
                with contextlib.suppress(ConnectionError):
                    await end.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = asyncio.create_task(connect(reader, writer))
        pipes.add(pipe)
        pipe.add_done_callback(pipes.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for pipe in tuple(pipes):
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)
