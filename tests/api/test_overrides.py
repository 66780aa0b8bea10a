"""Operators' orders over real sockets, over a line that really judges."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN
from tests.pipeline.scripted import TOO_MUCH, Rig, guest_id, web
from trustd.api import Live, serve
from trustd.api.office import Duty
from trustd.daemon.between import Between
from trustd.daemon.overriding import Ordering
from trustd.daemon.schedule import status_line
from trustd.metrics import Exposition, Meters
from trustd.model import Term

A, B = guest_id(0), guest_id(1)
OVERRIDE = f"/v1/guests/{A}/override"
HOSTILE = "x\x1b[2J\u202e</script>"
LONGEST = 3600.0


class Porter:
    """Lets whoever is named change something."""

    def __init__(self) -> None:
        self.allowed = True
        self.duties = set(Duty)
        self.refusals: list[dict[str, str]] = []

    def may_change(self, peer: object, groups: object, duty: Duty) -> bool:
        return self.allowed and duty in self.duties

    def refused(self, peer: object, what: dict[str, str]) -> None:
        self.refusals.append(what)


@dataclass
class Ordered:
    """A line over a scripted hypervisor whose clocks go with the host's, and its API."""

    rig: Rig
    live: Live
    line: ThreadPoolExecutor
    unix: aiohttp.ClientSession
    tcp: aiohttp.ClientSession
    exposition: Exposition
    porter: Porter
    path: Path

    def tick(self) -> None:
        found = self.line.submit(self.rig.tick).result(20)
        self.live.meters.observe(found)
        self.live.publish(found, self.exposition.render(found, self.live.meters))

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        async with self.unix.request(method, path, json=body) as answer:
            found = await answer.json()
            assert answer.status == status, found
            return found

    async def give(self, path: str, *, status: int = 200, **body: Any) -> Any:
        return await self.ask("POST", path, {"reason": "because", **body}, status=status)

    async def trustctl(self, *args: str, code: int = 0) -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "trustd.ctl",
            "--socket",
            str(self.path),
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == code, err.decode()
        return out.decode()


@pytest.fixture
async def ordered(tmp_path, monkeypatch) -> AsyncIterator[Ordered]:
    """Three guests; the first has left its envelope, and its name is hostile."""
    rig = Rig(tmp_path / "rig", [web(0, name=HOSTILE), web(1), web(2)])
    monkeypatch.setattr(
        "trustd.daemon.overriding._term",
        lambda seconds: Term(
            rig.hypervisor.at, rig.hypervisor.clock, float("inf") if seconds is None else seconds
        ),
    )
    features = rig.plugins.features
    live = Live(features, Meters("1.2.3"), version="1.2.3", on_stop="restore")
    between, porter = Between(within=20.0), Porter()
    path = tmp_path / "trustd.sock"
    with ThreadPoolExecutor(1) as line:
        between.begin(line.submit)
        ordering = Ordering(rig.line.overriding, between, live, LONGEST)
        async with serve(
            live, path, ("127.0.0.1", 0), office=porter, mounts=[ordering.mount]
        ) as listening:
            assert listening.tcp is not None
            connector = aiohttp.UnixConnector(str(path))
            async with (
                aiohttp.ClientSession("http://trustd", connector=connector) as unix,
                aiohttp.ClientSession(f"http://127.0.0.1:{listening.tcp[1]}") as tcp,
            ):
                made = Ordered(rig, live, line, unix, tcp, Exposition(features), porter, path)
                for _ in range(8):
                    made.tick()
                rig.hypervisor.writes[A] = TOO_MUCH
                made.tick()
                yield made
    rig.stop()


async def test_override_is_shown_wherever_the_guest_is(ordered: Ordered) -> None:
    """The answer says what changes; after a tick the guest, its list, its explanation, the counts
    and the metrics have one band, the automatic one beside it, and who ordered it and why."""
    made = await ordered.give(OVERRIDE, band="isolated", bound="pin", seconds=60)
    (effect,) = made["effects"]
    assert (made["act"], effect["band"]) == ("given", ["guarded", "isolated"])
    assert {step["lever"] for step in effect["applied"]} >= {"nic-link"}
    ordered.tick()
    summary = (await ordered.ask("GET", f"/v1/guests/{A}"))["summary"]
    why = await ordered.ask("GET", f"/v1/guests/{A}/explain")
    state = await ordered.ask("GET", OVERRIDE)
    (listed,) = (await ordered.ask("GET", "/v1/guests?band=isolated"))["guests"]
    for shown in (summary, why, state, listed):
        assert (shown["band"], shown["automatic"]) == ("isolated", "guarded")
        said = shown["override"]
        assert (said["uid"], said["reason"]) == (os.geteuid(), "because")
        assert said["until"] == pytest.approx(ordered.rig.hypervisor.at + 58)
    status = await ordered.ask("GET", "/v1/status")
    assert status["guests"]["by_band"]["isolated"] == 1
    assert status["orders"] == {"pause": None, "overrides": 1, "protected": 0, "held": {}}
    assert status["on_stop"] == "restore"
    async with ordered.tcp.get("/metrics") as answer:
        text = await answer.text()
    assert "trustd_overrides_active 1.0" in text
    assert f'trustd_guest_band{{uuid="{A}",band="isolated"}} 1' in text
    taken = await ordered.ask("DELETE", f"{OVERRIDE}?reason=enough")
    assert (taken["act"], taken["effects"][0]["band"]) == ("taken back", ["isolated", "guarded"])
    again = await ordered.ask("DELETE", f"{OVERRIDE}?reason=enough")
    assert (again["act"], again["effects"]) == ("nothing", [])


async def test_pause_is_shown_everywhere(ordered: Ordered) -> None:
    """Status, readiness with its reason and still ready, lists, metrics, and the line for
    systemctl; after it none of them."""
    for keep in (False, True):
        made = await ordered.give("/v1/pause", seconds=60, keep=keep)
        assert bool(made["effects"]) is not keep
        ordered.tick()
        ready = await ordered.ask("GET", "/readyz")
        assert "because" in ready["checks"]["enforcement"]["reason"]
        for path in ("/readyz", "/v1/status"):
            async with ordered.tcp.get(path) as answer:
                told = (await answer.json())["checks"]["enforcement"]
            how = "what is narrowed is kept" if keep else "everything is given back"
            assert told == {"ok": True, "reason": f"paused, {how}"}, "who and why is not for all"
        listed = (await ordered.ask("GET", "/v1/guests"))["pause"]
        pause = (await ordered.ask("GET", "/v1/status"))["orders"]["pause"]
        assert pause == listed == (await ordered.ask("GET", "/v1/pause"))["pause"]
        assert pause["keep"] is keep
        assert "PAUSED" in status_line(ordered.live.fleet)
        assert b"trustd_paused 1.0" in ordered.live.page.plain
        shown = await ordered.trustctl("status", "-o", "table")
        assert "PAUSED" in shown
        assert "everything is given back" in shown
        assert "PAUSED" in await ordered.trustctl("guests", "-o", "table")
        await ordered.ask("DELETE", "/v1/pause?reason=over")
        ordered.tick()
        assert (await ordered.ask("GET", "/v1/pause"))["pause"] is None
        assert "PAUSED" not in status_line(ordered.live.fleet)
        assert b"trustd_paused 0.0" in ordered.live.page.plain


async def test_protect_list(ordered: Ordered) -> None:
    """A protected guest is listed with its author until it is taken from the list."""
    made = await ordered.give("/v1/protect", guest=A)
    assert made["until"] is None
    assert made["effects"][0]["restored"]
    ordered.tick()
    (found,) = (await ordered.ask("GET", "/v1/protect"))["protected"]
    assert (found["guest"], found["name"], found["reason"]) == (A, HOSTILE, "because")
    assert "because" in await ordered.trustctl("protect", "--list")
    await ordered.ask("DELETE", f"/v1/protect?guest={A}&reason=enough")
    assert not (await ordered.ask("GET", "/v1/protect"))["protected"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (OVERRIDE, {"band": "best", "bound": "pin", "seconds": 1}, "no band is called"),
        (OVERRIDE, {"band": "trusted", "bound": "over", "seconds": 1}, "bound"),
        (OVERRIDE, {"band": "trusted", "bound": "pin"}, "seconds"),
        (OVERRIDE, {"band": "trusted", "bound": "pin", "seconds": 0}, "longest_order"),
        (OVERRIDE, {"band": "trusted", "bound": "pin", "seconds": LONGEST + 1}, "longest_order"),
        (OVERRIDE, {"band": "trusted", "bound": "pin", "seconds": 1, "reason": " "}, "reason"),
        (OVERRIDE, {"band": "trusted", "bound": "pin", "seconds": 1, "reason": HOSTILE}, "reason"),
        ("/v1/pause", {}, "seconds"),
        ("/v1/pause", {"seconds": 1, "for": 2}, "for"),
        ("/v1/protect", {"guest": A, "seconds": -1}, "longest_order"),
        ("/v1/hold", {"reason": ""}, "reason"),
    ],
)
async def test_what_makes_no_sense_is_refused(ordered: Ordered, path, body, words) -> None:
    """400 with what is wrong, and nothing is changed."""
    found = await ordered.give(path, status=400, **body)
    assert words in found["detail"]
    assert ordered.rig.line.overriding.orders == type(ordered.rig.line.overriding.orders)()


async def test_whoever_may_not_changes_nothing(ordered: Ordered) -> None:
    """Over TCP, and for another user, every change is 403 and handed on to be journalled; the
    addresses that only read are refused over TCP too."""
    ordered.porter.allowed = False
    changes = [
        ("POST", OVERRIDE),
        ("DELETE", OVERRIDE),
        ("POST", "/v1/protect"),
        ("DELETE", "/v1/protect"),
        ("POST", "/v1/pause"),
        ("DELETE", "/v1/pause"),
        ("POST", "/v1/hold"),
    ]
    for method, path in changes:
        await ordered.ask(method, path, {"reason": "x"}, status=403)
    assert [(each["method"], each["path"]) for each in ordered.porter.refusals] == changes
    ordered.porter.allowed = True
    for method, path in [*changes, *(("GET", path) for _, path in changes)]:
        async with ordered.tcp.request(method, path, json={"reason": "x"}) as answer:
            assert answer.status == 403, (method, path)


@pytest.mark.slow
async def test_dry_run_of_every_command_changes_nothing(ordered: Ordered) -> None:
    """Each says in JSON what would change, and the orders and the journal are as before."""
    orders = ordered.rig.line.overriding.orders
    for words in (
        ("override", A, "--band", "isolated", "--for", "5m"),
        ("release", A, "--for", "5m"),
        ("protect", A),
        ("pause", "--for", "5m"),
    ):
        out = await ordered.trustctl(*words, "--reason", "why", "--dry-run", "-o", "json")
        told = json.loads(out)
        assert told["dry_run"] is True
        assert told["effects"], words
        effect = told["effects"][0]
        assert effect["applied"] or effect["restored"]
    assert ordered.rig.line.overriding.orders is orders
    ordered.tick()
    assert not ordered.rig.journal(A, "override")
    await ordered.trustctl("override", A, "--band", "isolated", "--for", "5m", "--reason", "why")
    out = await ordered.trustctl("override", A, "--clear", "--reason", "x", "--dry-run")
    assert "dry-run" in out
    assert A in ordered.rig.line.overriding.orders.overrides


@pytest.mark.slow
async def test_commands_need_a_reason_and_an_end(ordered: Ordered) -> None:
    """Usage errors, before anything is asked: no reason, no end, a duration that is none."""
    for words in (
        ("override", A, "--band", "isolated", "--for", "5m"),
        ("override", A, "--band", "isolated", "--reason", "x"),
        ("override", A, "--band", "isolated", "--for", "soon", "--reason", "x"),
        ("override", A, "--clear"),
        ("override", A, "--clear", "--for", "5m", "--reason", "x"),
        ("override", A, "--for", "5m", "--reason", "x"),
        ("release", A, "--for", "5m"),
        ("protect", A),
        ("protect",),
        ("protect", A, "--remove", "--for", "5m", "--reason", "x"),
        ("pause", "--reason", "x"),
        ("resume",),
        ("hold", "accept"),
    ):
        await ordered.trustctl(*words, code=2)


@pytest.mark.slow
async def test_names_and_reasons_are_harmless_on_a_terminal(ordered: Ordered) -> None:
    """What somebody else chose never reaches a terminal as an escape sequence."""
    await ordered.give(OVERRIDE, band="isolated", bound="at-most", seconds=60)
    await ordered.give("/v1/protect", guest=A)
    ordered.tick()
    for words in (("override", A), ("protect", "--list"), ("guest", A), ("explain", A)):
        for form in ("table", "plain", "json"):
            out = await ordered.trustctl(*words, "-o", form, "--color", "never")
            assert "\x1b" not in out
            assert "\u202e" not in out


async def test_hold_is_listed_and_let_go(tmp_path, ordered: Ordered) -> None:
    """Without guests that are held the list is empty, exit code 0, and there is nothing to
    accept."""
    assert await ordered.trustctl("hold") == ""
    out = await ordered.trustctl("hold", "accept", "--reason", "x", "-o", "json")
    assert json.loads(out)["act"] == "nothing"


@pytest.mark.slow
def test_daemon_takes_orders_and_journals_refusals(tmp_path) -> None:
    """A whole daemon: a pause is answered when it is on the disk, and is there after kill -9 with
    its author; over TCP it is 403, and the journal has both. label --dry-run changes nothing."""
    with Running(tmp_path, AUTHZEN.read_text("utf-8")) as daemon:
        done = daemon.trustctl("pause", "--for", "1h", "--reason", "a test", "-o", "json")
        assert done.returncode == 0, done.stderr
        daemon.kill()
        daemon.start()
        pause = daemon.get("/v1/pause")["pause"]
        assert (pause["reason"], pause["uid"]) == ("a test", os.geteuid())
        assert daemon.tcp().post("/v1/pause", {"seconds": 1, "reason": "x"}).status == 403
        label = ("label", "--object", "volume:/x", "app=web", "-o", "json")
        tried = json.loads(daemon.trustctl(*label, "--dry-run").stdout)
        assert tried["labels"] == {"app": "web"}
        assert not daemon.get("/v1/labels?type=volume&id=/x")["labels"]
        assert daemon.trustctl("resume", "--reason", "over").returncode == 0
        daemon.stop()
    with closing(sqlite3.connect(tmp_path / "state/trustd.db")) as connection:
        rows = connection.execute(
            "SELECT kind, document FROM transition WHERE kind IN ('pause', 'refused') ORDER BY id"
        ).fetchall()
    found = [(kind, orjson.loads(document)) for kind, document in rows]
    assert [(kind, each.get("act")) for kind, each in found] == [
        ("pause", "given"),
        ("refused", None),
        ("pause", "taken back"),
    ]
