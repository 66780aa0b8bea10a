"""``trustctl explain`` and ``trustctl ack``, over an engine that really scored."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from tests.api.conftest import Clock, Served
from tests.api.fleets import AT, FEATURES, assessed, fleet, guest_id, narrowed
from tests.ctl.conftest import COMMAND, Ran, environment
from trustd.api import Live, serve
from trustd.api.feedback import FEEDBACK
from trustd.api.feedback_shapes import AcknowledgedDoc, Acknowledgement
from trustd.api.office import OFFICE
from trustd.api.peer import Peer
from trustd.errors import StoreError
from trustd.metrics import Exposition, Meters
from trustd.model import Assessment, Driver, Finding, GuestId, ObjectRef, Severity
from trustd.pipeline import Account, Step
from trustd.trust import Engine

HOSTILE = "x[b]\x1b[2J\n\u202egnp.exe[/b]"
TICK, DAY = 300.0, 86400.0
CALM, BAD = guest_id(1), guest_id(2)
WRITES = [feature.name for feature in FEATURES].index("disk.write.bytes")


POOL = ObjectRef("volume", "/pool/2.qcow2")
STEPS = (Step("guarded", 0.4, 60.0, AT + 600, ((POOL, frozenset({"write"})),)),)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Six days of two quiet guests; then one rewrites its disk, and something odd was found."""
    made = Engine(FEATURES, [CALM, BAD])
    random = np.random.default_rng(1)
    ticks = int(6 * DAY / TICK)
    for number in range(ticks + 6):
        values = np.full((2, len(FEATURES)), 20.0) * np.exp(0.1 * random.standard_normal((2, 1)))
        at = AT + (number - ticks) * TICK
        findings = []
        if number >= ticks:
            values[1, WRITES] = 92e6
            findings = [Finding(BAD, "odd", Severity.MAJOR, "x", HOSTILE, at, HOSTILE)]
        made.step(values, at=at, seconds=TICK, findings=findings)
    return made


class Told:
    """Explains by an engine; remembers what it is told, and by whom."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.heard: list[tuple[str, Acknowledgement, int]] = []
        self.fails = ""

    async def explain(self, guest: GuestId) -> Account:
        if self.fails:
            raise TimeoutError
        return Account(self.engine.explain(guest), STEPS if guest == BAD else ())

    async def acknowledge(
        self, guest: Assessment, word: Acknowledgement, peer: Peer
    ) -> AcknowledgedDoc:
        if self.fails:
            raise StoreError(self.fails)
        self.heard.append((guest.id, word, peer.uid))
        return AcknowledgedDoc(
            guest.id, guest.guest.name, word.verdict, word.reason, AT, 0.27, 0.91, ("odd",)
        )

    # Of an office: who may change something.

    def may_change(self, peer: Peer, groups: object, duty: object) -> bool:
        return True

    def refused(self, peer: Peer | None, what: Mapping[str, str]) -> None:
        raise AssertionError("nobody is refused here")


class Rig:
    """A served API with this feedback, and trustctl against it."""

    def __init__(self, served: Served, told: Told) -> None:
        self.served = served
        self.told = told

    async def trustctl(self, *args: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(self.served, COLUMNS="400"),
        )
        async with asyncio.timeout(90):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())


@pytest.fixture
async def rig(tmp_path: Path, engine: Engine) -> AsyncIterator[Rig]:
    told = Told(engine)

    def mount(app: web.Application) -> None:
        app[FEEDBACK] = told
        app[OFFICE] = told  # type: ignore[misc]  # the part of it that is asked here

    live, clock = Live(FEATURES, Meters("1.2.3"), version="1.2.3"), Clock()
    path = tmp_path / "trustd.sock"
    async with serve(live, path, None, mounts=[mount]):
        served = Served(live, clock, path, 0, None, None, Exposition(FEATURES))  # type: ignore[arg-type]
        guests = assessed(), narrowed(HOSTILE, drivers=(Driver("odd", 1.0, HOSTILE),))
        served.publish(fleet(*guests))
        yield Rig(served, told)


async def test_explanation_reads_as_one_would_tell_it(rig: Rig) -> None:
    """Band and since when; the signal with its value, what is normal, how rare, the own record and
    since when; the finding with its ceiling; what was taken and how; what gives it back."""
    ran = await rig.trustctl("explain", BAD, "-o", "table")
    assert (ran.code, ran.err) == (0, "")
    head, *rest = ran.out.splitlines()
    assert "has trust 0.27 and is in band restricted for" in head
    assert "(mode enforce)" in head
    text = "\n".join(rest)
    assert re.search(r"\d+ % disk\.write\.bytes: 92\.0 MB/s, where \d\S* /?\S+ is normal", text)
    assert re.search(r"in (fewer than )?1 in [\d,]+ of this guest's own windows", text)
    assert re.search(r"its own record is \d", text)
    assert "major: x[b]\\x1b[2J" in text
    assert "holds trust at" in text
    assert "write on volume /pool/2.qcow2; it keeps read." in text
    assert "disk-throttle on vda, write_bytes=1048576: done, because band restricted" in text
    assert "nic-link on 52:54:00:00:00:01, up=false: failed (device busy)" in text
    assert "disk.write.bytes returns towards" in text
    assert "Band guarded, once trust is 0.4 or more and has been so for 60 s: at the" in text
    assert "It gives back write on volume /pool/2.qcow2." in text
    assert f"trustctl ack {BAD} benign" in text, "its name cannot be typed into a shell"
    sections = ["What was seen", "What was taken away", "What gives it back"]
    assert [line for line in rest if line in sections] == sections


@pytest.mark.parametrize("form", ["table", "plain", "json"])
async def test_hostile_words_are_harmless(rig: Rig, form: str) -> None:
    """Names, sources and summaries of others move no cursor and turn no line round."""
    ran = await rig.trustctl("explain", HOSTILE, "-o", form)
    assert ran.code == 0
    assert all(char.isprintable() for char in ran.out.replace("\n", "").replace("\t", ""))
    assert "gnp.exe" not in ran.out.replace("\\u202egnp.exe", "")


async def test_programs_have_the_terms_exactly(rig: Rig) -> None:
    """A line a term with ten fields, and JSON is the API's own document."""
    ran = await rig.trustctl("explain", BAD)
    lines = [line.split("\t") for line in ran.out.splitlines()]
    term = next(line for line in lines if line[0] == "term")
    assert term[1:3] == ["disk.write.bytes", "bytes/s"]
    assert len(term) == 11
    document = json.loads((await rig.trustctl("explain", BAD, "-o", "json")).out)
    first = document["standing"]["terms"][0]
    assert float(term[4]) == first["value"] == pytest.approx(92e6)
    assert ["restore", document["standing"]["restore"][0]] in lines


async def test_clean_guest_is_told_in_two_lines(rig: Rig) -> None:
    """Of a guest against which nothing is held it says so, and no more."""
    ran = await rig.trustctl("explain", CALM, "-o", "table")
    assert "Nothing is held against it." in ran.out
    assert "What was taken away" not in ran.out
    assert "earliest" not in ran.out


async def test_busy_line_is_said(rig: Rig) -> None:
    """Where the engine has no time, the last tick's drivers are told as such."""
    rig.told.fails = "busy"
    ran = await rig.trustctl("explain", BAD, "-o", "table")
    assert ran.code == 0
    assert "busy with a tick" in ran.out
    assert "100 % odd" in ran.out


async def test_a_stale_guest_is_said_to_be_stale(rig: Rig) -> None:
    """What is old is not told as if it were now; what is hardly known is said to be so."""
    old = replace(assessed(uncertainty=0.9, age=75.0), freshness="stale")
    rig.served.publish(fleet(old))
    ran = await rig.trustctl("explain", CALM, "-o", "table")
    assert "It is stale: its last sample is 75 s old." in ran.out
    assert "Little is known of it yet: uncertainty 0.90." in ran.out


async def test_ack_sends_the_word_and_shows_what_it_changed(rig: Rig) -> None:
    """Verdict and reason arrive as typed, with the author by the kernel's word; the answer has
    trust before and after."""
    ran = await rig.trustctl("ack", BAD, "benign", "--reason", "the new backup", "-o", "table")
    assert (ran.code, ran.err) == (0, "")
    assert "0.27 before, 0.91 now" in ran.out
    ((guest, word, _),) = rig.told.heard
    assert guest == BAD
    assert word == Acknowledgement("benign", "the new backup")
    plain = await rig.trustctl("ack", HOSTILE, "attack")
    lines = [line.split("\t") for line in plain.out.splitlines()]
    assert ["verdict", "attack"] in lines
    assert ["ended", "odd"] in lines
    assert all(char.isprintable() for char in plain.out.replace("\n", "").replace("\t", ""))


async def test_ack_fails_loudly(rig: Rig) -> None:
    """Another verdict is wrong usage; an unknown guest and a store that fails are failures, with
    the daemon's words."""
    assert (await rig.trustctl("ack", BAD, "fine")).code == 2
    assert (await rig.trustctl("ack", "nobody", "benign")).code == 1
    rig.told.fails = "nothing was changed: disk full"
    ran = await rig.trustctl("ack", BAD, "benign")
    assert (ran.code, "nothing was changed: disk full" in ran.err) == (1, True)
    assert not rig.told.heard
