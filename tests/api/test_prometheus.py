"""A real Prometheus reads the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.conftest import Served
from tests.api.fleets import assessed, fleet, guest_id, narrowed

DEADLINE = 60
PORTS = 5
"""Tried one after the other, where somebody else is quicker."""
READY = b"Server is ready to receive web requests"
"""In its log; before that it answers 503."""
HOSTILE = 'a"b\\c\n{x="y"} 1 \x1b[2J\u202e'


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def prometheus(target: int, home: Path) -> AsyncIterator[str]:
    """Prometheus scraping a port of this machine; gives its address when it is ready."""
    config = home / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: trustd\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
    )
    log = home / "prometheus.log"
    for _ in range(PORTS):
        address = f"127.0.0.1:{free_port()}"
        with log.open("wb") as written:
            process = await asyncio.create_subprocess_exec(
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address={address}",
                stdout=written,
                stderr=written,
            )
        try:
            if await ready(process, log):
                yield f"http://{address}"
                return
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
        # somebody else may have taken the port between the look and the start
        assert b"address already in use" in log.read_bytes(), log.read_text()
    raise AssertionError(f"{PORTS} ports were taken one after the other")


async def ready(process: asyncio.subprocess.Process, log: Path) -> bool:
    """Whether it came to answer queries; not if it ended before.

    Its own word counts: on the port somebody else may answer, another Prometheus too.
    """
    async with asyncio.timeout(DEADLINE):
        while process.returncode is None:
            if READY in await asyncio.to_thread(log.read_bytes):
                return True
            await asyncio.sleep(0.1)
    return False


async def query(session: aiohttp.ClientSession, expression: str) -> list[dict[str, Any]]:
    """What an expression gives, as soon as it gives anything."""
    async with asyncio.timeout(DEADLINE):
        while True:
            async with session.get("/api/v1/query", params={"query": expression}) as answer:
                document = await answer.json()
            if document["status"] == "success" and document["data"]["result"]:
                result: list[dict[str, Any]] = document["data"]["result"]
                return result
            await asyncio.sleep(0.1)


@pytest.fixture
async def session(served: Served, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        prometheus(served.port, tmp_path) as address,
        aiohttp.ClientSession(address) as session,
    ):
        yield session


async def test_prometheus_scrapes_trust(served: Served, session: aiohttp.ClientSession) -> None:
    """The target is up, and trust joined with the guest's facts is what was published."""
    served.publish(fleet(assessed(HOSTILE), narrowed()))
    assert (await query(session, "up == 1"))[0]["metric"]["job"] == "trustd"
    joined = "trustd_guest_trust_ratio * on(uuid) group_left(guest) trustd_guest_info"
    found = {one["metric"]["uuid"]: one for one in await query(session, joined)}
    assert float(found[guest_id(2)]["value"][1]) == 0.27
    assert found[guest_id(2)]["metric"]["guest"] == "bad-1"
    shown = found[guest_id(1)]["metric"]["guest"]
    assert shown == 'a"b\\c\n{x="y"} 1 \\x1b[2J\\u202e'
    bands = await query(session, "sum by (band) (trustd_guest_band)")
    assert {one["metric"]["band"]: one["value"][1] for one in bands} == {
        "trusted": "1",
        "guarded": "0",
        "restricted": "1",
        "isolated": "0",
    }
    async with session.get("/api/v1/targets") as answer:
        (target,) = (await answer.json())["data"]["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
