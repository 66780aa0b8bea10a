"""What is over goes after its time: incidents, notices, and what other services said."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace

import orjson
import pytest

from tests.notify.conftest import notice
from trustd.model import Finding, GuestId, Severity
from trustd.model.incident import Conclusion, Incident, IncidentState, Mark
from trustd.repository import (
    Database,
    Entry,
    IncidentStore,
    Journal,
    Message,
    NoticeStore,
    Report,
    ReportState,
    ReportStore,
    SaidStore,
    Wanted,
    lapsing,
)
from trustd.repository.migrations import MIGRATIONS
from trustd.repository.retention import Bounds, Retention
from trustd.repository.storage import measured

DAY = 86400.0
AT = 1_790_000_000.0
KNOWN = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a55")
GONE = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a66")
BOUNDS = Bounds(
    (2 * DAY, 14 * DAY, 400 * DAY),
    183 * DAY,
    1000 * DAY,
    2.0**40,
    incidents=100 * DAY,
    notices=30 * DAY,
    evidence=90 * DAY,
    receivers=frozenset({"ops"}),
)


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path / "trustd.db")
    yield made
    made.close()


def retention(database: Database, bounds: Bounds = BOUNDS) -> Retention:
    return Retention(database, bounds, clock=lambda: AT, steady=lambda: 1000.0)


def run(database: Database, bounds: Bounds = BOUNDS) -> dict[str, int]:
    return retention(database, bounds).run().dropped


def known(database: Database, guest: GuestId) -> None:
    database.write(
        lambda each: each.execute(
            "INSERT INTO guest VALUES (?, 'web', ?, 0, 0, '{}', '{}')", (guest, AT)
        )
    )


def incident(number: int, guest: GuestId, ago: float, *, resolved: bool = True) -> Incident:
    at = AT - ago * DAY
    made = Incident(
        number, guest, "web", Severity.MAJOR, "it fell", at, None, marks=(Mark(at, "opened", "x"),)
    )
    if not resolved:
        return made
    return replace(
        made, state=IncidentState.RESOLVED, resolved=at, conclusion=Conclusion.FALSE_ALARM
    )


def numbers(database: Database) -> list[int]:
    return sorted(each.number for each in IncidentStore(database).newest(100))


def test_incidents_go_after_their_time_and_open_ones_never(database):
    """A resolved one goes by its age; open ones, a known guest's last and the newest do not."""
    known(database, KNOWN)
    IncidentStore(database).save(
        [
            incident(1, KNOWN, 900, resolved=False),
            incident(2, KNOWN, 800),
            incident(3, KNOWN, 700),
            incident(4, GONE, 600),
            incident(5, GONE, 50),
            incident(6, GuestId(""), 500),
            incident(7, GONE, 400),
        ],
        (),
    ).result(60)
    assert run(database)["incidents"] == 2
    # 3 is the known guest's last, 5 is young, 6 the host's last, 7 the newest of all
    assert numbers(database) == [1, 3, 5, 6, 7]
    assert IncidentStore(database).last() == 7


def test_of_too_many_incidents_the_oldest_go(database, monkeypatch):
    """However many are resolved within their time, their number is bounded."""
    monkeypatch.setattr(lapsing, "MOST_INCIDENTS", 3)
    IncidentStore(database).save(
        [incident(number, GONE, 20 - number) for number in range(1, 9)], ()
    ).result(60)
    run(database)
    assert numbers(database) == [6, 7, 8]


def test_an_older_schema_knows_when_incidents_were_resolved(tmp_path):
    """What an incident says of its end is kept beside it when the schema is brought up to date."""
    path = tmp_path / "older.db"
    kept = [
        (each.number, each.guest, each.open, orjson.dumps(each, default=list).decode())
        for each in (incident(1, GONE, 900), incident(2, GONE, 800, resolved=False))
    ]
    with sqlite3.connect(path) as connection:
        connection.executescript(";".join((*MIGRATIONS[:3], "PRAGMA user_version = 3")))
        connection.executemany("INSERT INTO incident VALUES (?, ?, ?, ?)", kept)
    connection.close()
    database = Database(path)
    try:
        assert numbers(database) == [1, 2]
        assert run(database)["incidents"] == 1
        assert numbers(database) == [2]
    finally:
        database.close()


def keys(database: Database) -> tuple[list[str], list[tuple[str, str]]]:
    store = NoticeStore(database)
    return [each.key for each in store.notices()], sorted(store.told())


def test_notices_that_last_are_kept_and_ended_ones_go(database):
    """An end that nobody could be told goes after its time; what lasts stays, told or not."""
    store = NoticeStore(database)
    for key, ends in (("lasts", 0.0), ("long over", 60.0), ("just over", 5.0)):
        made = notice(key, starts=AT - 200 * DAY)
        store.keep(made.over(AT - ends * DAY) if ends else made)
    store.tell("ops", notice("lasts"), AT - 200 * DAY)
    store.tell("left", notice("lasts"), AT - 200 * DAY)
    store.tell("left", notice("just over"), AT - 2 * DAY)
    store.tell("ops", notice("forgotten"), AT - 200 * DAY)
    run(database)
    assert keys(database) == (
        ["lasts", "just over"],
        [("left", "just over"), ("ops", "lasts")],
    )
    run(database, replace(BOUNDS, receivers=frozenset()))
    assert keys(database)[0] == ["just over"]


def report(sender: str, key: str, ago: float, holds: float = 3600.0, event: str = "") -> Message:
    at = AT - ago * DAY
    made = Finding(
        KNOWN, f"{sender}:scan", Severity.MAJOR, "intrusion", sender, at, "s", key, holds
    )
    entry = Entry(at, KNOWN, "web-1", "evidence", {})
    return Message(sender, event, Report(ReportState.OPEN, made), entry, "web-1")


def test_what_others_said_goes_after_its_time(database):
    """Said long ago and over: gone, and its message's identity too. Open or said again: kept."""
    store = ReportStore(database)
    for each in (
        report("ids", "old", 200, event="1"),
        report("ids", "long", 200, holds=366 * DAY, event="2"),
        report("ids", "again", 200, event="3"),
        report("ids", "again", 1, event="4"),
    ):
        store.keep([each])
    dropped = run(database)
    assert (dropped["evidence"], dropped["messages"]) == (1, 3)
    found = SaidStore(database).newest(Wanted(), now=AT)
    assert [(each.key, each.state, each.times) for each in found] == [
        ("again", "expired", 2),
        ("long", "open", 1),
    ]
    assert store.keep([report("ids", "again", 0, event="4")]) == [None]


def test_one_sender_crowds_out_nobody(database, monkeypatch):
    """Of a sender that says more than its share the oldest goes; of another nothing does."""
    monkeypatch.setattr(lapsing, "MOST_OF_SENDER", 3)
    ReportStore(database).keep(
        [report("loud", str(key), 10 - key) for key in range(8)] + [report("quiet", "k", 80)]
    )
    run(database)
    found = SaidStore(database).newest(Wanted(), now=AT)
    assert sorted((each.sender, each.key) for each in found) == [
        ("loud", "5"),
        ("loud", "6"),
        ("loud", "7"),
        ("quiet", "k"),
    ]


def test_what_all_of_it_takes_is_foreseen(database):
    """Incidents and reports have their size, their age and their cost a day, by which it adds."""
    NoticeStore(database).keep(notice("lasts"))
    IncidentStore(database).save(
        [incident(number, GONE, 20 - number) for number in range(1, 11)], ()
    ).result(60)
    ReportStore(database).keep([report("ids", str(key), 20 - key) for key in range(10)])
    kinds = {each.name: each for each in measured(database, BOUNDS, interval=5.0, guests=1).kinds}
    assert (kinds["incidents"].rows, kinds["evidence"].rows, kinds["notices"].rows) == (10, 10, 1)
    assert kinds["incidents"].oldest == AT - 19 * DAY
    assert kinds["incidents"].a_day == pytest.approx(kinds["incidents"].bytes / 9)
    assert kinds["evidence"].a_day == pytest.approx(kinds["evidence"].bytes / 9)
    assert (kinds["incidents"].kept, kinds["evidence"].kept) == (100 * DAY, 90 * DAY)


def test_a_stop_does_not_wait_for_a_long_run(database):
    """Halted in the midst of much to drop, a run ends after the batch under way."""
    entries = [Entry(AT - 200 * DAY, KNOWN, "web", "action", {"n": n}) for n in range(20_000)]
    Journal(database).append(entries).result(60)
    made, first = retention(database), threading.Event()
    submit = database.submit

    def told(work, **how):
        first.set()
        return submit(work, **how)

    database.submit = told
    runs: list[int] = []
    thread = threading.Thread(target=lambda: runs.append(made.run().dropped["audit"]))
    thread.start()
    assert first.wait(60)
    made.halt()
    thread.join(60)
    assert not thread.is_alive()
    assert runs
    assert runs[0] < 20_000
    assert made.run().dropped["audit"] == 0
