"""What the journal says of a time: who was there, with which labels, in which band."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from trustd.model import GuestId, ObjectRef
from trustd.repository.journal import Entry
from trustd.repository.rulings import COLUMNS, RulingRecord
from trustd.repository.trail import document_of
from trustd.repository.walls import Bound

RUN, SEEN, OBJECT, BAND, ACTION = "run", "seen", "object", "band", "action"
"""Kinds of entry from which a time is told again: a start of the daemon; a guest with its
labels, roles, state and band; the labels of an object; a guest's change of band; what was
done to a device of it."""

_READABLE = "iif(json_valid(document), json_type(document) = 'object', 0)"
"""What somebody tampered with tells nothing, and what was told before it counts."""
_ENTRY = f"SELECT at, guest, name, kind, document FROM transition WHERE {_READABLE}"  # noqa: S608 - constants
_LAST = "ORDER BY at DESC, id DESC LIMIT 1"


class Readable(Protocol):
    """A repository, as far as it is only read."""

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that sees one consistent state."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the daemon.

    Args:
        at: epoch seconds at which it began.
        heard: the last sign of the run before it; NaN where there was none.
    """

    at: float
    heard: float


class Past:
    """Reads what was; each call opens the file anew, and may be made from any thread.

    Every method raises ``StoreError`` where the repository cannot be read.
    """

    def __init__(self, database: Readable) -> None:
        self._database = database

    def runs(self, at: float) -> tuple[Run | None, Run | None]:
        """The run that had begun by a time, and the one that began next; None for none."""
        before = self._entry(f"{_ENTRY} AND kind = ? AND at <= ? {_LAST}", (RUN, at))
        after = self._entry(f"{_ENTRY} AND kind = ? AND at > ? ORDER BY at, id LIMIT 1", (RUN, at))
        return _run(before), _run(after)

    def heard(self) -> float | None:
        """The last sign of an earlier run of the daemon, in epoch seconds; None for none."""
        with self._database.reading() as connection:
            (found,) = connection.execute(
                "SELECT max(at) FROM (SELECT max(at) AS at FROM transition UNION ALL"
                " SELECT max(at) FROM decision UNION ALL SELECT max(saved) FROM engine UNION ALL"
                " SELECT max(heard) FROM guest)"
            ).fetchone()
        return found if found is None else float(found)

    def named(self, key: str, at: float) -> GuestId | None:
        """The guest that had this name, or has this UUID; None where none was known then."""
        for condition, given in (("guest = ?", key.lower()), ("name = ?", key)):
            found = self._entry(
                f"{_ENTRY} AND {condition} AND kind = ? AND at <= ? {_LAST}", (given, SEEN, at)
            )
            if found is not None:
                return found.guest
        return None

    def seen(self, guest: GuestId, at: float) -> Entry | None:
        """A guest as it was told of last."""
        return self._entry(
            f"{_ENTRY} AND guest = ? AND kind = ? AND at <= ? {_LAST}", (guest, SEEN, at)
        )

    def band(self, guest: GuestId, at: float) -> Entry | None:
        """A guest's last change of band."""
        return self._entry(
            f"{_ENTRY} AND guest = ? AND kind = ? AND at <= ? {_LAST}", (guest, BAND, at)
        )

    def told(self, guest: GuestId, kind: str, at: float, most: int) -> Sequence[Entry]:
        """The last entries of a kind about a guest by a time, newest first."""
        order = f"ORDER BY at DESC, id DESC LIMIT {most:d}"
        return self._entries(
            f"{_ENTRY} AND guest = ? AND kind = ? AND at <= ? {order}", (guest, kind, at)
        )

    def after(self, guest: GuestId, kind: str, at: float, most: int) -> Sequence[Entry]:
        """The first entries of a kind about a guest after a time, oldest first."""
        order = f"ORDER BY at, id LIMIT {most:d}"
        return self._entries(
            f"{_ENTRY} AND guest = ? AND kind = ? AND at > ? {order}", (guest, kind, at)
        )

    def deeds(self, guest: GuestId, at: float) -> Sequence[Entry]:
        """The last action on each device of a guest by a time, newest first.

        However many there were on others since: who makes one lever act over and over hides
        nothing behind it.
        """
        key = "json_extract(document, '$.lever'), json_extract(document, '$.device')"
        return self._latest(ACTION, key, at, guest)

    def everybody(self, at: float) -> Mapping[GuestId, Entry]:
        """Every guest as it was told of last."""
        return {entry.guest: entry for entry in self._latest(SEEN, "guest", at)}

    def objects(self, at: float) -> Mapping[ObjectRef, Mapping[str, str]]:
        """The labels that every object had.

        A record that somebody tampered with tells nothing; the audit trail names it.
        """
        key = "json_extract(document, '$.type', '$.id')"
        found = (entry.document for entry in self._latest(OBJECT, key, at))
        return {
            ObjectRef(each["type"], each["id"]): each["labels"] for each in found if _labelled(each)
        }

    def bound(self, kind: str, subject: str, at: float) -> Bound:
        """What a subject was bound to by history walls."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT wall, value FROM wall WHERE type = ? AND subject = ? AND at <= ?",
                (kind, subject, at),
            ).fetchall()
        found: dict[str, frozenset[str]] = {}
        for wall, value in rows:
            found[wall] = found.get(wall, frozenset()) | {value}
        return found

    def ruling(
        self, guest: GuestId, action: str, target: ObjectRef, at: float
    ) -> RulingRecord | None:
        """The last decision on this very question that was recorded by then."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {COLUMNS} FROM decision WHERE subject_type = 'guest'"  # noqa: S608 - a constant
                " AND subject = ? AND action = ? AND object_type = ? AND object = ? AND at <= ?"
                " ORDER BY id DESC LIMIT 1",
                (guest, action, target.type, target.id, at),
            ).fetchone()
        return RulingRecord(*row)._replace(permit=bool(row[8])) if row else None

    def _entries(self, query: str, given: tuple[Any, ...]) -> list[Entry]:
        with self._database.reading() as connection:
            return [_entry(row) for row in connection.execute(query, given).fetchall()]

    def _entry(self, query: str, given: tuple[Any, ...]) -> Entry | None:
        with self._database.reading() as connection:
            row = connection.execute(query, given).fetchone()
        return None if row is None else _entry(row)

    def _latest(self, kind: str, key: str, at: float, guest: GuestId | None = None) -> list[Entry]:
        """The last entry of a kind for each value of ``key``, an SQL expression, newest first.

        Args:
            guest: None for all of them.
        """
        which, given = ("", ()) if guest is None else (" AND guest = ?", (guest,))
        with self._database.reading() as connection:
            rows: list[sqlite3.Row] = connection.execute(
                "SELECT at, guest, name, kind, document FROM (SELECT *, row_number() OVER"  # noqa: S608 - constants
                f" (PARTITION BY {key} ORDER BY at DESC, id DESC) AS place FROM transition"
                f" WHERE {_READABLE} AND kind = ? AND at <= ?{which}) WHERE place = 1"
                " ORDER BY at DESC, id DESC",
                (kind, at, *given),
            ).fetchall()
        return [_entry(row) for row in rows]


def _entry(row: sqlite3.Row | tuple[Any, ...]) -> Entry:
    at, guest, name, kind, document = row
    return Entry(at, GuestId(guest), name, kind, document_of(document))


def _labelled(document: Mapping[str, Any]) -> bool:
    kinds = (("type", str), ("id", str), ("labels", dict))
    return all(isinstance(document.get(name), kind) for name, kind in kinds)


def _run(entry: Entry | None) -> Run | None:
    if entry is None:
        return None
    heard = entry.document.get("heard")
    return Run(entry.at, float("nan") if heard is None else heard)
