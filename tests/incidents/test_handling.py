"""Incidents over real sockets and by the command line, over a line that really judges."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import TypeAdapter

from tests.api.test_overrides import HOSTILE, Porter
from tests.incidents.conftest import POLICY, A
from tests.pipeline.scripted import TOO_MUCH, Rig, web
from trustd.api import Live, serve
from trustd.api.incident_shapes import IncidentDoc, IncidentEvents, IncidentList
from trustd.daemon.between import Between
from trustd.daemon.incidents import Handling
from trustd.metrics import Exposition, Meters
from trustd.repository import IncidentStore, RulingLog, RulingRecord

ONE = "/v1/incidents/1"


@dataclass
class Handled:
    """Three guests, of which the first has a hostile name; and the API over them."""

    rig: Rig
    live: Live
    handling: Handling
    line: ThreadPoolExecutor
    unix: aiohttp.ClientSession
    tcp: aiohttp.ClientSession
    porter: Porter
    path: Path

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            fleet = self.line.submit(self.rig.tick).result(20)
            policy = self.rig.line._stages.narrowing.policy
            self.line.submit(self.handling.step, fleet, policy).result(20)
            self.live.meters.observe(fleet)
            page = Exposition(self.rig.plugins.features).render(fleet, self.live.meters)
            self.live.publish(fleet, page)

    def fall(self) -> None:
        self.rig.hypervisor.writes[A] = TOO_MUCH
        self.tick(2)
        self.rig.land()

    def recover(self) -> None:
        del self.rig.hypervisor.writes[A]
        while self.rig.bands()[HOSTILE] != "trusted":
            self.tick()
        self.rig.land()

    async def ask(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        async with self.unix.request("GET" if body is None else "POST", path, json=body) as answer:
            found = await answer.json()
            assert answer.status == status, found
            return found

    async def trustctl(self, *args: str, code: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "trustd.ctl", "--socket", str(self.path), *args),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == code, (out.decode(), err.decode())
        return out.decode()


@pytest.fixture
async def handled(tmp_path, monkeypatch) -> AsyncIterator[Handled]:
    rig = Rig(tmp_path / "rig", [web(0, name=HOSTILE), web(1), web(2)], policy=POLICY)
    monkeypatch.setattr("trustd.daemon.incidents.time.time", lambda: rig.hypervisor.at)
    live = Live(rig.plugins.features, Meters("1.2.3"), version="1.2.3", on_stop="restore")
    between, porter, path = Between(within=20.0), Porter(), tmp_path / "trustd.sock"
    handling = Handling(
        IncidentStore(rig.database),
        RulingLog(rig.database, 1000),
        between,
        live.meters.incidents,
        lambda: rig.fleet.bands,
    )
    with ThreadPoolExecutor(1) as line:
        between.begin(line.submit)
        async with serve(
            live, path, ("127.0.0.1", 0), office=porter, mounts=[handling.mount]
        ) as listening:
            assert listening.tcp is not None
            connector = aiohttp.UnixConnector(str(path))
            async with (
                aiohttp.ClientSession("http://trustd", connector=connector) as unix,
                aiohttp.ClientSession(f"http://127.0.0.1:{listening.tcp[1]}") as tcp,
            ):
                made = Handled(rig, live, handling, line, unix, tcp, porter, path)
                made.tick(8)
                yield made
    rig.stop()


async def test_what_becomes_of_incidents_is_told_at_once(
    handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tick's news are one message, and so is an act; of very many the rest is counted."""
    told: list[IncidentEvents] = []
    handled.handling.listen(told.append)
    handled.fall()
    (opened,) = [each for message in told for each in message.incidents if each.act == "opened"]
    assert (opened.number, opened.guest, opened.severity) == (1, A, "major")
    told.clear()
    await handled.trustctl("incident", "1", "ack")
    assert [[each.act for each in message.incidents] for message in told] == [["ack"]]
    assert told[0].incidents[0].by
    monkeypatch.setattr("trustd.daemon.incidents.MOST_EVENTS", 0)
    told.clear()
    await handled.trustctl("incident", "1", "comment", "x")
    assert [(len(message.incidents), message.left_out) for message in told] == [(0, 1)]


async def test_walked_through_by_the_command_line(handled: Handled) -> None:
    """From opening to report by trustctl alone, and each step shows what was done."""
    assert await handled.trustctl("incidents") == ""
    handled.fall()
    (line,) = (await handled.trustctl("incidents")).splitlines()
    assert line.split("\t")[:3] == ["1", "major", "open"]
    shown = await handled.trustctl("incident", "1", "-o", "table")
    for words in ("disk.write.bytes", "write on volume", "trustctl incident 1 ack", "due in"):
        assert words in shown
    assert f"trustctl explain {A}" in shown
    await handled.trustctl("incident", "1", "ack")
    await handled.trustctl("incident", "1", "assign", "grace")
    await handled.trustctl("incident", "1", "comment", "looks like a backup")
    handled.recover()
    (line,) = (await handled.trustctl("incidents")).splitlines()
    assert line.split("\t")[2] == "recovered"
    done = await handled.trustctl(
        "incident", "1", "resolve", "maintenance", "--reason", "a backup", "-o", "table"
    )
    assert f"trustctl ack {A} benign" in done
    assert await handled.trustctl("incidents") == ""
    assert "maintenance" in await handled.trustctl("incidents", "--all")
    for form in ("md", "html"):
        report = await handled.trustctl("incident", "1", "report", "--format", form)
        for words in ("grace", "a backup", "maintenance", A):
            assert words in report
    assert "<svg" in report


async def test_documents_are_as_described(handled: Handled) -> None:
    """List and incident have their shapes, the timeline is in order and has the record's lines and
    the journal's, and answers to others are counted, refusals first."""
    handled.fall()
    at = handled.rig.hypervisor.at
    record = RulingRecord(
        at, "", "authzen", "guest", A, "read", "volume", "/x", True, "permit", "b", "enforce", "p"
    )
    denied = record._replace(permit=False, reason="band-cap", action="write")
    old = denied._replace(at=at - 1000)
    RulingLog(handled.rig.database, 1000).append([old, record, denied, denied]).result(60)
    TypeAdapter(IncidentList).validate_python(await handled.ask("/v1/incidents"))
    found = await handled.ask(ONE)
    TypeAdapter(IncidentDoc).validate_python(found)
    assert [each["at"] for each in found["timeline"]] == sorted(
        each["at"] for each in found["timeline"]
    )
    assert {"opened", "evidence", "band", "action"} <= {each["kind"] for each in found["timeline"]}
    assert [(each["permit"], each["times"]) for each in found["rulings"]] == [(False, 2), (True, 1)]
    assert any("did not come about" in each["text"] for each in found["recommended"])


async def test_figures_follow(handled: Handled) -> None:
    """The metrics have the open ones by severity, and those that are overdue."""
    assert b'trustd_incidents_open{severity="major"} 0.0' in handled.live.page.plain
    handled.fall()
    assert b'trustd_incidents_open{severity="major"} 1.0' in handled.live.page.plain
    handled.tick(40)
    assert b"trustd_incidents_overdue 1.0" in handled.live.page.plain
    assert "OVERDUE" in await handled.trustctl("incidents", "-o", "table")
    await handled.ask(ONE, {"act": "ack"})
    handled.tick()
    assert b"trustd_incidents_overdue 0.0" in handled.live.page.plain
    await handled.ask(ONE, {"act": "resolve", "conclusion": "fault"})
    handled.tick()
    assert b'trustd_incidents_open{severity="major"} 0.0' in handled.live.page.plain


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (ONE, {"act": "close"}, 400),
        (ONE, {"act": "assign"}, 400),
        (ONE, {"act": "comment", "text": " "}, 400),
        (ONE, {"act": "comment", "text": HOSTILE}, 400),
        (ONE, {"act": "comment", "text": "x" * 1025}, 400),
        (ONE, {"act": "ack", "text": "x"}, 400),
        (ONE, {"act": "ack", "conclusion": "attack"}, 400),
        (ONE, {"act": "resolve"}, 400),
        (ONE, {"act": "resolve", "conclusion": "none"}, 400),
        ("/v1/incidents/2", {"act": "ack"}, 404),
        ("/v1/incidents/-1", {"act": "ack"}, 404),
        (f"/v1/incidents/{'9' * 30}", None, 404),
        ("/v1/incidents?state=some", None, 400),
        ("/v1/incidents?limit=0", None, 400),
        ("/v1/incidents?other=0", None, 400),
    ],
)
async def test_what_makes_no_sense_is_refused(handled: Handled, path, body, status) -> None:
    """A clear refusal, and the incident is as it was."""
    handled.fall()
    before = handled.handling._incidents.standing[1]
    await handled.ask(path, body, status=status)
    assert handled.handling._incidents.standing[1] == before


async def test_resolved_takes_no_second_conclusion(handled: Handled) -> None:
    """409, and the first one stands."""
    handled.fall()
    await handled.ask(ONE, {"act": "resolve", "conclusion": "attack", "text": "sure"})
    await handled.ask(ONE, {"act": "resolve", "conclusion": "fault"}, status=409)
    assert (await handled.ask(ONE))["summary"]["conclusion"] == "attack"


async def test_whoever_may_not_changes_nothing(handled: Handled) -> None:
    """Another user, and anybody over TCP, is 403 and handed on to be journalled; over TCP nothing
    is told either."""
    handled.fall()
    handled.porter.allowed = False
    await handled.ask(ONE, {"act": "ack"}, status=403)
    assert handled.porter.refusals == [{"method": "POST", "path": ONE}]
    handled.porter.allowed = True
    for method, path in (("GET", "/v1/incidents"), ("GET", ONE), ("POST", ONE)):
        async with handled.tcp.request(method, path, json={"act": "ack"}) as answer:
            assert answer.status == 403
    assert (await handled.ask(ONE))["summary"]["acknowledged"] is None


async def test_author_is_the_kernels_word(handled: Handled) -> None:
    """The journal has the user at the other end of the socket."""
    handled.fall()
    await handled.ask(ONE, {"act": "ack"})
    entry = handled.rig.journal(A, "incident")[-1]
    assert entry.document["act"] == "ack"
    assert entry.document["uid"] == os.geteuid()


async def test_usage_errors_ask_nothing(handled: Handled) -> None:
    """Exit code 2 for what cannot be meant, 1 for an incident that is not there."""
    for words in (
        ("0",),
        ("1", "close"),
        ("1", "assign"),
        ("1", "ack", "x"),
        ("1", "resolve", "unknown"),
        ("1", "comment", "x", "--reason", "y"),
        ("1", "ack", "--format", "md"),
    ):
        await handled.trustctl("incident", *words, code=2)
    await handled.trustctl("incident", "1", code=1)


@pytest.mark.slow
async def test_names_are_harmless_on_a_terminal(handled: Handled) -> None:
    """What a guest's owner chose never reaches a terminal or a page as anything but text, and
    commands to copy have the UUID."""
    handled.fall()
    for words in (
        ("incidents",),
        ("incident", "1"),
        ("incident", "1", "report"),
        ("incident", "1", "report", "--format", "html"),
    ):
        for form in ("table", "plain", "json"):
            out = await handled.trustctl(*words, "-o", form, "--color", "never")
            assert "\x1b" not in out
            assert "\u202e" not in out
    assert "</script>" not in out
    found = json.loads(await handled.trustctl("incident", "1", "-o", "json"))
    commands = [line for each in found["recommended"] for line in each["commands"]]
    assert commands
    assert not any("script" in line for line in commands)
