"""A served API over a line that really scores, and senders that report to it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.pipeline.scripted import CALM, INTERVAL, NOWHERE, Rig, guest_id, policy_of, web
from trustd.api import Live, serve
from trustd.config import DecisionSettings
from trustd.daemon.evidence import Testimony
from trustd.decisions import World
from trustd.decisions.world import Directory
from trustd.hypervisor import Leases
from trustd.metrics import Exposition, Meters
from trustd.model import Assessment
from trustd.pipeline import Registry
from trustd.repository import Entry, ReportStore, SaidStore

A, B, C = (guest_id(number) for number in range(3))
IDS, VERIFIER, LIMITED = "ids", "verifier", "limited"
SOURCES = """
sources:
  ids: {families: [intrusion], severity: critical, longest: 1h}
  verifier: {families: [attestation], reliability: 0.5, severity: critical, good: 4}
  limited: {families: [intrusion, storage], severity: minor, longest: 10s, per_minute: 60}
"""
POLICY = CALM.replace("rise: 360/h", "rise: 3600/h") + SOURCES


def report(guest: Any = A, **other: Any) -> dict[str, Any]:
    """A critical finding on a guest, by UUID."""
    meant = guest if isinstance(guest, dict) else {"uuid": guest}
    return {
        "guest": meant,
        "kind": "exploit",
        "family": "intrusion",
        "severity": "critical",
        "expires_in": 600,
        "summary": "a known exploit was sent from it",
        **other,
    }


@dataclass
class Reporting:
    """The line, its API, and clients that show tokens."""

    rig: Rig
    live: Live
    exposition: Exposition
    socket: Path
    settings: DecisionSettings
    leases: Leases
    stack: AsyncExitStack
    line: ThreadPoolExecutor
    client: aiohttp.ClientSession = field(init=False)
    _serving: AsyncExitStack | None = None

    async def serve(self) -> None:
        """A run of the daemon over the repository as it is."""
        await self.end()
        store = ReportStore(self.rig.database)
        hearing = self.rig.line._stages.hearing
        hearing.tell(store.waiting())
        said = SaidStore(self.rig.database)
        made = Testimony(
            self.settings, self.world, store, hearing, self.leases, said=said, clock=lambda: 0.0
        )
        self._serving = await self.stack.enter_async_context(AsyncExitStack())
        serving = serve(self.live, self.socket, None, mounts=[made.mount])
        await self._serving.enter_async_context(serving)
        connector = aiohttp.UnixConnector(str(self.socket))
        session = aiohttp.ClientSession("http://trustd", connector=connector)
        self.client = await self._serving.enter_async_context(session)

    async def end(self) -> None:
        if self._serving is not None:
            await self._serving.aclose()
            self._serving = None

    async def restart(self) -> None:
        """SIGKILL, and another run that has not ticked yet."""
        await self.end()
        self.rig.restart()
        await self.serve()

    def world(self) -> World:
        policy = policy_of(self.rig.policy, self.rig.plugins)
        registry = Registry.of(policy, None, {})
        seen = self.rig.line._stages.narrowing.world()
        clock = self.rig.hypervisor.clock
        return World.of(
            Directory(policy, registry),
            seen,
            self.live.fleet.guests,
            clock=clock,
            interval=INTERVAL,
        )

    def tick(self, times: int = 1, **how: Any) -> None:
        found = self.line.submit(lambda: self.rig.tick(times, **how)).result(60)
        self.live.publish(found, self.exposition.render(found, self.live.meters))

    def guest(self, guest: Any = A) -> Assessment:
        return self.rig.fleet.guests[guest]

    def journal(self, guest: Any = A) -> list[Entry]:
        return self.rig.journal(guest, "evidence")

    async def post(
        self,
        sent: Any,
        sender: str = IDS,
        media: str = "application/json",
        path: str = "/v1/evidence",
        **headers: str,
    ) -> tuple[int, Any]:
        """What is answered."""
        shown = {"Authorization": f"Bearer {sender}", "Content-Type": media}
        body = sent if isinstance(sent, bytes) else orjson.dumps(sent)
        async with self.client.post(path, data=body, headers={**shown, **headers}) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json()

    async def taken(self, sent: Any, sender: str = IDS, **other: Any) -> list[str]:
        """How each report counts; none of them may be refused."""
        status, answer = await self.post(sent, sender, **other)
        assert status == 200, answer
        return [each["counts"] for each in answer["reports"]]

    async def refused(self, sent: Any, status: int, words: str, sender: str = IDS) -> None:
        """The answer is this problem."""
        got, answer = await self.post(sent, sender)
        assert (got, words in answer["detail"]) == (status, True), answer


@pytest.fixture
async def reporting(tmp_path: Path) -> AsyncIterator[Reporting]:
    """Three guests that are trusted, and three senders."""
    guests = [web(0), web(1), web(2)]
    rig = Rig(tmp_path / "rig", guests, policy=POLICY)
    callers = [
        {
            "name": name,
            "token": hashlib.sha256(name.encode()).hexdigest(),
            "dialects": ["evidence"],
        }
        for name in (IDS, VERIFIER, LIMITED, "unlisted")
    ]
    callers.append({"name": "asks-only", "user": os.getuid(), "dialects": ["authzen"]})
    settings = DecisionSettings.model_validate({"callers": callers})
    features = rig.plugins.features
    live = Live(features, Meters("1.2.3"), version="1.2.3")
    leases = Leases(NOWHERE)
    async with AsyncExitStack() as stack:
        line = stack.enter_context(ThreadPoolExecutor(1))
        path = tmp_path / "trustd.sock"
        made = Reporting(rig, live, Exposition(features), path, settings, leases, stack, line)
        made.tick(10)
        await made.serve()
        assert set(rig.bands().values()) == {"trusted"}
        yield made
        await made.end()
    leases.close()
    rig.stop()
