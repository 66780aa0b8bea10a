"""Server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
from aiohttp import ClientResponse

from tests.api.conftest import Served, until
from tests.api.fleets import assessed, fleet, guest_id, narrowed
from trustd.api.changes import compare
from trustd.api.incident_shapes import IncidentEvent, IncidentEvents
from trustd.api.shapes import TickEvent
from trustd.model import Assessment, Fleet, Freshness, OutcomeStatus

DEADLINE = 60


@dataclass
class Event:
    id: str
    kind: str
    data: dict[str, Any]


async def events(answer: ClientResponse) -> AsyncIterator[Event]:
    """The events of an open stream, one by one."""
    fields: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if line:
            key, _, value = line.partition(": ")
            fields[key] = value
        elif "data" in fields:
            yield Event(fields.get("id", ""), fields["event"], orjson.loads(fields["data"]))
            fields = {}
        else:
            fields = {}


def at_tick(number: int, *guests: Assessment) -> Fleet:
    return fleet(*guests, tick=number)


async def streams(served: Served, number: int, within: float = 20) -> None:
    """Wait until so many streams are open."""
    await until(lambda: len(served.live.hub) == number, within)


async def hung_up(connection: socket.socket) -> None:
    """Wait until the other end has closed a connection."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE):
        with contextlib.suppress(ConnectionError):
            while await loop.sock_recv(connection, 1 << 20):
                pass


async def test_each_tick_tells_what_it_changed(served: Served) -> None:
    """A fall into another band, a new guest and one that left, and nothing of the others."""
    served.publish(at_tick(1, assessed("a", 1), assessed("b", 2), assessed("gone", 3)))
    async with served.unix.get("/v1/events") as answer:
        stream = events(answer)
        assert (await anext(stream)).data["tick"] == 1
        served.publish(at_tick(2, assessed("a", 1), narrowed("b", 2), assessed("new", 4)))
        event = await anext(stream)
    assert event.kind == "tick"
    assert event.data["tick"] == 2
    assert event.data["gone"] == [guest_id(3)]
    fallen, new = event.data["changed"]
    assert (fallen["name"], fallen["band"], fallen["was"]["band"]) == ("b", "restricted", "trusted")
    assert fallen["actions"] == [
        "disk-throttle vda applied",
        "nic-link 52:54:00:00:00:01 failed",
    ]
    assert (new["name"], new["was"]) == ("new", None)


async def test_freshness_and_state_are_changes_and_a_lasting_action_is_none(served: Served) -> None:
    """Unknown shows at once; applied that becomes held is still the same action."""
    bad = narrowed()
    bad = replace(bad, outcomes=bad.outcomes[:1])
    held = replace(bad, outcomes=(replace(bad.outcomes[0], status=OutcomeStatus.HELD),))
    served.publish(at_tick(1, assessed(), bad))
    async with served.unix.get("/v1/events") as answer:
        stream = events(answer)
        await anext(stream)
        served.publish(at_tick(2, assessed(freshness=Freshness.PARTIAL), held))
        event = await anext(stream)
    (change,) = event.data["changed"]
    assert (change["id"], change["was"]) == (guest_id(1), {"freshness": "fresh"})


async def test_a_reader_that_comes_back_misses_nothing(served: Served) -> None:
    """With the identity of the last event it gets all that followed, in order."""
    served.publish(at_tick(1, assessed()))
    async with served.unix.get("/v1/events") as answer:
        last = (await anext(events(answer))).id
    for tick in (2, 3, 4):
        served.publish(at_tick(tick, assessed()))
    async with served.unix.get("/v1/events", headers={"Last-Event-ID": last}) as answer:
        stream = events(answer)
        assert [(await anext(stream)).data["tick"] for _ in range(3)] == [2, 3, 4]


async def test_a_reader_from_another_run_is_told_to_begin_anew(served: Served) -> None:
    """An identity that is not known gives a reset, then the last tick."""
    served.publish(at_tick(5, assessed()))
    async with served.unix.get("/v1/events", headers={"Last-Event-ID": "beef-5"}) as answer:
        stream = events(answer)
        assert (await anext(stream)).kind == "reset"
        assert (await anext(stream)).data["tick"] == 5


async def test_what_is_kept_for_readers_that_come_back_is_bounded(served: Served) -> None:
    """After very many ticks the first event is forgotten, not kept in memory."""
    served.publish(at_tick(1, assessed()))
    async with served.unix.get("/v1/events") as answer:
        first = (await anext(events(answer))).id
    for tick in range(2, 400):
        served.live.hub.publish(_event(served, tick))
    async with served.unix.get("/v1/events", headers={"Last-Event-ID": first}) as answer:
        assert (await anext(events(answer))).kind == "reset"


def _event(served: Served, tick: int) -> TickEvent:
    return compare(served.live.fleet, replace(served.live.fleet, tick=tick))


async def test_a_reader_that_takes_nothing_is_dropped_and_the_others_are_not(
    served: Served,
) -> None:
    """A stuck client costs a bounded amount, loses its connection and is counted."""
    big = [assessed("x" * 200, number) for number in range(300)]
    flipped = [replace(guest, freshness=Freshness.PARTIAL) for guest in big]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(stuck, str(served.socket_path))
        await loop.sock_sendall(stuck, b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await streams(served, 1)
        async with served.unix.get("/v1/events") as answer:
            await streams(served, 2)
            stream = events(answer)
            async with asyncio.timeout(DEADLINE):
                tick = 0
                while len(served.live.hub) == 2:
                    tick += 1
                    assert tick < 1000
                    served.publish(at_tick(tick, *(flipped if tick % 2 else big)))
                    assert (await anext(stream)).data["tick"] == tick
                served.publish(at_tick(tick + 1, assessed()))
                assert (await anext(stream)).data["tick"] == tick + 1
        await hung_up(stuck)
    dropped = served.live.meters.registry.get_sample_value("trustd_event_streams_dropped_total")
    assert dropped == 1


async def test_a_reader_that_leaves_is_forgotten(served: Served) -> None:
    """A closed connection frees its place without waiting for a tick."""
    served.publish(at_tick(1, assessed()))
    async with served.unix.get("/v1/events") as answer:
        await anext(events(answer))
        await streams(served, 1)
        answer.close()
    # Well before the comment that fills silence would find out.
    await streams(served, 0, within=5)


async def test_there_is_an_end_to_how_many_streams_there_are(served: Served) -> None:
    """The reader beyond the limit is told to come again later."""
    answers = [await served.unix.get("/v1/events") for _ in range(64)]
    async with served.unix.get("/v1/events") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "10"
    for each in answers:
        each.close()
    await streams(served, 0)


async def test_silence_is_filled(served: Served) -> None:
    """A stream without events sends comments, so that a dead connection is noticed."""
    with served.live.hub.open(None, lambda: None) as stream:
        messages = stream.messages(0.01)
        assert await anext(messages) == b": keepalive\n\n"


def news(number: int) -> IncidentEvents:
    made = IncidentEvent(number, guest_id(1), "web-1", 5.0, "opened", "x", "major", "open", "")
    return IncidentEvents([made], 0)


async def test_incidents_are_told_to_readers_on_the_socket_only(served: Served) -> None:
    """What becomes of one goes to every reader there, at once or later; loopback hears of none."""
    served.publish(at_tick(1, assessed()))
    async with (
        served.unix.get("/v1/events") as local,
        served.tcp.get("/v1/events") as loopback,
    ):
        first, second = events(local), events(loopback)
        last = (await anext(first)).id
        await anext(second)
        served.live.hub.tell(news(7))
        served.publish(at_tick(2, assessed()))
        told = await anext(first)
        assert (told.kind, told.data["incidents"][0]["number"]) == ("incidents", 7)
        assert (await anext(first)).kind == "tick"
        assert (await anext(second)).data["tick"] == 2
    again = {"Last-Event-ID": last}
    async with served.unix.get("/v1/events", headers=again) as answer:
        stream = events(answer)
        assert [(await anext(stream)).kind for _ in range(2)] == ["incidents", "tick"]
    async with served.tcp.get("/v1/events", headers=again) as answer:
        assert (await anext(events(answer))).data["tick"] == 2
    served.live.hub.tell(news(8))
    async with served.unix.get("/v1/events") as answer:
        assert (await anext(events(answer))).kind == "tick"
