"""What guests ran with, and who took over from whom, on disk."""

from __future__ import annotations

import pytest

from trustd.model import GuestId
from trustd.repository import Alias, Aliases, Changes, Database, Holding, Kin, WallHistory

A, B = GuestId("a"), GuestId("b")
DISK = Alias("volume", "/pool/'a' [0]\"")
KIN = Kin(B, A, 20.0, DISK)


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "trustd.db")
    yield opened
    opened.close()


def held(guest, first, last=None):
    place = Holding(DISK, guest, first, first if last is None else last)
    return Changes(holdings={(DISK, guest): place})


def span(database, guest):
    with database.reading() as connection:
        return connection.execute(
            "SELECT first, last FROM alias WHERE guest = ?", (guest,)
        ).fetchone()


def test_first_and_last_are_kept(database):
    """Holders are found by alias, whatever is in a path; the first time stays, the last moves, and
    neither goes back."""
    for change in (held(A, 5.0), held(B, 7.0), held(A, 9.0), held(A, 6.0)):
        database.write(change.write)
    found = Aliases(database).holders({DISK, Alias("volume", "/other")})
    assert found == {DISK: {A: 9.0, B: 7.0}}
    assert span(database, A) == (5.0, 9.0)
    assert Aliases(database).latest() == 9.0


def test_what_waits_is_merged(database):
    """Two changes in one write say the same as two writes."""
    database.write(held(A, 9.0).after(held(A, 5.0)).write)
    assert span(database, A) == (5.0, 9.0)


def test_heirs_are_kept_and_bound(database):
    """An heir is found by its UUID, and is bound by what its forebear was bound to then; not by
    what binds the forebear later, and its own bindings stay."""

    def bind(guest, value):
        return lambda connection: connection.execute(
            "INSERT INTO wall VALUES ('guest', ?, 'banks', ?, 1.0)", (guest, value)
        )

    database.write(bind(A, "one"))
    database.write(bind(B, "own"))
    database.write(Changes(kin=(KIN,)).write)
    database.write(bind(A, "late"))
    assert Aliases(database).forebears({A, B}) == {B: {A: 20.0}}
    assert WallHistory(database).all()["guest", B] == {"banks": frozenset({"one", "own"})}
