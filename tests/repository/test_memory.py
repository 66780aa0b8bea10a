"""What a restart must not forget."""

from __future__ import annotations

import _sqlite3
import ctypes
from math import nan

import pytest

from trustd.model import GuestId
from trustd.repository import Changes, Database, EngineState, Entry, GuestMemory, Journal, Memory

GUEST = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a55")
OTHER = GuestId("00000000-0f33-4c6c-8a2c-6a1d2f1f3a55")


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "trustd.db")
    yield database
    database.close()


def memory(guest=GUEST, name="web-1", age=0.5, history=None, **told):
    return GuestMemory(guest, name, 2.0, 2.5, age, {"on": [1.0]}, told, history)


def keep(database, *changes):
    for each in changes:
        database.write(each.write)


def test_nothing_is_known_at_first(database):
    """An empty repository says that it knows nothing, which is not an error."""
    assert Memory(database).engine() is None
    assert Memory(database).histories() == {}
    assert Memory(database).guests([GUEST]) == {}


def test_last_saved_state_is_recalled(database):
    """Saving again replaces what was saved before, for the engine and for each guest."""
    keep(
        database,
        Changes(EngineState(1.0, b"old", frozenset()), {GUEST: memory(name="old")}),
        Changes(EngineState(2.0, b"new", frozenset()), {GUEST: memory(lever="held")}),
    )
    assert Memory(database).engine() == b"new"
    assert Memory(database).guests([GUEST, OTHER]) == {GUEST: memory(lever="held")}


def test_state_that_was_saved_is_in_no_memory(database):
    """Of a large state nothing stays in SQLite's memory but what its cache may hold."""
    used = ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used
    used.restype = ctypes.c_int64
    keep(database, Changes(EngineState(1.0, b"small", frozenset())))
    before = used()
    large = bytes(16 << 20)
    keep(database, Changes(EngineState(2.0, large, frozenset())))
    assert used() - before < 4 << 20
    assert Memory(database).engine() == large


def test_guest_that_was_never_measured_is_recalled_so(database):
    """No measurement is kept as none, not as one of age 0."""
    keep(database, Changes(guests={GUEST: memory(age=nan)}))
    assert Memory(database).guests([GUEST])[GUEST].age != 0.0
    assert str(Memory(database).guests([GUEST])[GUEST].age) == "nan"


def test_history_is_kept_until_the_whole_engine_is_saved(database):
    """A guest's own document is there exactly as long as it is newer than the engine's state, or
    of a guest that is not in it."""
    both = {GUEST: memory(history={"v": 1}), OTHER: memory(OTHER, history={"v": 2})}
    keep(database, Changes(guests=both), Changes(guests={GUEST: memory()}))
    assert Memory(database).histories() == {GUEST: {"v": 1}, OTHER: {"v": 2}}
    keep(database, Changes(EngineState(3.0, b"all", frozenset([GUEST]))))
    assert Memory(database).histories() == {OTHER: {"v": 2}}
    assert Memory(database).guests([GUEST])[GUEST].history is None
    assert Memory(database).guests([OTHER])[OTHER].history == {"v": 2}


def test_merged_changes_say_what_one_after_the_other_would(database, tmp_path):
    """What could not be stored and is merged with later changes leaves what storing both leaves."""
    first = Changes(
        None,
        {GUEST: memory(history={"v": 1}), OTHER: memory(OTHER, history={"v": 1})},
        (Entry(1.0, GUEST, "web-1", "band", {"after": "a"}),),
    )
    second = Changes(
        EngineState(2.0, b"all", frozenset([GUEST])),
        {OTHER: memory(OTHER, name="renamed")},
        (Entry(2.0, GUEST, "web-1", "band", {"after": "b"}),),
    )
    third = Changes(guests={GUEST: memory(history={"v": 3})})
    one_by_one = Database(tmp_path / "other.db")
    keep(one_by_one, first, second, third)
    keep(database, third.after(second.after(first)))

    def all_of(each):
        kept = Memory(each)
        entries = [entry.document for entry in Journal(each).of(GUEST)]
        return kept.engine(), kept.histories(), kept.guests([GUEST, OTHER]), entries

    try:
        assert all_of(database) == all_of(one_by_one)
        assert all_of(database)[1] == {GUEST: {"v": 3}, OTHER: {"v": 1}}
    finally:
        one_by_one.close()


def test_journal_keeps_order_and_hostile_names(database):
    """Entries come back newest first, and a guest's name is data whatever it holds."""
    journal = Journal(database)
    name = "x'); DROP TABLE transition; --\u202e\n"
    journal.append(
        [Entry(float(at), GUEST, name, "band", {"after": f"band-{at}"}) for at in range(3)]
    ).result(60)
    entries = journal.of(GUEST, most=2)
    assert [entry.document["after"] for entry in entries] == ["band-2", "band-1"]
    assert entries[0].name == name
