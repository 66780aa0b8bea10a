"""Long looks into the repository keep nobody waiting who asks for something else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.api.fleets import FEATURES, assessed, fleet, guest_id
from trustd.api import Live, serve
from trustd.api.audit import AUDITOR
from trustd.api.gates import GATEKEEPING
from trustd.api.history import HISTORIAN
from trustd.api.incidents import INCIDENTS
from trustd.api.office import Duty
from trustd.api.peer import Peer
from trustd.api.reading import READERS
from trustd.metrics import Exposition, Meters


class Slow:
    """Whoever keeps what is asked for, and takes as long as the test wants."""

    def __init__(self, *, operates: bool = True) -> None:
        self.go_on = threading.Event()
        self.asked = threading.Semaphore(0)
        self.looks: list[object] = []
        self._operates = operates

    def storage(self) -> dict[str, str]:
        return self._look("storage")

    def verify(self) -> dict[str, str]:
        return self._look("verify")

    def state(self, until: float) -> dict[str, str]:
        return self._look(until)

    def then(self, guest: str, _: float) -> dict[str, str]:
        return self._look(guest)

    def why_then(self, guest: str, *_: object) -> dict[str, str]:
        return self._look(guest)

    def decisions(self, **_: object) -> dict[str, str]:
        return self._look("decisions")

    def difference(self, text: str, _: str) -> dict[str, str]:
        return self._look(text)

    def gates(self) -> dict[str, str]:
        return self._look("gates")

    def listed(self, **_: object) -> dict[str, str]:
        return self._look("incidents")

    def shown(self, number: int) -> dict[str, str]:
        return self._look(number)

    def may_change(self, _: Peer, __: object, duty: Duty) -> bool:
        return self._operates and duty is Duty.OPERATE

    def refused(self, *_: object) -> None:
        self.looks.append("refused")

    def _look(self, what: object) -> dict[str, str]:
        self.looks.append(what)
        self.asked.release()
        self.go_on.wait(120)
        return {"kinds": "none"}

    def mount(self, app: web.Application) -> None:
        app[HISTORIAN] = self  # type: ignore[misc]  # as much of one as is asked for
        app[AUDITOR] = self  # type: ignore[misc]  # likewise
        app[GATEKEEPING] = self  # type: ignore[misc]  # likewise
        app[INCIDENTS] = self  # type: ignore[misc]  # likewise

    async def was_asked(self) -> None:
        assert await asyncio.to_thread(self.asked.acquire, timeout=60)


@asynccontextmanager
async def asking(slow: Slow, path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of whoever is slow; who waits is let go at the end."""
    live, known = Live(FEATURES, Meters("1"), version="1"), fleet(assessed())
    live.publish(known, Exposition(FEATURES).render(known, live.meters))
    office: Any = slow
    async with serve(live, path, None, office=office, mounts=[slow.mount]):
        connector = aiohttp.UnixConnector(str(path), limit=0)
        async with aiohttp.ClientSession("http://trustd", connector=connector) as client:
            try:
                yield client
            finally:
                slow.go_on.set()


async def status(client: aiohttp.ClientSession, path: str) -> int:
    async with client.get(path) as answer:
        return answer.status


async def compared(client: aiohttp.ClientSession, text: str) -> tuple[int, str | None]:
    """What comparing a policy is answered with, and when to come again."""
    proposal = {"text": text, "path": "new.yaml"}
    async with client.post("/v1/policy/difference", json=proposal) as answer:
        return answer.status, answer.headers.get("Retry-After")


THEN = f"/v1/guests/{guest_id(1)}/then?at=1"
WHY = f"/v1/guests/{guest_id(1)}/why?action=read&type=volume&id=x&at=1"


INCIDENT_LISTS = ["/v1/incidents", "/v1/incidents?state=all", "/v1/incidents/1"]


@pytest.mark.parametrize("path", [THEN, WHY, "/v1/decisions", "/v1/gates", *INCIDENT_LISTS])
async def test_office_reads_with_readers(tmp_path: Path, path: str) -> None:
    """However many ask what was once and what was decided, the loop's own threads stay free."""
    slow = Slow()
    async with asking(slow, tmp_path / "trustd.sock") as client:
        looks = [asyncio.create_task(status(client, path)) for _ in range(64)]
        for _ in range(READERS):
            await slow.was_asked()
        entering = [asyncio.to_thread(threading.get_ident) for _ in range(40)]
        assert len(await asyncio.wait_for(asyncio.gather(*entering), 60)) == 40
        slow.go_on.set()
        assert set(await asyncio.gather(*looks)) == {200}


async def test_one_policy_is_compared_at_a_time(tmp_path: Path) -> None:
    """Who compares another meanwhile is told when to come again, also where the first asker has
    hung up; readers and the loop's threads go on."""
    slow = Slow()
    async with asking(slow, tmp_path / "trustd.sock") as client:
        first = asyncio.create_task(compared(client, "a"))
        await slow.was_asked()
        first.cancel()
        more = await asyncio.gather(*(compared(client, each) for each in "abcdefgh"))
        assert set(more) == {(429, "1")}
        assert slow.looks == ["a"]
        # the reader may have ended, and the loop not have heard of it yet
        slow.go_on.set()
        async with asyncio.timeout(60):
            while (await compared(client, "b"))[0] == 429:
                pass
        assert slow.looks == ["a", "b"]


async def test_policies_are_compared_for_operators_only(tmp_path: Path) -> None:
    """Whoever may not end what ends by itself costs the daemon no policy, and is journalled."""
    slow = Slow(operates=False)
    async with asking(slow, tmp_path / "trustd.sock") as client:
        assert await compared(client, "a") == (403, None)
        assert slow.looks == ["refused"]


async def test_verification_under_way_is_shared(tmp_path: Path) -> None:
    """However many have the trail checked, and hang up, one reader does it, and others are free for
    who reads something else; whoever waits is told what it found."""
    slow = Slow()
    async with asking(slow, tmp_path / "trustd.sock") as client:
        gone = [asyncio.create_task(status(client, "/v1/audit/verify")) for _ in range(8)]
        await slow.was_asked()
        for each in gone:
            each.cancel()
        stay = [asyncio.create_task(status(client, "/v1/audit/verify")) for _ in range(8)]
        read = asyncio.create_task(status(client, "/v1/storage"))
        await slow.was_asked()
        assert slow.looks == ["verify", "storage"]
        slow.go_on.set()
        assert {await read, *await asyncio.gather(*stay)} == {200}
        assert slow.looks == ["verify", "storage"]
        assert await status(client, "/v1/audit/verify") == 200
        assert slow.looks[2:] == ["verify"]


async def test_replays_have_one_reader(tmp_path: Path) -> None:
    """Replays up to the same time are one; up to other times they follow each other."""
    slow = Slow()
    async with asking(slow, tmp_path / "trustd.sock") as client:
        ask = [
            asyncio.create_task(status(client, f"/v1/audit/state?at={at}"))
            for at in (1, 2, 3, 1, 2, 3)
        ]
        await slow.was_asked()
        read = asyncio.create_task(status(client, "/v1/storage"))
        await slow.was_asked()
        assert len(slow.looks) == 2
        slow.go_on.set()
        assert {await read, *await asyncio.gather(*ask)} == {200}
        assert sorted(each for each in slow.looks if each != "storage") == [1.0, 2.0, 3.0]


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
                assert await asyncio.to_thread(slow.asked.acquire, timeout=60)
            # more than the loop's pool has; each of them needs a thread of it
            entering = [asyncio.to_thread(threading.get_ident) for _ in range(40)]
            assert len(await asyncio.wait_for(asyncio.gather(*entering), 60)) == 40
            assert not slow.asked.acquire(blocking=False)
            slow.go_on.set()
            assert set(await asyncio.gather(*looks)) == {200}
