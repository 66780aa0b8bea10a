"""A served API over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.api.fleets import FEATURES
from trustd.api import Live, serve
from trustd.api.access_routes import ACCESS_ROUTES
from trustd.api.audit_routes import AUDIT_ROUTES
from trustd.api.configuration import CONFIG_ROUTES
from trustd.api.history_routes import HISTORY_ROUTES
from trustd.api.incident_routes import INCIDENT_ROUTES
from trustd.metrics import Exposition, Meters
from trustd.model import Fleet

APART = (*ACCESS_ROUTES, *AUDIT_ROUTES, *CONFIG_ROUTES, *HISTORY_ROUTES, *INCIDENT_ROUTES)
"""Routes that need more of the daemon than is served here."""


async def until(condition: Callable[[], bool], within: float = 60) -> None:
    """Wait until a condition holds; fail where it does not in so many seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - any condition, not one event
            await asyncio.sleep(0.005)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Served:
    """The API on a unix socket and on TCP, with a client of each."""

    live: Live
    clock: Clock
    socket_path: Path
    port: int
    unix: aiohttp.ClientSession
    tcp: aiohttp.ClientSession
    exposition: Exposition

    def publish(self, fleet: Fleet) -> None:
        """One tick, as the pipeline does it."""
        self.live.meters.observe(fleet)
        self.live.publish(fleet, self.exposition.render(fleet, self.live.meters))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    clock = Clock()
    live = Live(FEATURES, Meters("1.2.3"), version="1.2.3", clock=clock)
    path = tmp_path / "trustd.sock"
    async with serve(live, path, ("127.0.0.1", 0)) as listening:
        assert listening.tcp is not None
        port = listening.tcp[1]
        limit = aiohttp.ClientTimeout(total=20)
        async with (
            aiohttp.ClientSession(
                "http://trustd", connector=aiohttp.UnixConnector(str(path)), timeout=limit
            ) as unix,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=limit) as tcp,
        ):
            yield Served(live, clock, path, port, unix, tcp, Exposition(FEATURES))
