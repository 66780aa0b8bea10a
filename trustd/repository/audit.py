"""Reads the audit trail: a page of it, all of it, and whether it is what was written."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from trustd.errors import StoreError
from trustd.repository.database import Database
from trustd.repository.journal import COLUMNS, start_of
from trustd.repository.present import Present, replayed
from trustd.repository.trail import Anchor, Record, Start, Verdict, verified


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted; what is left out means any.

    Args:
        since, until: epoch seconds.
    """

    guest: str | None = None
    kind: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record's place and hash; of a trail without records, its start's."""

    trail: str
    id: int
    hash: bytes


class Audit:
    """The trail, for readers; from any thread.

    Every method raises:
        StoreError: the repository cannot be read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._halted = threading.Event()

    def page(self, wanted: Filter, *, after: int = 0, most: int = 100) -> Sequence[Record]:
        """Records after a place, oldest first."""
        with self._database.reading() as connection:
            return _chosen(connection, wanted, after, "ASC", most)

    def last(self, wanted: Filter, most: int = 100) -> Sequence[Record]:
        """The newest records, oldest first."""
        with self._database.reading() as connection:
            return _chosen(connection, wanted, -1, "DESC", most)[::-1]

    def head(self) -> Head:
        """Where the trail ends now."""
        with self._database.reading() as connection:
            start = start_of(connection)
            row = connection.execute(
                "SELECT id, hash FROM transition WHERE id >= ? ORDER BY id DESC LIMIT 1",
                (start.first,),
            ).fetchone()
        place, digest = row or (start.first - 1, start.before)
        return Head(start.trail, place, digest)

    def start(self) -> Start:
        """Where what is kept of the trail begins."""
        with self._database.reading() as connection:
            return start_of(connection)

    def verify(self, anchors: Sequence[Anchor] = ()) -> Verdict:
        """Check all of it, a record at a time.

        Args:
            anchors: whose signatures are good. One of a place that was pruned says
                nothing any more, and is passed over.
        """
        with self._database.reading() as connection:
            connection.execute("BEGIN")  # one state from the first to the last record
            return verify_all(connection, anchors, self._halted)

    def replayed(self, until: float = inf) -> Present:
        """The state that the trail adds up to; its records are read one by one.

        Args:
            until: epoch seconds; later records are left out.
        """
        with self._database.reading() as connection:
            connection.execute("BEGIN")  # one state from the first to the last record
            return replayed(_all(connection, 0, self._halted), until=until)

    def halt(self) -> None:
        """Have checks that are under way, and later ones, given up; from any thread."""
        self._halted.set()


def verify_all(
    connection: sqlite3.Connection,
    anchors: Sequence[Anchor] = (),
    halted: threading.Event | None = None,
) -> Verdict:
    """Check the whole trail that a connection reads.

    Raises:
        StoreError: it was given up.
    """
    start = start_of(connection)
    kept = [each for each in anchors if each.trail != start.trail or each.id >= start.first]
    return verified(_all(connection, start.first, halted), start, kept)


def _chosen(
    connection: sqlite3.Connection, wanted: Filter, after: int, order: str, most: int
) -> list[Record]:
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM transition WHERE id > ?"  # noqa: S608 - constants
        " AND (? IS NULL OR guest = ?) AND (? IS NULL OR kind = ?)"
        f" AND (? IS NULL OR at >= ?) AND (? IS NULL OR at < ?) ORDER BY id {order} LIMIT ?",
        (
            after,
            *(wanted.guest, wanted.guest),
            *(wanted.kind, wanted.kind),
            *(wanted.since, wanted.since),
            *(wanted.until, wanted.until),
            most,
        ),
    )
    return [Record(*row) for row in rows]


def _all(
    connection: sqlite3.Connection, first: int, halted: threading.Event | None
) -> Iterator[Record]:
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM transition WHERE id >= ? ORDER BY id",  # noqa: S608 - a constant
        (first,),
    )
    for row in rows:
        if halted is not None and halted.is_set():
            raise StoreError("the check of the audit trail was given up: trustd ends")
        yield Record(*row)
