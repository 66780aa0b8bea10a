"""Requests that are wrong, and what every answer has in common."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

from tests.api.conftest import APART, Served, until
from tests.api.fleets import FEATURES, assessed, fleet
from trustd.api import Live, sending, serve
from trustd.api.problems import RequestProblem
from trustd.api.query import find, parse
from trustd.api.routes import ROUTES
from trustd.metrics import Meters


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("colour=red", "unknown parameter 'colour'; known are band"),
        ("band=best", "band cannot be 'best'; known are trusted"),
        ("sort=luck", "sort cannot be 'luck'"),
        ("limit=0", "an integer from 1 to 1000"),
        ("limit=1001", "an integer from 1 to 1000"),
        ("limit=ten", "an integer from 1 to 1000"),
        ("limit=%D9%A1", "an integer from 1 to 1000"),
        ("offset=-1", "an integer from 0"),
        ("limit=1&limit=2", "limit is given more than once"),
        ("label=:web", "label cannot be ':web'"),
        ("freshness=rotten", "known are fresh, partial, stale, idle"),
    ],
)
async def test_a_wrong_parameter_is_explained(served: Served, query: str, words: str) -> None:
    """400 as a problem document that says what is wrong and what would be right."""
    served.publish(fleet(assessed()))
    async with served.unix.get(URL(f"/v1/guests?{query}", encoded=True)) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"
        problem = await answer.json(content_type=None)
    assert words in problem["detail"]
    assert problem["status"] == 400


@given(
    path=st.text(max_size=60),
    query=st.dictionaries(
        st.sampled_from(["band", "label", "limit", "offset", "sort", "role"]) | st.text(max_size=5),
        st.text(max_size=20),
        max_size=3,
    ),
)
def test_any_address_is_found_or_refused(path: str, query: dict[str, str]) -> None:
    """Any path below /v1/guests and any query is data or a mistake of the caller's."""

    shown, answers = fleet(assessed()), set()
    for step in (lambda: parse(MultiDict(query), shown), lambda: find(shown, path)):
        try:
            step()
        except RequestProblem as problem:
            answers.add(problem.status)
    assert answers <= {400, 404}


async def test_hostile_paths_over_the_wire(served: Served) -> None:
    """What a client may put into an address gives 404 or 400, and the next request is served."""
    served.publish(fleet(assessed()))
    texts = ["..", "%00", "%ff%fe", "a%2fb", "%0d%0aX: y", "%E2%80%AE", "a" * 7000, "{guest}"]
    for text in texts:
        address = URL(f"http://trustd/v1/guests/{text}", encoded=True)
        async with served.unix.get(address) as answer:
            assert answer.status in {400, 404}, text
            assert "X" not in answer.headers
    async with served.unix.get("/v1/guests/web-1") as answer:
        assert answer.status == 200


async def test_get_and_head_are_served_and_nothing_else(served: Served) -> None:
    """HEAD has the headers of GET and no body; other methods are 405 and told what is allowed."""
    served.publish(fleet(assessed()))
    for route in [route for route in ROUTES if route not in APART]:
        path = route.path.replace("{guest}", "web-1")
        async with served.unix.head(path) as answer:
            assert answer.status == 200, path
            assert await answer.read() == b""
            media = answer.content_type
        if not route.endless:
            async with served.unix.get(path) as answer:
                assert (answer.status, answer.content_type) == (200, media)
        for method in ("POST", "DELETE", "OPTIONS"):
            async with served.unix.request(method, path) as answer:
                assert answer.status == 405, (method, path)
                assert answer.headers["Allow"] == "GET,HEAD"
                assert answer.content_type == "application/problem+json"


async def test_an_unknown_address_is_a_problem_document(served: Served) -> None:
    """404 that says where the addresses are listed."""
    async with served.unix.get("/v2/guests") as answer:
        assert answer.status == 404
        assert "/openapi.json" in (await answer.json(content_type=None))["detail"]


async def test_answers_are_counted_by_route(served: Served) -> None:
    """The label is the route's pattern, so that nobody fills memory with names or methods."""
    served.publish(fleet(assessed()))
    for path in ("/v1/guests/a", "/v1/guests/b", "/nowhere", "/else"):
        async with served.unix.get(path) as answer:
            assert answer.status == 404
    async with served.unix.request("PROPFIND", "/v1/guests") as answer:
        assert answer.status == 405
    count = served.live.meters.registry.get_sample_value
    name = "trustd_http_requests_total"
    guest = {"route": "/v1/guests/{guest}", "method": "GET", "code": "404"}
    assert count(name, guest) == 2
    assert count(name, {"route": "none", "method": "GET", "code": "404"}) == 2
    assert count(name, {"route": "none", "method": "other", "code": "405"}) == 1


async def test_metrics_come_as_the_scraper_asks(served: Served) -> None:
    """Plain or gzip, the same bytes, with the text format's content type."""
    served.publish(fleet(assessed()))
    async with served.tcp.get(
        "/metrics", headers={"Accept-Encoding": "gzip"}, auto_decompress=False
    ) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        squeezed = await answer.read()
    async with served.tcp.get("/metrics", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert await answer.read() == gzip.decompress(squeezed)


async def test_a_reader_that_never_reads_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large answer that nobody takes is given up, and meanwhile others are answered."""
    monkeypatch.setattr(sending, "PATIENCE", 0.2)
    served.publish(fleet(*(assessed("x" * 200, n) for n in range(3000))))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.setblocking(False)
        await loop.sock_connect(stuck, str(served.socket_path))
        await loop.sock_sendall(stuck, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        async with served.unix.get("/livez") as answer:
            assert answer.status == 200
        count = served.live.meters.registry.get_sample_value
        labels = {"route": "/metrics", "method": "GET", "code": "200"}
        await until(lambda: count("trustd_http_requests_total", labels) == 1)
        taken = 0
        async with asyncio.timeout(60):
            while True:
                try:
                    piece = await loop.sock_recv(stuck, 1 << 20)
                except ConnectionError:
                    break
                if not piece:
                    break
                taken += len(piece)
        assert 0 < taken < len(served.live.page.plain)


async def test_a_connection_that_asks_nothing_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a request does not hold a connection for ever."""
    monkeypatch.setattr(sys.modules["trustd.api.serve"], "_IDLE", 0.2)
    path = tmp_path / "trustd.sock"
    live = Live(FEATURES, Meters("1.2.3"), version="1.2.3")
    async with serve(live, path, None):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
