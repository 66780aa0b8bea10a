"""Incidents on disk: each change with its lines in the journal, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future

import orjson
from pydantic import TypeAdapter, ValidationError

from trustd.errors import StoreError
from trustd.model import GuestId
from trustd.model.incident import Incident
from trustd.repository.database import Database
from trustd.repository.journal import Entry, journalled
from trustd.repository.trail import document_of

WITHIN = 2.0
"""Seconds for which somebody's act waits for the disk."""
_SHAPE = TypeAdapter(Incident)


class IncidentStore:
    """Keeps incidents, and reads them back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, incidents: Collection[Incident], entries: Collection[Entry]) -> Future[None]:
        """Keep incidents as they are now, without waiting for the disk."""
        return self._database.submit(_saving(incidents, entries))

    def act(self, incident: Incident, entry: Entry) -> None:
        """Keep what somebody did.

        Raises:
            Unsettled: it may be on the disk, or not.
            StoreError: it is not.
        """
        self._database.write(_saving((incident,), (entry,)), deadline=WITHIN)

    def get(self, number: int) -> Incident | None:
        """One incident; None where there is none.

        Raises:
            StoreError: it cannot be read.
        """
        found = self._read("WHERE number = ?", (number,))
        return found[0] if found else None

    def newest(self, most: int) -> Sequence[Incident]:
        """The last ones, newest first.

        Raises:
            StoreError: they cannot be read.
        """
        return self._read("ORDER BY number DESC LIMIT ?", (most,))

    def standing(self) -> Sequence[Incident]:
        """All that are open, and the last one of every guest; oldest first.

        Raises:
            StoreError: they cannot be read.
        """
        return self._read(
            "WHERE open OR number IN (SELECT max(number) FROM incident GROUP BY guest)"
            " ORDER BY number",
            (),
        )

    def last_of(self, guests: Collection[GuestId]) -> Sequence[Incident]:
        """The last one of each of these guests that ever had one; oldest first.

        Raises:
            StoreError: they cannot be read.
        """
        return self._read(
            "WHERE number IN (SELECT max(number) FROM incident"
            " WHERE guest IN (SELECT value FROM json_each(?)) GROUP BY guest) ORDER BY number",
            (orjson.dumps(list(guests)).decode(),),
        )

    def last(self) -> int:
        """The highest number that was given; 0 for none.

        Raises:
            StoreError: it cannot be read.
        """
        with self._database.reading() as connection:
            (found,) = connection.execute(
                "SELECT coalesce(max(number), 0) FROM incident"
            ).fetchone()
        return int(found)

    def journal(self, guest: GuestId, since: float, until: float, most: int) -> Sequence[Entry]:
        """What the journal has of a guest in a time, oldest first; of what is more, the oldest.

        What cannot be read has an empty document.

        Args:
            since, until: epoch seconds; both belong to it.

        Raises:
            StoreError: it cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT at, guest, name, kind, document FROM transition"
                " WHERE guest = ? AND at BETWEEN ? AND ? ORDER BY at, id LIMIT ?",
                (guest, since, until, most),
            ).fetchall()
        return [
            Entry(at, GuestId(id_), name, kind, document_of(document))
            for at, id_, name, kind, document in rows
        ]

    def _read(self, which: str, values: tuple[int | str, ...]) -> Sequence[Incident]:
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT document FROM incident {which}", values).fetchall()  # noqa: S608 - constants
        try:
            return [_SHAPE.validate_json(document) for (document,) in rows]
        except ValidationError as error:
            raise StoreError(
                f"{self._database.path}: an incident in it is not what trustd wrote: {error}"
            ) from error


def _saving(
    incidents: Collection[Incident], entries: Collection[Entry]
) -> Callable[[sqlite3.Connection], None]:
    # made at once: the writer may be behind
    rows = [
        (
            each.number,
            each.guest,
            each.open,
            orjson.dumps(each, default=list).decode(),
            each.resolved,
        )
        for each in incidents
    ]
    told = tuple(entries)

    def work(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO incident (number, guest, open, document, resolved)"
            " VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        journalled(connection, told)

    return work
