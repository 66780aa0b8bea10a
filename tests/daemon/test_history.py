"""Guests' history as it is asked for: over HTTP, by trustctl, from a whole daemon."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.api.fleets import AT, FEATURES, assessed, fleet, guest_id
from tests.daemon.disk import small_disk
from tests.daemon.host import Host
from tests.decisions.running import Running
from tests.decisions.serving import AUTHZEN
from tests.lab.waiting import wait_until
from tests.pipeline.scripted import CALM, web
from trustd.api import Live, serve
from trustd.config import Settings, load_settings
from trustd.daemon.history import History
from trustd.errors import ConfigError, StoreError
from trustd.metrics import Exposition, Meters
from trustd.model import Gap
from trustd.repository import Database

POLICY = AUTHZEN.read_text("utf-8")
GUEST = guest_id(1)


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "state" / "trustd.db")
    yield made
    made.close()


@pytest.fixture
def meters():
    return Meters("1")


@pytest.fixture
def history(database, meters):
    return History(database, Settings(), FEATURES, meters)


def noted(history, count=90, begin=AT):
    for place in range(count):
        low = place >= 80
        history.note(
            fleet(
                assessed(trust=0.3 if low else 0.9, band="restricted" if low else "trusted"),
                at=begin + place * 5,
            )
        )


def test_a_plot_has_what_is_kept_of_a_time(history, database, monkeypatch):
    """Around a time each point is a mean with its extremes and its worst band, few enough to be
    drawn; of a guest of which nothing is kept, or where it cannot be read, there is none."""
    noted(history, 400)
    found = history.around(GUEST, AT, AT + 2000)
    assert 0 < len(found) <= 301
    assert found[0].trust == pytest.approx(0.9, abs=1e-3)
    assert min(each.lowest for each in found) == pytest.approx(0.3, abs=1e-3)
    assert {each.band for each in found} == {"trusted", "restricted"}
    assert all(each.lowest <= each.trust <= each.highest for each in found)
    assert history.around(guest_id(9), AT, AT + 2000) == []

    def failing(*_):
        raise StoreError("a bad page")

    monkeypatch.setattr(history, "timeline", failing)
    assert list(history.around(GUEST, AT, AT + 2000)) == []


@asynccontextmanager
async def asking(history, meters, tmp_path: Path):
    """The API with this history, and a function that asks it."""
    live = Live(FEATURES, meters, version="1")
    path = tmp_path / "trustd.sock"
    async with serve(live, path, None, mounts=[history.mount]):
        last = fleet(assessed(), at=AT)
        live.publish(last, Exposition(FEATURES).render(last, meters))
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://trustd", connector=connector) as session:

            async def ask(address, **query):
                async with session.get(address, params=query) as answer:
                    return answer.status, await answer.json(content_type=None)

            yield ask, path


async def test_a_timeline_tells_trust_and_bands(history, meters, tmp_path):
    """Trust with its lows, the worst band of each point, what is stored and what is not yet."""
    noted(history)
    await asyncio.to_thread(history.store)
    async with asking(history, meters, tmp_path) as (ask, _):
        where = "/v1/guests/web-1/timeline"
        status, whole = await ask(where, since=AT, until=AT + 600)
        assert status == 200
        assert len(whole["at"]) == 90
        assert whole["value"][0] == pytest.approx(0.9)
        assert (whole["band"][79], whole["band"][80]) == ("trusted", "restricted")
        assert set(whole["freshness"]) == {"fresh"}
        status, few = await ask(where, since=AT, until=AT + 600, points=3)
        assert [round(each, 2) for each in few["lowest"]] == [0.9, 0.9, 0.3]
        assert few["band"][-1] == "restricted"
        assert few["ticks"] == [40, 40, 10]
        status, cpu = await ask(where, since=AT, until=AT + 600, feature="cpu.usage")
        assert (cpu["unit"], cpu["value"][0], cpu["band"]) == ("percent", 12.5, [])
        status, none = await ask(where, since=AT, until=AT + 600, feature="memory.used")
        assert set(none["value"]) == {None}, "a gap is no zero"


def test_what_the_line_measured_is_what_is_kept(tmp_path):
    """Trust and every sample of a tick of the line are read back under the right names."""
    with Host(tmp_path, [web(0), web(1)], CALM) as host:
        features = host.line._stages.measuring.features
        history = History(host.database, Settings(), features, host.meters)
        fleets = [host.tick() for _ in range(5)]
        for each in fleets:
            history.note(each)
        history.close()
        since, until = fleets[0].at - 1, fleets[-1].at + 1
        measured = 0
        for guest in fleets[0].guests:
            trust = history.timeline(guest, None, since, until, 100)
            assert trust.value == [pytest.approx(each.guests[guest].trust) for each in fleets]
            assert trust.band == [each.guests[guest].band for each in fleets]
            assert trust.freshness == [str(each.guests[guest].freshness) for each in fleets]
            for feature in features:
                told = history.timeline(guest, feature.name, since, until, 100).value
                for value, each in zip(told, fleets, strict=True):
                    sample = each.guests[guest].samples[feature.name]
                    if isinstance(sample, Gap):
                        assert value is None
                    else:
                        assert value == pytest.approx(sample, rel=5e-4)
                        measured += sample > 0
        assert measured, "some of it is no zero"


async def test_a_guest_that_is_gone_is_found_by_its_uuid(history, meters, tmp_path):
    """What a guest did can be seen after it is gone; one that never was is not found."""
    history.note(fleet(assessed("gone", 5), at=AT))
    history.close()
    async with asking(history, meters, tmp_path) as (ask, _):
        status, found = await ask(
            f"/v1/guests/{guest_id(5)}/timeline", since=AT - 10, until=AT + 10
        )
        assert (status, len(found["at"])) == (200, 1)
        for key in (guest_id(6), "gone"):
            status, _ = await ask(f"/v1/guests/{key}/timeline")
            assert status == 404


@pytest.mark.parametrize(
    "query",
    ["since=nan", "until=-1", "since=1e99", "points=0", "points=2001", "feature=no", "who=me",
     "since=5&until=5"],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_told(history, meters, tmp_path, query):
    """400, and the parameter's name; never a stall of the daemon, whatever the numbers."""
    async with asking(history, meters, tmp_path) as (ask, _):
        status, problem = await ask(f"/v1/guests/web-1/timeline?{query}")
        assert status == 400
        assert query.split("=")[0] in problem["detail"]


async def test_trustctl_draws_it(history, meters, tmp_path):
    """A line of bars and a table for people, every point for programs."""
    begin = time.time() - 600
    noted(history, begin=begin)
    async with asking(history, meters, tmp_path) as (_, path):

        async def run(*arguments):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "trustd.ctl", "--socket", str(path)),
                *arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "COLUMNS": "120"},
            )
            out, err = await asyncio.wait_for(process.communicate(), 120)
            assert process.returncode == 0, err.decode()
            return out.decode()

        drawn = await run("timeline", "web-1", "--since", "15m", "-o", "table")
        assert "█" in drawn
        assert "▃" in drawn
        assert "restricted" in drawn
        rows = [line.split("\t") for line in (await run("timeline", "web-1")).splitlines()]
        assert len(rows) == 90
        assert rows[-1][6] == "restricted"
        cpu = await run("timeline", "web-1", "--feature", "cpu.usage", "-o", "table")
        assert "12.5 %" in cpu
        shown = await run("storage", "-o", "table")
        assert "ticks" in shown
        assert "above which the oldest detail goes first" in shown


def test_what_is_stored_is_told_and_counted(history, meters, database):
    """After a run of the retention each kind has its size in the metrics and the document."""
    begin = time.time() - 700
    noted(history, 130, begin)
    history.store()
    history.upkeep()
    told = history.storage()
    kinds = {kind.name: kind for kind in told.kinds}
    assert kinds["ticks"].rows == 2
    assert kinds["ticks"].bytes > 0
    assert kinds["ticks"].oldest == pytest.approx(begin, abs=0.01)
    assert told.used <= told.file
    assert told.guest_day is not None
    assert told.expected is not None
    exposed = meters.registry.get_sample_value("trustd_repository_bytes", {"kind": "ticks"})
    assert exposed == kinds["ticks"].bytes
    assert meters.registry.get_sample_value("trustd_repository_clock_ahead_seconds") < 5


def test_a_store_that_fails_is_told_once(history, database, capsys):
    """A file that takes no writes is logged once, and the work is done when it does again."""
    noted(history, 60, time.time() - 400)
    database.write(lambda connection: connection.execute("PRAGMA query_only = ON"))
    for _ in range(3):
        history.store()
        history.upkeep()
    assert capsys.readouterr().out.count("history cannot be kept") == 1
    assert "readonly" in history.storage().error
    database._writer.execute("PRAGMA query_only = OFF")
    history.store()
    history.upkeep()
    told = history.storage()
    assert told.error == ""
    assert told.kinds[0].rows == 1


def test_less_than_half_a_year_of_audit_must_be_forced(tmp_path):
    """A retention below 183 days is refused with its place, unless it is forced."""
    path = tmp_path / "trustd.yaml"
    path.write_text("retention: {audit: 30d}\n")
    with pytest.raises(ConfigError, match=r"183 days at least") as refused:
        load_settings(path, {})
    assert refused.value.problems[0].key == "retention.audit"
    path.write_text("retention: {audit: 30d, force: true}\n")
    assert load_settings(path, {}).retention.audit == 30 * 86400
    path.write_text("retention: {audit: 200d}\n")
    assert load_settings(path, {}).retention.audit == 200 * 86400


@pytest.mark.slow
def test_a_daemon_is_backed_up_and_restored(tmp_path):
    """While it runs a backup is made; it is restored only when the daemon is stopped."""
    with Running(tmp_path, POLICY) as daemon:
        state = ("--state", daemon.directory / "state")
        copy = tmp_path / "copy.db"
        assert daemon.trustctl("label", "--object", "record:r9", "owner=alice").returncode == 0
        made = daemon.trustctl("backup", copy, *state, "-o", "json")
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout)["records"] >= 1
        again = daemon.trustctl("backup", copy, *state)
        assert again.returncode == 1
        assert "there is such a file" in again.stderr
        refused = daemon.trustctl("restore", copy, *state)
        assert refused.returncode == 1
        assert "another trustd" in refused.stderr
        assert daemon.trustctl("label", "--object", "record:r9", "owner=bob").returncode == 0
        daemon.stop()
        done = daemon.trustctl("restore", copy, *state, "-o", "json")
        assert done.returncode == 0, done.stderr
        assert Path(json.loads(done.stdout)["aside"]).exists()
        daemon.start()
        labels = daemon.trustctl("audit", "show", "--kind", "label", "-o", "json")
        documents = [each["document"] for each in json.loads(labels.stdout)["records"]]
        assert [each["after"] for each in documents] == [{"owner": "alice"}]
        assert daemon.trustctl("audit", "verify").returncode == 0


@pytest.mark.slow
def test_a_daemon_does_not_begin_over_a_damaged_repository(tmp_path):
    """It ends with a word on what to do, and the file is byte for byte what it was."""
    with Running(tmp_path, POLICY) as daemon:
        daemon.stop()
        path = daemon.directory / "state/trustd.db"
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (root,) = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = 'transition'"
            ).fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.close()
        with path.open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xff" * size)
        ruined = path.read_bytes()
        with pytest.raises(AssertionError):
            daemon.start()
        assert "restore a backup" in daemon.log()
        assert path.read_bytes() == ruined


def fill(path: Path) -> None:
    """Take all the room that is left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_shows_and_goes_away(tmp_path):
    """No room left: changes are refused and it is not ready; ready again once there is room."""
    with (
        small_disk(tmp_path / "disk", megabytes=24) as disk,
        Running(tmp_path, POLICY, state=str(disk / "state")) as daemon,
    ):

        def change(name):
            return daemon.trustctl("label", "--object", "record:r9", f"owner={name}").returncode

        def store():
            return daemon.get("/readyz")["checks"]["store"]

        assert change("alice") == 0
        ballast = disk / "ballast"
        fill(ballast)
        # the log's last page may have room for a record yet
        wait_until(lambda: change("bob"), "what cannot be recorded is refused", seconds=90)
        wait_until(lambda: not store()["ok"], "the store is told to be unwell", seconds=60)
        assert "full" in store()["reason"]
        ballast.unlink()
        wait_until(lambda: change("carol") == 0, "changes are taken again", seconds=60)
        wait_until(lambda: store()["ok"], "the store is well again", seconds=60)
        assert daemon.trustctl("audit", "verify").returncode == 0
