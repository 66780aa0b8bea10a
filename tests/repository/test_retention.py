"""Retention: what is old goes a little at a time, the trail stays sound, no clock empties it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from trustd.errors import StoreError
from trustd.model import GuestId, ObjectRef
from trustd.repository import (
    OBJECT,
    SEEN,
    Asked,
    Audit,
    Block,
    Database,
    Entry,
    Filter,
    Journal,
    Layout,
    Past,
    RulingLog,
    Signer,
    Timelines,
    chunks_of,
)
from trustd.repository.pruning import prune_trail, used
from trustd.repository.retention import Bounds, Retention
from trustd.repository.rulings import RulingRecord

DAY = 86400.0
AT = 1_790_000_000.0
GUEST = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a55")
LIVES = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a66")
BOUNDS = Bounds((2 * DAY, 14 * DAY, 400 * DAY), 183 * DAY, 365 * DAY, 2.0**40)


class Clocks:
    """The wall's clock, which can be set, and a steady one, which cannot."""

    def __init__(self) -> None:
        self.wall, self.steady = AT, 1000.0

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "trustd.db")
    yield made
    made.close()


@pytest.fixture
def retention(database, clocks) -> Callable[..., Retention]:
    def made(bounds=BOUNDS):
        return Retention(database, bounds, clock=lambda: clocks.wall, steady=lambda: clocks.steady)

    return made


def count(database, table, where="1"):
    with database.reading() as connection:
        rows = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608
        return rows.fetchone()[0]


def entry(at, number, kind="action", guest=GUEST, **document):
    return Entry(at, guest, f"web-{number}", kind, {"number": number, **document})


def journal(database, *entries):
    Journal(database).append(entries).result(60)


def kept(database, at, guest=GUEST, tier_days=1.0):
    """A day of ticks that ends at a time."""
    layout = Layout(("a", "b"), ("fresh",), ("cpu.usage",))
    every = at - tier_days * DAY + np.arange(0, tier_days * DAY, 60.0)
    for first in range(0, len(every), 60):
        some = every[first : first + 60]
        values = np.full((len(some), 1, 5), 0.5, np.float32)
        present = np.ones((len(some), 1), np.bool_)
        Timelines(database).store(list(chunks_of(Block(layout, (guest,), some, values, present))))


def ruling(at):
    return RulingRecord(
        at, "s", "opa", "guest", GUEST, "read", "volume", "v", False, "r", "b", "enforce", "p"
    )


def test_old_records_go_and_the_trail_stays_sound(database, clocks, retention, tmp_path):
    """Half a year later the old records are gone, the chain verifies, and a record tells of it."""
    journal(database, *[entry(AT - 200 * DAY + number, number) for number in range(300)])
    old = Audit(database).head()
    anchor = Signer(tmp_path / "key").anchor(old.trail, old.id, old.hash, AT - 199 * DAY)
    journal(database, *[entry(AT - 100 * DAY + number, number) for number in range(50)])
    ran = retention().run()
    assert ran.dropped["audit"] == 300
    audit = Audit(database)
    verdict = audit.verify([anchor])
    assert verdict.faults == ()
    assert (audit.start().first, audit.start().before) == (301, old.hash)
    pruned = audit.page(Filter(kind="pruned"))
    assert '"last":300' in pruned[-1].document
    assert pruned[-1].at == AT
    assert old.hash.hex() in pruned[-1].document
    journal(database, entry(AT, 1))
    assert audit.verify([anchor]).faults == ()


def test_dropping_one_more_record_by_hand_is_still_found(database, retention):
    """Retention is no cover for somebody who drops records after it."""
    journal(database, *[entry(AT - 200 * DAY, number) for number in range(5)])
    journal(database, *[entry(AT - DAY, number) for number in range(5)])
    retention().run()
    database.write(lambda each: each.execute("DELETE FROM transition WHERE id = 6"))
    assert [fault.what for fault in Audit(database).verify().faults] == ["record 6 is missing"]


def test_what_still_holds_is_not_forgotten(database, retention):
    """After pruning the past is told as before: labels, band and objects that never changed."""
    volume = ObjectRef("volume", "/db")
    journal(
        database,
        entry(AT - 300 * DAY, 1, SEEN, band="a", state="running", labels={"app": "old"}),
        entry(AT - 299 * DAY, 1, SEEN, band="a", state="running", labels={"app": "db"}),
        entry(AT - 299 * DAY, 2, SEEN, guest=LIVES, state="gone"),
        entry(AT - 298 * DAY, 1, "band", before="b", after="a"),
        entry(AT - 297 * DAY, 1, OBJECT, type="volume", id="/db", labels={"tenant": "acme"}),
        entry(AT - 1 * DAY, 1, "action"),
    )
    for _ in range(3):
        retention().run()
    past = Past(database)
    then = AT - 10 * DAY
    assert past.seen(GUEST, then).document["labels"] == {"app": "db"}
    assert past.band(GUEST, then).document["after"] == "a"
    assert past.objects(then) == {volume: {"tenant": "acme"}}
    assert past.seen(LIVES, then) is None
    assert Audit(database).verify().faults == ()
    assert count(database, "transition") == 5, "three that hold, the action, and what was pruned"


@pytest.mark.parametrize("text", ["{{", "[]", "", '{"state": "\\ud800"}'])
@pytest.mark.parametrize("kind", [SEEN, "incident", OBJECT, "action", "label", "run"])
def test_a_record_that_cannot_be_read_stops_no_retention(database, retention, kind, text):
    """A record of nonsense goes like any other: it hides nothing that was said before it, and
    what comes after the trail is pruned too."""
    said = {
        SEEN: {"state": "running", "band": "a", "labels": {}},
        "incident": {"incident": 7, "state": "open"},
        OBJECT: {"type": "volume", "id": "/db", "labels": {"tenant": "acme"}},
        "action": {"lever": "nic-link", "device": "n", "status": "applied"},
        "label": {"type": "volume", "id": "/db", "after": {"tenant": "acme"}},
        "run": {"heard": None},
    }[kind]
    journal(database, *[entry(AT - days * DAY, 1, kind, **said) for days in (200, 199)])
    RulingLog(database, 100_000).append([ruling(AT - 200 * DAY)]).result(60)
    database.write(
        lambda each: each.execute("UPDATE transition SET document = ? WHERE id = 2", (text,))
    )
    before = Audit(database).replayed()
    retention().run()
    assert count(database, "decision") == 0
    assert count(database, "transition", "id <= 2") == 0
    after = Audit(database).replayed()
    for each in ("run", "guests", "objects", "labels", "narrowed", "incidents"):
        assert getattr(after, each) == getattr(before, each), each


def test_decisions_are_kept_as_long_as_the_trail(database, retention):
    """Access records go by their age too, whatever their number."""
    log = RulingLog(database, 100_000)
    log.append([ruling(AT - 200 * DAY + number) for number in range(150)]).result(60)
    log.append([ruling(AT - 182 * DAY)]).result(60)
    assert retention().run().dropped["decisions"] == 150
    assert count(database, "decision") == 1


def test_detail_is_rolled_up_before_it_goes(database, clocks, retention):
    """Ticks older than two days are minutes, older than two weeks hours; nothing is lost."""
    for days in range(30, 0, -1):
        kept(database, AT - (days - 1) * DAY)
    made = retention()
    for _ in range(10):
        clocks.passes(60)
        made.run()
    for tier, days in ((0, 2), (1, 14)):
        assert count(database, "chunk", f"tier = {tier}")
        assert not count(database, "chunk", f"tier = {tier} AND last < {clocks.wall - days * DAY}")
    with database.reading() as connection:
        hours = connection.execute("SELECT min(first) FROM chunk WHERE tier = 2").fetchone()[0]
    assert hours == AT - 30 * DAY


def test_nothing_goes_before_it_is_rolled_up(database, clocks, retention, monkeypatch):
    """Where rolling up lags behind, old ticks wait for it: none is lost on the way to hours."""
    monkeypatch.setattr("trustd.repository.retention.ROLLS", 1)
    for days in range(6, 0, -1):
        kept(database, AT - (days - 1) * DAY)
    made = retention()
    for _ in range(8):
        clocks.passes(60)
        made.run()
        line = Timelines(database).trust(Asked(GUEST, AT - 7 * DAY, AT + DAY, 2000))
        assert line.points.ticks.sum() == 6 * DAY / 60


def test_history_keeps_within_its_bytes(database, retention):
    """Above the bound the oldest detail goes first, and records never."""
    for days in range(12, 0, -1):
        kept(database, AT - (days - 1) * DAY)
    journal(database, *[entry(AT - DAY, number) for number in range(200)])
    with database.reading() as connection:
        bounds = Bounds((400 * DAY,) * 3, 183 * DAY, 365 * DAY, used(connection) - 20_000)
    before = count(database, "chunk", "tier = 0")
    ran = retention(bounds).run()
    assert ran.shortened
    assert 0 < count(database, "chunk", "tier = 0") < before
    with database.reading() as connection:
        (oldest,) = connection.execute("SELECT min(first) FROM chunk WHERE tier = 0").fetchone()
        (newest,) = connection.execute("SELECT max(last) FROM chunk").fetchone()
    assert oldest > AT - 12 * DAY
    assert newest == AT - 60
    assert count(database, "transition") == 200


def test_guests_that_are_long_gone_are_forgotten(database, retention):
    """Not seen for a year means forgotten, unless something is in force or ordered of it."""
    rows = {
        GUEST: AT - 366 * DAY,
        LIVES: AT - 10 * DAY,
        GuestId("narrowed"): AT - 400 * DAY,
        GuestId("ordered"): AT - 400 * DAY,
    }

    def work(connection):
        for id_, heard in rows.items():
            connection.execute(
                "INSERT INTO guest VALUES (?, 'x', ?, 0, NULL, '{}', '{}')", (id_, heard)
            )
            connection.execute("INSERT INTO history VALUES (?, '{}')", (id_,))
            connection.execute(
                "INSERT INTO alias VALUES ('volume', ?, ?, 0, ?)", (f"/{id_}", id_, heard)
            )
        connection.execute("INSERT INTO intent VALUES ('narrowed', 'l', 'd', 0, '{}')")
        connection.execute("INSERT INTO operator_order VALUES ('override', 'ordered', '{}')")

    database.write(work)
    assert retention().run().dropped["guests"] == 1
    for table in ("guest", "history", "alias"):
        assert count(database, table) == 3
        assert not count(database, table, f"guest = '{GUEST}'")


def test_a_clock_that_jumps_ahead_empties_nothing(database, clocks, retention):
    """Five years ahead in a minute: ticks, records and decisions are still there, and it shows."""
    made = retention()
    kept(database, AT)
    journal(database, *[entry(AT - DAY + number, number) for number in range(100)])
    RulingLog(database, 100_000).append([ruling(AT)]).result(60)
    made.run()
    clocks.passes(60)
    clocks.wall += 5 * 365 * DAY
    for run in (made, retention(), retention()):
        ran = run.run()
        assert not any(ran.dropped.values())
    assert ran.behind > 4 * 365 * DAY
    # set right again, time goes on as before
    clocks.wall -= 5 * 365 * DAY
    clocks.passes(60)
    assert made.run().behind == 0
    clocks.passes(3 * DAY)
    assert made.run().dropped["ticks"]


def test_a_clock_that_is_behind_only_keeps_more(database, clocks, retention):
    """Set back a year, nothing is old; and coming back is not held for years of progress."""
    made = retention()
    journal(database, *[entry(AT - 183 * DAY + 100 + number, number) for number in range(100)])
    made.run()
    clocks.wall -= 365 * DAY
    clocks.passes(DAY)
    assert not any(made.run().dropped.values())
    clocks.wall += 365 * DAY
    clocks.passes(DAY)
    assert not made.run().dropped["audit"], "the first day back is too early to trust the clock"
    clocks.passes(40 * DAY)
    assert made.run().dropped["audit"] == 100


@pytest.mark.parametrize("first", range(8))
def test_a_disk_that_hangs_holds_no_run_up(database, retention, monkeypatch, first):
    """Wherever the disk stops to answer, the run ends with an error; the next one goes on."""
    for module in ("retention", "reference", "timeline"):
        monkeypatch.setattr(f"trustd.repository.{module}.PATIENCE", 0.1)
    journal(database, *[entry(AT - 200 * DAY + number, number) for number in range(100)])
    answers, submit, calls = threading.Event(), database.submit, 0

    def hanging(work, **how):
        nonlocal calls
        calls += 1
        if calls == first + 1:
            submit(lambda _: answers.wait())
        return submit(work, **how)

    monkeypatch.setattr(database, "submit", hanging)
    with ThreadPoolExecutor() as aside:
        try:
            error = aside.submit(retention().run).exception(60)
        finally:
            answers.set()
    assert isinstance(error, StoreError)
    retention().run()
    assert count(database, "transition", f"at < {AT - DAY}") == 0


def test_others_write_between_two_batches(database, retention, monkeypatch):
    """A large prune is many small works of the writer's, and a write that somebody asks for
    meanwhile is done after the one that is under way, not after all of them."""
    journal(database, *[entry(AT - 200 * DAY, number) for number in range(20_000)])
    batches, order, submit = [], [], database.submit

    def prune(connection, before, now, most):
        batches.append(most)
        if len(batches) == 3:  # somebody writes while a batch is under way
            submit(lambda _: order.append("other"))
        order.append("batch")
        return prune_trail(connection, before, now, most)

    monkeypatch.setattr("trustd.repository.retention.prune_trail", prune)
    assert retention().run().dropped["audit"] == 20_000
    assert order.index("other") == 3, "right after the batch in which it was asked for"
    assert order.count("batch") > 3
    assert batches[0] <= 64
    assert max(batches) <= 4096
    assert all(later <= 2 * before for before, later in pairwise(batches))


def test_a_batch_that_takes_long_makes_the_next_one_smaller(database, retention, monkeypatch):
    """Whatever the disk is like, batches become as small as it needs to let others in."""
    journal(database, *[entry(AT - 200 * DAY, number) for number in range(200)])
    batches, seconds = [], iter(range(10_000))
    clock = SimpleNamespace(monotonic=lambda: 0.0, perf_counter=lambda: next(seconds))
    monkeypatch.setattr("trustd.repository.retention.time", clock)

    def prune(connection, before, now, most):
        batches.append(most)
        return prune_trail(connection, before, now, most)

    monkeypatch.setattr("trustd.repository.retention.prune_trail", prune)
    assert retention().run().dropped["audit"] == 200
    assert batches[:5] == [64, 32, 16, 8, 8]
