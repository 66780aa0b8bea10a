"""The repository's file: durable, checked, never silently replaced."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time

import pytest

from trustd.errors import StoreError, Unsettled
from trustd.model import GuestId
from trustd.repository import Database, Entry, Journal
from trustd.repository.migrations import MIGRATIONS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "trustd.db"


@pytest.fixture
def database(path):
    database = Database(path)
    yield database
    database.close()


def add(database, guest, at=1.0):
    return database.submit(
        lambda connection: connection.execute(
            "INSERT INTO transition (at, guest, name, kind, document) VALUES (?, ?, '', '', '')",
            (at, guest),
        )
    )


def count(database):
    with database.reading() as connection:
        return connection.execute("SELECT count(*) FROM transition").fetchone()[0]


def test_file_is_its_owners_alone(database, path):
    """Nobody but the daemon's user can read what is known of the guests."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_writes_of_many_threads_all_arrive(database):
    """Every submitted work is done, whichever thread it came from."""
    futures = []

    def submit(number):
        futures.extend(add(database, f"{number}-{each}") for each in range(50))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for future in futures:
        future.result(60)
    assert count(database) == 200


def test_failed_work_leaves_nothing_and_hurts_no_other(database):
    """A work that fails half-way is undone, told to its caller, and the next one succeeds."""

    def half(connection):
        connection.execute(
            "INSERT INTO transition (at, guest, name, kind, document) VALUES (1, 'x', '', '', '')"
        )
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        database.write(half)
    add(database, "next").result(60)
    assert count(database) == 1


def test_full_disk_is_an_error_that_goes_away(database):
    """While the file cannot grow, writes fail with a StoreError and say so; then they succeed."""
    database.write(lambda connection: connection.execute("PRAGMA max_page_count = 8"))
    with pytest.raises(StoreError, match="full"):
        database.write(
            lambda connection: connection.execute(
                "INSERT INTO engine VALUES (1, 0, ?)", (b"x" * 200_000,)
            )
        )
    assert "full" in database.error
    database.write(lambda connection: connection.execute("PRAGMA max_page_count = 100000"))
    add(database, "after").result(60)
    assert database.error == ""


def test_what_was_written_is_there_after_reopening(path):
    """A closed repository opens again with all that was submitted before the close."""
    first = Database(path)
    add(first, "a")
    first.close()
    second = Database(path)
    assert count(second) == 1
    second.close()


def test_readers_cannot_write(database):
    """A reading connection refuses to change anything."""
    with pytest.raises(StoreError), database.reading() as connection:
        connection.execute("DELETE FROM transition")


def test_damaged_file_is_refused_and_kept(path):
    """A file that is no sound database is an error that names it, and stays as it is."""
    database = Database(path)
    for each in range(500):
        add(database, f"guest-{each}", at=each)
    database.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"trustd\.db"):
        Database(path)
    assert path.read_bytes() == bytes(content)


def test_newer_schema_is_refused_and_kept(path):
    """A repository of a newer trustd is left alone, with a word on what to do."""
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer trustd"):
        Database(path)


def test_every_table_is_strict(database):
    """No column takes a value of another type than it declares."""
    with database.reading() as connection:
        tables = connection.execute("PRAGMA table_list").fetchall()
    mine = [row for row in tables if not row[1].startswith("sqlite_")]
    assert mine
    assert all(row[5] == 1 for row in mine)


def test_second_daemon_is_refused(database, path):
    """A repository in use cannot be opened again; the error says by whom, and what to do."""
    with pytest.raises(
        StoreError, match=rf"another trustd \(process {os.getpid()}\).*setting state"
    ):
        Database(path)
    add(database, "goes on").result(60)


def test_repository_of_a_killed_daemon_can_be_opened(path):
    """The lock of a process that was killed is gone with it; what it stored is there."""
    script = (
        "import os, pathlib, sys\n"
        "from trustd.repository import Database\n"
        "database = Database(pathlib.Path(sys.argv[1]))\n"
        "columns = '(at, guest, name, kind, document)'\n"
        "insert = f'INSERT INTO transition {columns} VALUES (1, 2, 3, 4, 5)'\n"
        "database.write(lambda connection: connection.execute(insert))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -9
    database = Database(path)
    assert count(database) == 1
    database.close()


def test_given_up_work_does_not_end_the_writer(database):
    """A caller that gives its work up before it began costs no later one its write."""
    began, go_on = threading.Event(), threading.Event()

    def slow(connection):
        began.set()
        go_on.wait(60)

    first = database.submit(slow)
    assert began.wait(60)
    assert add(database, "given up").cancel()
    last = add(database, "kept")
    go_on.set()
    first.result(60)
    last.result(60)
    assert count(database) == 1


def test_close_does_not_wait_for_a_dead_disk(path):
    """With a write that never ends, closing comes back in bounded time."""
    database = Database(path)
    go_on = threading.Event()
    database.submit(lambda connection: go_on.wait(60))
    began = time.monotonic()
    database.close(within=0.2)
    assert time.monotonic() - began < 30
    go_on.set()
    database.close()


def test_a_write_that_waits_too_long_is_not_done(database):
    """What had not begun by its deadline changes nothing, then and later."""
    gate = threading.Event()
    held = database.submit(lambda _: gate.wait(60))
    with pytest.raises(StoreError, match="does not answer") as told:
        database.write(
            lambda each: each.execute("UPDATE trail SET name = 'changed'"), deadline=0.05
        )
    assert not isinstance(told.value, Unsettled)
    gate.set()
    held.result(60)
    with database.reading() as connection:
        assert connection.execute("SELECT name FROM trail").fetchone() != ("changed",)


def test_a_write_that_has_begun_is_waited_for_or_said_to_be_unknown(database):
    """Once begun it is never called undone: its end is waited for, or nobody knows, and it says."""
    gate, begun = threading.Event(), threading.Event()

    def slowly(connection):
        begun.set()
        gate.wait(60)
        connection.execute("UPDATE trail SET name = 'changed'")

    with pytest.raises(Unsettled, match="not known whether"):
        database.write(slowly, deadline=1)
    assert begun.is_set()
    gate.set()
    assert database.write(lambda each: each.execute("SELECT name FROM trail").fetchone()) == (
        "changed",
    )
    gate.clear()
    threading.Timer(1.5, gate.set).start()
    database.write(slowly, deadline=1, patience=60)


def test_what_is_noted_beforehand_is_noted_in_time_or_never(database):
    """Who notes a change before making it hears within a deadline that it is not noted, and then it
    never is; otherwise it is on the disk."""
    journal, gate = Journal(database), threading.Event()
    entry = Entry(1.0, GuestId("a"), "web", "gate", {"do": "add"})
    held = database.submit(lambda _: gate.wait(60))
    with pytest.raises(StoreError, match="does not answer"):
        journal.write([entry], deadline=0.05)
    gate.set()
    held.result(60)
    assert not journal.of(GuestId("a"))
    journal.write([entry])
    assert journal.of(GuestId("a")) == [entry]
