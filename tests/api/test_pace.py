"""Who asks too fast is told when to come again, and keeps nobody else from being answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.api.fleets import FEATURES, assessed, fleet
from trustd.api import Live, serve
from trustd.api.pace import REGISTRAR, Buckets, Pace, paced
from trustd.metrics import Exposition, Meters

KNOWN = {"Authorization": "Bearer ids"}
PACE = Pace(tcp=10.0, user=20.0, decisions=5.0)


class Tokens:
    """Knows one caller, by one token."""

    def caller(self, request: web.Request) -> str | None:
        return "ids" if request.headers.get("Authorization") == "Bearer ids" else None


class Clients:
    def __init__(self, unix: aiohttp.ClientSession, tcp: aiohttp.ClientSession) -> None:
        self.unix, self.tcp = unix, tcp

    async def statuses(
        self, client: aiohttp.ClientSession, path: str, times: int, method: str = "GET", **more: str
    ) -> list[int]:
        found = []
        for _ in range(times):
            async with client.request(method, path, headers=more) as answer:
                found.append(answer.status)
        return found


@pytest.fixture
async def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clients]:
    # no bucket fills meanwhile: a busy machine asks no faster than one does
    monkeypatch.setattr("trustd.api.application.paced", partial(paced, clock=lambda: 0.0))

    def mount(app: web.Application) -> None:
        async def decide(_: web.Request) -> web.Response:
            return web.Response()

        app.router.add_get("/opa/v1/data/{path}", decide)
        app[REGISTRAR] = Tokens()

    meters = Meters("1.2.3")
    live = Live(FEATURES, meters, version="1.2.3")
    shown = fleet(assessed())
    live.publish(shown, Exposition(FEATURES).render(shown, meters))
    path = tmp_path / "trustd.sock"
    async with serve(live, path, ("127.0.0.1", 0), mounts=[mount], pace=PACE) as listening:
        assert listening.tcp is not None
        async with (
            aiohttp.ClientSession(
                "http://trustd", connector=aiohttp.UnixConnector(str(path))
            ) as unix,
            aiohttp.ClientSession(f"http://127.0.0.1:{listening.tcp[1]}") as tcp,
        ):
            yield Clients(unix, tcp)


async def test_fast_asker_over_tcp_is_told_when_to_come_again(clients: Clients) -> None:
    """Above the pace the answer is 429 with Retry-After and a reason; the unix socket does not
    notice, nor does whoever asks whether the daemon lives."""
    found = await clients.statuses(clients.tcp, "/v1/guests", 60)
    assert found[:20] == [200] * 20, "twice the pace at once"
    assert 429 in found
    async with clients.tcp.get("/v1/guests") as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.content_type == "application/problem+json"
        assert "ask again" in (await answer.json())["detail"]
    assert await clients.statuses(clients.unix, "/v1/guests", 5) == [200] * 5
    assert await clients.statuses(clients.tcp, "/livez", 30) == [200] * 30


async def test_unix_socket_has_a_bucket_a_user_and_none_for_decisions(clients: Clients) -> None:
    """A user's script is slowed down; questions for decisions, and admission, are not."""
    assert 429 in await clients.statuses(clients.unix, "/v1/guests", 150)
    assert await clients.statuses(clients.unix, "/opa/v1/data/x", 100) == [200] * 100
    assert await clients.statuses(clients.unix, "/readyz", 100) != [429] * 100


async def test_decisions_over_tcp_have_a_bucket_of_their_own(clients: Clients) -> None:
    """Questions for decisions leave the page and Prometheus theirs, and the other way round."""
    assert 429 in await clients.statuses(clients.tcp, "/opa/v1/data/x", 40)
    assert await clients.statuses(clients.tcp, "/metrics", 10) == [200] * 10


async def test_api_that_is_asked_without_end_leaves_prometheus_and_the_page_theirs(
    clients: Clients,
) -> None:
    """A local user can empty the bucket of the API, and the scrape and the page are answered."""
    assert 429 in await clients.statuses(clients.tcp, "/v1/guests", 60)
    for path in ("/metrics", "/"):
        assert await clients.statuses(clients.tcp, path, 15) == [200] * 15
        assert 429 in await clients.statuses(clients.tcp, path, 40)


async def test_nobody_without_a_token_silences_a_caller_that_has_one(clients: Clients) -> None:
    """The buckets of all others are empty, whatever they ask and whatever token they guess, and a
    caller whose token is known is answered at its own pace."""
    for path, method in (
        ("/v1/guests", "GET"),
        ("/opa/v1/data/x", "GET"),
        ("/v1/evidence", "POST"),
    ):
        found = await clients.statuses(clients.tcp, path, 60, method, Authorization="Bearer guess")
        assert 429 in found
    assert await clients.statuses(clients.tcp, "/opa/v1/data/x", 8, **KNOWN) == [200] * 8
    heard = await clients.statuses(clients.tcp, "/v1/evidence", 15, "POST", **KNOWN)
    assert heard == [503] * 15, "this daemon hears nobody, and says so"
    assert 429 in await clients.statuses(clients.tcp, "/v1/evidence", 40, "POST", **KNOWN)


async def test_reports_over_tcp_are_apart_from_what_is_read(clients: Clients) -> None:
    """Who reads the API without end leaves reports theirs."""
    assert 429 in await clients.statuses(clients.tcp, "/v1/evidence", 60)
    assert await clients.statuses(clients.tcp, "/v1/evidence", 15, "POST") == [503] * 15


async def test_path_that_looks_like_a_decision_is_none(clients: Clients) -> None:
    """Only an address that is served as a decision counts as one."""
    assert 429 in await clients.statuses(clients.unix, "/opa/../v1/guests", 150)


def test_bucket_fills_as_time_passes() -> None:
    """The long run is the pace, whatever came before; each key by itself, and they are bounded."""
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    answered = 0
    for step in range(1000):
        now[0] = step / 100
        answered += buckets.take(1, 10.0) == 0.0
    assert 100 <= answered <= 121
    assert buckets.take(2, 10.0) == 0.0
    for key in range(5000):
        buckets.take(key, 10.0)
    assert len(buckets._left) <= 1024
