"""Explanation and feedback over real sockets, over a line that really scores."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
from pydantic import TypeAdapter

from tests.api.conftest import Served
from tests.api.fleets import assessed, fleet
from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN
from tests.pipeline.scripted import TOO_MUCH, Rig, guest_id, web
from trustd.api import Live, serve
from trustd.api.feedback_shapes import AcknowledgedDoc
from trustd.api.shapes import Explanation
from trustd.daemon.between import Between
from trustd.daemon.feedback import Feedback
from trustd.metrics import Exposition, Meters

A = guest_id(0)
HOSTILE = "x\x1b[2J\u202e</script>"
ASK = "/v1/guests/{}/acknowledge"


@dataclass
class Scored:
    """A line over a scripted hypervisor, its thread, and clients of its API."""

    rig: Rig
    live: Live
    line: ThreadPoolExecutor
    unix: aiohttp.ClientSession
    tcp: aiohttp.ClientSession
    exposition: Exposition
    between: Between

    def tick(self) -> None:
        found = self.line.submit(self.rig.tick).result(20)
        self.live.publish(found, self.exposition.render(found, self.live.meters))

    async def explain(self, name: str = A) -> Any:
        async with self.unix.get(f"/v1/guests/{name}/explain") as answer:
            assert answer.status == 200
            return await answer.json()


@pytest.fixture
async def scored(tmp_path) -> AsyncIterator[Scored]:
    """Three guests; the first has left its envelope, and its name is hostile."""
    rig = Rig(tmp_path / "rig", [web(0, name=HOSTILE), web(1), web(2)])
    features = rig.plugins.features
    live = Live(features, Meters("1.2.3"), version="1.2.3")
    between = Between(within=20.0)
    path = tmp_path / "trustd.sock"
    with ThreadPoolExecutor(1) as line:
        between.begin(line.submit)
        mounts = [Feedback(rig.line, between).mount]
        async with serve(live, path, ("127.0.0.1", 0), mounts=mounts) as listening:
            assert listening.tcp is not None
            connector = aiohttp.UnixConnector(str(path))
            async with (
                aiohttp.ClientSession("http://trustd", connector=connector) as unix,
                aiohttp.ClientSession(f"http://127.0.0.1:{listening.tcp[1]}") as tcp,
            ):
                made = Scored(rig, live, line, unix, tcp, Exposition(features), between)
                for _ in range(8):
                    made.tick()
                rig.hypervisor.writes[A] = TOO_MUCH
                made.tick()
                yield made
    rig.stop()


async def test_explanation_has_the_engines_own_terms(scored: Scored) -> None:
    """Every signal with its unit, every open finding with its ceiling, what restores trust and
    when; the keys that were there before say the same as ever."""
    why = await scored.explain()
    standing = why["standing"]
    (found,) = standing["findings"]
    assert "disk.write.bytes" in found["summary"]
    assert (found["severity"], found["ceiling"]) == ("major", 0.35)
    assert standing["ceiling"] == 0.35
    assert standing["trust"] == pytest.approx(why["trust"])
    assert {term["signal"] for term in standing["terms"]} == {
        feature.name for feature in scored.rig.plugins.features
    }
    assert standing["restore"]
    assert standing["earliest"] > why["at"]
    assert why["name"] == HOSTILE
    assert [each["kind"] for each in why["findings"]] == [found["kind"]]
    read = TypeAdapter(Explanation).validate_python(why)
    assert orjson.loads(orjson.dumps(read)) == why


async def test_clean_guest_has_nothing_to_restore(scored: Scored) -> None:
    """Of a guest against which nothing is held, no term has a share."""
    standing = (await scored.explain(guest_id(1)))["standing"]
    assert not any(term["share"] for term in standing["terms"])
    assert (standing["findings"], standing["restore"], standing["ceiling"]) == ([], [], 1.0)


async def test_line_that_is_busy_leaves_the_last_ticks_words(scored: Scored) -> None:
    """While a tick hangs the explanation is the last tick's, with no standing, in bounded time."""
    scored.between._within = 0.2
    hang = threading.Event()
    tick = scored.line.submit(hang.wait, 20)
    why = await scored.explain()
    assert not tick.done()
    scored.between._within = 20.0
    hang.set()
    assert why["standing"] is None
    assert why["drivers"]
    assert (await scored.explain())["standing"] is not None


async def test_without_an_engine_the_last_tick_is_told(served: Served) -> None:
    """An API that serves no line explains by what was published."""
    served.publish(fleet(assessed()))
    async with served.unix.get("/v1/guests/web-1/explain") as answer:
        assert (await answer.json())["standing"] is None


async def test_nobody_acknowledges_over_tcp_or_without_an_office(scored: Scored) -> None:
    """A word is for an API that knows who may change something."""
    for client in (scored.tcp, scored.unix):
        async with client.post(ASK.format(A), json={"verdict": "benign"}) as answer:
            assert answer.status == 503
    assert (await scored.explain())["trust"] < 0.5


def test_who_may_not_and_what_is_wrong_is_refused(tmp_path) -> None:
    """A whole daemon: over TCP 403, journalled; a wrong word 400 with what is wrong; a guest that
    is not there 404."""
    with Running(tmp_path, AUTHZEN.read_text("utf-8")) as daemon:
        assert daemon.tcp().post(ASK.format("x"), {"verdict": "benign"}).status == 403
        for body, words in (
            ({"verdict": "fine"}, "verdict"),
            ({"reason": "x"}, "verdict"),
            ({"verdict": "attack", "reason": "a\x1b[2J"}, "reason"),
            ({"verdict": "attack", "reason": "a" * 1025}, "reason"),
            ({"verdict": "attack", "more": 1}, "more"),
        ):
            answer = daemon.client().post(ASK.format("x"), body)
            assert (answer.status, words in answer.document["detail"]) == (400, True), body
        assert daemon.client().post(ASK.format("x"), {"verdict": "benign"}).status == 404
        daemon.stop()
    with closing(sqlite3.connect(tmp_path / "state/trustd.db")) as connection:
        found = connection.execute("SELECT document FROM transition WHERE kind = 'refused'")
        (refused,) = [orjson.loads(row[0]) for row in found]
    assert (refused["uid"], refused["path"]) == (None, ASK.format("x"))


def test_answer_is_the_shape_that_is_described() -> None:
    """Trust that there was none of is null."""
    made = AcknowledgedDoc("a", "b", "benign", "", 1.0, float("nan"), 0.5, ())
    assert orjson.loads(orjson.dumps(made))["before"] is None
