"""While the repository takes no writes the line goes on, says so, and loses nothing."""

from __future__ import annotations

import threading

import pytest

from tests.pipeline.scripted import TOO_MUCH, guest_id, web
from trustd.errors import StoreError
from trustd.pipeline import keeping

A, B, C = (guest_id(number) for number in range(3))


def full(rig):
    """No page can be added to the file any more."""
    rig.land()
    pages = rig.database.write(
        lambda connection: connection.execute("PRAGMA page_count").fetchone()[0]
    )
    rig.database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"))


def room(rig):
    rig.database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))


def read_only(rig):
    rig.land()
    rig.database.write(lambda connection: connection.execute("PRAGMA query_only = ON"))


def writable(rig):
    rig.database._writer.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize(("break_it", "mend"), [(full, room), (read_only, writable)])
def test_failing_store_stops_nothing_and_loses_nothing(rig, break_it, mend):
    """Ticks go on, a guest that falls is narrowed, the error is shown; when there is room again it
    is gone, and the journal has everything, once, in its order."""
    break_it(rig)
    for number in range(40):
        rig.hypervisor.change(web(100 + number))
        rig.hypervisor.writes[A] = TOO_MUCH if number % 20 < 5 else 0.0
        fleet = rig.tick()
        if number == 1:
            assert rig.sent() == {"web-0"}
    rig.settle()
    fleet = rig.tick()
    assert fleet.store_error
    assert len(fleet.guests) == 43
    mend(rig)
    for _ in range(3):
        fleet = rig.tick()
        rig.settle()
    assert rig.tick().store_error == ""
    told = [(each.document["before"], each.document["after"]) for each in rig.journal(A, "band")]
    assert told[:4] == [
        ("trusted", "guarded"),
        ("guarded", "trusted"),
        ("trusted", "guarded"),
        ("guarded", "trusted"),
    ]
    rig.restart()
    assert set(rig.tick().guests) == set(fleet.guests)
    assert rig.bands()["web-0"] == "trusted"


def test_slow_disk_holds_no_tick_up(rig, monkeypatch):
    """While a write does not come back ticks go on, what waits is merged, and after a while the
    operator is told."""
    go_on = threading.Event()
    rig.land()
    rig.database.submit(lambda connection: go_on.wait(30))
    rig.hypervisor.writes[A] = TOO_MUCH
    assert rig.tick(3).store_error == ""
    monkeypatch.setattr(keeping, "LATE", 0.0)
    rig.hypervisor.writes.clear()
    assert "taken more than" in rig.tick(40).store_error
    go_on.set()
    monkeypatch.setattr(keeping, "LATE", 30.0)
    told = [each.document["after"] for each in rig.journal(A, "band")]
    assert told == ["guarded", "trusted"]
    assert rig.tick().store_error == ""


def test_history_that_cannot_be_read_now_counts_later(rig, monkeypatch):
    """A guest that returns while the repository cannot be read is watched at once, as one of which
    nothing is known; as soon as it can be read again what is against it counts."""
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    rig.hypervisor.undefine(A)
    rig.tick(4, seconds=250.0)
    rig.land()

    def unreadable(guests):
        raise StoreError("disk I/O error")

    store = rig.line._stages.keeping
    monkeypatch.setattr(store._memory, "guests", unreadable)
    rig.hypervisor.writes.clear()
    rig.hypervisor.change(web(0))
    assert not rig.tick(2).guests[A].findings
    rig.line.save()
    monkeypatch.undo()
    assert rig.tick(2).guests[A].findings
    assert rig.bands()["web-0"] != "trusted"


def test_closing_stores_what_waited(rig):
    """What waited for the store at the end is written before the daemon ends, if it can be."""
    read_only(rig)
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(3)
    rig.settle()
    writable(rig)
    rig.stop()
    rig.start()
    assert [each.document["after"] for each in rig.journal(A, "band")] == ["guarded"]


def test_memory_of_what_waits_is_bounded(rig, monkeypatch):
    """However long the store fails, the journal's waiting entries are at most so many."""
    monkeypatch.setattr(keeping, "MOST_ENTRIES", 10)
    read_only(rig)
    for number in range(60):
        rig.hypervisor.writes[A] = TOO_MUCH if number % 20 < 5 else 0.0
        rig.tick()
        rig.settle()
    rig.tick()
    assert len(rig.line._stages.keeping._waiting.entries) <= 20
    writable(rig)
