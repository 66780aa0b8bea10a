"""Backup and restore: whole, checked, private, and nothing is ever lost by them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading

import pytest

from trustd.errors import StoreError
from trustd.model import GuestId, Intent
from trustd.repository import Audit, Database, Entry, Filter, IntentLedger, Journal
from trustd.repository.backup import back_up, inspect, restore
from trustd.repository.migrations import MIGRATIONS

GUEST = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a55")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "trustd.db"


@pytest.fixture
def database(path):
    made = Database(path)
    journal(made, 20)
    yield made
    made.close()


@pytest.fixture
def copy(path, tmp_path):
    """A backup of twenty records; the repository is closed after another five."""
    database, target = Database(path), tmp_path / "copy.db"
    journal(database, 20)
    back_up(database.path, target)
    journal(database, 5)
    database.close()
    return target


def journal(database, count):
    entries = [Entry(1000.0 + number, GUEST, "web-1", "label", {}) for number in range(count)]
    Journal(database).append(entries).result(60)


def intent(device, at=1.0):
    return Intent(GUEST, "disk-throttle", device, "run", {"write_bytes_sec": 7}, ({},), at)


def reopened(path):
    database = Database(path)
    try:
        return Audit(database).verify(), IntentLedger(database).intents()
    finally:
        database.close()


def test_a_backup_of_a_repository_in_use_is_whole(database, tmp_path):
    """While others write, the copy is one moment: sound, its trail unbroken, private."""
    end = threading.Event()
    started = threading.Event()

    def write():
        while not end.is_set():
            journal(database, 3)
            started.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert started.wait(60)
        target = tmp_path / "copy.db"
        made = back_up(database.path, target)
    finally:
        end.set()
        writer.join()
    assert made.records >= 20
    assert made.records < Audit(database).verify().records + 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert inspect(target).head == made.head
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "state"]


def test_a_backup_replaces_nothing_unless_forced(database, tmp_path):
    """A file that is there stays as it is; with force it is replaced by a good copy."""
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(StoreError, match="there is such a file"):
        back_up(database.path, target)
    assert target.read_text() == "precious"
    back_up(database.path, target, force=True)
    assert inspect(target).records == 20


def test_a_backup_that_is_not_sound_is_none(database, tmp_path):
    """A trail that was tampered with is told when it is copied, and the old copy stays."""
    target = tmp_path / "copy.db"
    back_up(database.path, target)
    before = target.read_bytes()
    with sqlite3.connect(database.path) as connection:
        connection.execute("UPDATE transition SET document = '{\"x\":1}' WHERE id = 7")
    with pytest.raises(StoreError, match="record 7"):
        back_up(database.path, target, force=True)
    assert target.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "state"]


def test_what_is_no_repository_is_refused(tmp_path):
    """A missing file, another file and another database: named, and nothing is made."""
    other = tmp_path / "other.db"
    with pytest.raises(StoreError, match="unable to open"):
        inspect(other)
    assert not other.exists()
    other.write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="not a database"):
        inspect(other)
    other.unlink()
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE x (y)")
    with pytest.raises(StoreError, match="schema 0"):
        inspect(other)


def test_going_back_keeps_what_was_there(path, copy):
    """After a restore the copy is in use, with a record of it, and the other one lies beside."""
    done = restore(copy, path, user=os.getuid())
    verdict, _ = reopened(path)
    assert (verdict.records, verdict.faults) == (21, ())
    database = Database(path)
    try:
        (told,) = Audit(database).last(Filter(kind="restored"))
        assert f'"uid":{os.getuid()}' in told.document
    finally:
        database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert inspect(done.aside).records == 25
    assert inspect(copy).records == 20, "the copy can be used again"


def test_what_is_in_force_can_still_be_undone(path, copy):
    """Devices that were narrowed since the backup keep their prior states."""
    database = Database(path)
    IntentLedger(database).record(intent("vda"))
    database.close()
    assert restore(copy, path, user=0).intents == 1
    _, intents = reopened(path)
    assert [(each.device, each.prior) for each in intents] == [("vda", {"write_bytes_sec": 7})]


def test_a_damaged_repository_is_kept_aside(path, copy):
    """Restoring over a file that cannot be read keeps it too, and what the copy says is taken."""
    path.write_bytes(b"ruined" * 1000)
    done = restore(copy, path, user=0)
    assert done.aside.read_bytes() == b"ruined" * 1000
    verdict, _ = reopened(path)
    assert verdict.faults == ()


def test_nobody_restores_under_a_running_daemon(database, tmp_path):
    """While a daemon has the repository open, restoring is refused and changes nothing."""
    target = tmp_path / "copy.db"
    back_up(database.path, target)
    with pytest.raises(StoreError, match="another trustd"):
        restore(target, database.path, user=0)
    journal(database, 1)
    assert Audit(database).verify().records == 21


def test_a_bad_copy_is_not_restored(path, copy):
    """A copy with a broken trail, or a newer schema, leaves everything as it was."""
    before = path.read_bytes()
    for statement, what in (
        ("DELETE FROM transition WHERE id = 3", "record 3 is missing"),
        (f"PRAGMA user_version = {len(MIGRATIONS) + 1}", "schema"),
    ):
        bad = copy.with_name("bad.db")
        bad.write_bytes(copy.read_bytes())
        with sqlite3.connect(bad) as connection:
            connection.execute(statement)
        connection.close()
        with pytest.raises(StoreError, match=what):
            restore(bad, path, user=0)
        assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir() if "before" in each.name] == []


def test_a_copy_of_an_older_trustd_is_brought_up_to_date(path, tmp_path):
    """An older schema is migrated on the way, and the copy itself stays old."""
    old = tmp_path / "old.db"
    with sqlite3.connect(old) as connection:
        connection.executescript(f"{MIGRATIONS[0]};{MIGRATIONS[1]};PRAGMA user_version = 2")
    connection.close()
    path.parent.mkdir(mode=0o700)
    restore(old, path, user=0)
    verdict, _ = reopened(path)
    assert (verdict.records, verdict.faults) == (1, ())
    assert inspect(old).schema == 2


@pytest.mark.parametrize("renames", range(4))
def test_a_restore_that_is_cut_off_begins_no_new_repository(path, copy, monkeypatch, renames):
    """Killed between any two renames, nothing is lost: refused with a way out, and done again."""

    class Killed(BaseException):
        pass

    database = Database(path)
    IntentLedger(database).record(intent("vda"))
    left = count = 0
    # as after kill -9: with a log that holds what the file does not
    for ending in ("", "-wal", "-shm"):
        beside = path.with_name(f"{path.name}{ending}")
        beside.with_name(f"kept{ending}").write_bytes(beside.read_bytes())
    database.close()
    for ending in ("", "-wal", "-shm"):
        path.with_name(f"kept{ending}").replace(path.with_name(f"{path.name}{ending}"))
        left += 1
    assert left == 3
    done = os.rename, os.replace

    def cut(which):
        def act(*arguments, **more):
            nonlocal count
            if count == renames:
                raise Killed
            count += 1
            return done[which](*arguments, **more)

        return act

    monkeypatch.setattr("trustd.repository.backup._scratch", contextlib.nullcontext)
    monkeypatch.setattr(os, "rename", cut(0))
    monkeypatch.setattr(os, "replace", cut(1))
    with pytest.raises(Killed):
        restore(copy, path, user=0)
    monkeypatch.undo()
    if renames:
        with pytest.raises(StoreError, match=r"a restore was cut off.*trustctl restore again"):
            Database(path)
        assert not path.exists()
    restored = restore(copy, path, user=0)
    assert restored.intents == 1
    verdict, intents = reopened(path)
    assert verdict.faults == ()
    assert [each.device for each in intents] == ["vda"]
    assert [each.device for each in reopened(restored.aside)[1]] == ["vda"]


def test_a_log_without_its_file_is_refused(path, copy):
    """Where the file is gone and its log is not, no new one is begun under that log."""
    path.with_name(f"{path.name}-wal").write_bytes(b"x" * 100)
    path.unlink()
    with pytest.raises(StoreError, match=r"its log trustd\.db-wal is there"):
        Database(path)
    assert not path.exists()


def test_a_restore_that_fails_at_the_end_puts_back_what_was_there(path, copy, monkeypatch):
    """Where the copy cannot take the place, the repository that was there has it again."""

    def failing(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(StoreError, match="Nothing was changed"):
        restore(copy, path, user=0)
    monkeypatch.undo()
    verdict, _ = reopened(path)
    assert (verdict.records, verdict.faults) == (25, ())
