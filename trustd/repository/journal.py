"""What was decided and done, in order: never changed, only added to, and linked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import orjson

from trustd.model import GuestId
from trustd.repository.database import BUSY_SECONDS, Database
from trustd.repository.trail import Record, Start, document_of, linked

COLUMNS = "id, at, guest, name, kind, document, hash"
"""Of the table, in the order of :class:`Record`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: of a guest's band, on its devices, or by an administrator.

    Args:
        at: epoch seconds.
        guest, name: whom it is about; empty where it is about no guest.
        kind: ``band``, ``action``, ``kin`` (a guest took over from another), ``label``,
            ``acknowledge`` (an operator's word),
            ``override``, ``protect``, ``pause``, ``hold`` (operators' orders),
            ``refused`` (a change that somebody asked for who may not), ``admission`` (who
            was let in or not, or may not be managed), ``evidence`` (what another service
            reported), ``incident`` (what became of one, or what somebody did to it),
            ``pruned`` (older records are gone), ``restored`` (a backup was), or one of
            those in :mod:`trustd.repository.past`.
        document: what was before, what is after, why, in which mode, by which policy.
    """

    at: float
    guest: GuestId
    name: str
    kind: str
    document: dict[str, Any]


class Journal:
    """Appends entries, and reads them back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, entries: Iterable[Entry]) -> Future[None]:
        """Add entries in their order."""
        kept = tuple(entries)
        return self._database.submit(lambda connection: journalled(connection, kept))

    def write(self, entries: Iterable[Entry], *, deadline: float = BUSY_SECONDS) -> None:
        """Add entries, and wait until they are on the disk: for what is noted before it is done.

        Args:
            deadline: seconds; what has not begun by then is not written at all.

        Raises:
            Unsettled: it is not known whether they are.
            StoreError: they are not.
        """
        kept = tuple(entries)
        self._database.write(lambda connection: journalled(connection, kept), deadline=deadline)

    def of(self, guest: GuestId, most: int = 100) -> Sequence[Entry]:
        """A guest's last entries, newest first; what cannot be read has an empty document."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT at, guest, name, kind, document FROM transition WHERE guest = ?"
                " ORDER BY id DESC LIMIT ?",
                (guest, most),
            ).fetchall()
        return [
            Entry(at, GuestId(id_), name, kind, document_of(document))
            for at, id_, name, kind, document in rows
        ]


def journalled(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Add entries within a transaction that is open, each linked to the one before."""
    start = start_of(connection)
    last = connection.execute(
        "SELECT id, hash FROM transition WHERE id >= ? ORDER BY id DESC LIMIT 1", (start.first,)
    ).fetchone()
    place, before = last or (start.first - 1, start.before)
    records = []
    for entry in entries:
        place += 1
        document = orjson.dumps(entry.document).decode()
        bare = Record(place, entry.at, entry.guest, entry.name, entry.kind, document, b"")
        before = linked(before, bare)
        records.append(bare._replace(hash=before))
    connection.executemany(
        f"INSERT INTO transition ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        records,
    )


def start_of(connection: sqlite3.Connection) -> Start:
    """Where the trail begins; what the journal holds from before it is not linked."""
    name, first, before = connection.execute("SELECT name, first, before FROM trail").fetchone()
    return Start(name, first, before)
