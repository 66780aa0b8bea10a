"""What a restart must not forget."""

from __future__ import annotations

import pytest

from trustd.model import GuestId
from trustd.repository import Database, Entry, GuestMemory, Journal, Memory

GUEST = GuestId("5ad9b6d1-0f33-4c6c-8a2c-6a1d2f1f3a55")


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "trustd.db")
    yield database
    database.close()


def test_nothing_is_known_at_first(database):
    """An empty repository says that it knows nothing, which is not an error."""
    assert Memory(database).engine() is None
    assert Memory(database).guests() == {}


def test_last_saved_state_is_recalled(database):
    """Saving again replaces what was saved before, for the engine and for each guest."""
    memory = Memory(database)
    for at in (1.0, 2.0):
        memory.save_engine(f"state {at}".encode(), at).result(10)
        memory.save_guests(
            [GuestMemory(GUEST, "web-1", at, at + 0.5, {"trust": at / 10}, {"on": [at]})]
        ).result(10)
    assert memory.engine() == (2.0, b"state 2.0")
    assert memory.guests() == {
        GUEST: GuestMemory(GUEST, "web-1", 2.0, 2.5, {"trust": 0.2}, {"on": [2.0]})
    }


def test_journal_keeps_order_and_hostile_names(database):
    """Entries come back newest first, and a guest's name is data whatever it holds."""
    journal = Journal(database)
    name = "x'); DROP TABLE transition; --\u202e\n"
    journal.append(
        [Entry(float(at), GUEST, name, "band", {"after": f"band-{at}"}) for at in range(3)]
    ).result(10)
    entries = journal.of(GUEST, most=2)
    assert [entry.document["after"] for entry in entries] == ["band-2", "band-1"]
    assert entries[0].name == name
