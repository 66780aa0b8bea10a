"""By what else than its UUID a guest is known: what it ran with, and whom it took over from."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from trustd.model import GuestId
from trustd.repository.database import Database


class Alias(NamedTuple):
    """Something that a guest runs with, and that another guest may run with later.

    Args:
        kind: ``volume``, ``firmware`` or ``tpm``; ``backing`` for what one of its disks
            is an overlay of.
        identity: on this host.
    """

    kind: str
    identity: str


Hold = tuple[Alias, GuestId]
"""Something, and a guest that may have run with it."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A guest that ran with it.

    Args:
        first, last: epoch seconds of the first and the last time that it was seen so.
    """

    alias: Alias
    guest: GuestId
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Kin:
    """A guest that took over what another one ran with.

    Args:
        at: epoch seconds.
        alias: what it was.
    """

    heir: GuestId
    forebear: GuestId
    at: float
    alias: Alias


class Aliases:
    """Reads both. A guest may come back late: it is kept for as long as the retention says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def holders(self, aliases: Collection[Alias]) -> Mapping[Alias, Mapping[GuestId, float]]:
        """Who ran with these, and until when in epoch seconds.

        Raises:
            StoreError: the repository cannot be read.
        """
        wanted = orjson.dumps([list(each) for each in aliases]).decode()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT kind, identity, guest, last FROM alias WHERE (kind, identity) IN"
                " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]')"
                " FROM json_each(?))",
                (wanted,),
            ).fetchall()
        found: dict[Alias, dict[GuestId, float]] = {}
        for kind, identity, guest, last in rows:
            found.setdefault(Alias(kind, identity), {})[GuestId(guest)] = last
        return found

    def held(self, asked: Collection[Hold]) -> Mapping[Hold, float]:
        """Until when in epoch seconds these guests ran with these, where they ever did.

        Raises:
            StoreError: the repository cannot be read.
        """
        wanted = orjson.dumps([[*alias, guest] for alias, guest in asked]).decode()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT kind, identity, guest, last FROM alias WHERE (kind, identity, guest) IN"
                " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
                " json_extract(value, '$[2]') FROM json_each(?))",
                (wanted,),
            ).fetchall()
        return {
            (Alias(kind, identity), GuestId(guest)): last for kind, identity, guest, last in rows
        }

    def forebears(self, heirs: Collection[GuestId]) -> Mapping[GuestId, Mapping[GuestId, float]]:
        """From whom these took over, and when in epoch seconds.

        Raises:
            StoreError: the repository cannot be read.
        """
        wanted = orjson.dumps(list(heirs)).decode()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT heir, forebear, at FROM kin WHERE heir IN (SELECT value FROM json_each(?))",
                (wanted,),
            ).fetchall()
        found: dict[GuestId, dict[GuestId, float]] = {}
        for heir, forebear, at in rows:
            found.setdefault(GuestId(heir), {})[GuestId(forebear)] = at
        return found

    def latest(self) -> float:
        """The last time that was entered, in epoch seconds; 0 for none.

        Raises:
            StoreError: the repository cannot be read.
        """
        with self._database.reading() as connection:
            (last,) = connection.execute("SELECT coalesce(max(last), 0.0) FROM alias").fetchone()
        return float(last)


def keep_holdings(connection: sqlite3.Connection, holdings: Iterable[Holding]) -> None:
    """Keep what guests run with, within a transaction that is open."""
    connection.executemany(
        "INSERT INTO alias VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " first = min(first, excluded.first), last = max(last, excluded.last)",
        [(*each.alias, each.guest, each.first, each.last) for each in holdings],
    )


def keep_kin(connection: sqlite3.Connection, kin: Iterable[Kin]) -> None:
    """Keep who took over from whom, within a transaction that is open.

    What the forebear is bound to by history walls binds the heir from now on.
    """
    for each in kin:
        connection.execute(
            "INSERT INTO kin VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " at = excluded.at, kind = excluded.kind, identity = excluded.identity",
            (each.heir, each.forebear, each.at, *each.alias),
        )
        connection.execute(
            "INSERT OR IGNORE INTO wall SELECT type, ?, wall, value, ? FROM wall"
            " WHERE type = 'guest' AND subject = ?",
            (each.heir, each.at, each.forebear),
        )
