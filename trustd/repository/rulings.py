"""Decisions that trustd gave to other services, the newest of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from trustd.repository.database import Database

COLUMNS = (
    "at, caller, dialect, subject_type, subject, action, object_type, object,"
    " permit, reason, band, mode, policy"
)
"""Of the table, in the order of :class:`RulingRecord`."""


class RulingRecord(NamedTuple):
    """One decision, without anything that the caller sent beside the question.

    Args:
        at: epoch seconds.
        caller: the registered caller's name; empty for an unregistered one.
        policy: sha256 of the policy that decided.
    """

    at: float
    caller: str
    dialect: str
    subject_type: str
    subject: str
    action: str
    object_type: str
    object: str
    permit: bool
    reason: str
    band: str
    mode: str
    policy: str


class RulingLog:
    """Appends records and reads them back.

    Args:
        keep: how many are kept.
    """

    def __init__(self, database: Database, keep: int) -> None:
        self._database = database
        self._keep = keep

    def append(self, records: Iterable[RulingRecord]) -> Future[None]:
        """Add records in their order, and drop the oldest beyond the bound.

        Once it is done, no end of the process loses them.
        """
        rows = tuple(records)
        keep = self._keep

        def work(connection: sqlite3.Connection) -> None:
            insert(connection, rows)
            connection.execute(
                "DELETE FROM decision WHERE id <= (SELECT max(id) FROM decision) - ?", (keep,)
            )

        return self._database.submit(work, synced=False)

    def last(
        self, *, subject: str | None = None, permit: bool | None = None, most: int = 100
    ) -> Sequence[RulingRecord]:
        """The newest records first.

        Raises:
            StoreError: they cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM decision"  # noqa: S608 - a constant
                " WHERE (:subject IS NULL OR subject = :subject)"
                " AND (:permit IS NULL OR permit = :permit) ORDER BY id DESC LIMIT :most",
                {"subject": subject, "permit": permit, "most": most},
            ).fetchall()
        return [RulingRecord(*row)._replace(permit=bool(row[8])) for row in rows]


def insert(connection: sqlite3.Connection, records: Iterable[RulingRecord]) -> None:
    """Add records within a transaction that is open."""
    connection.executemany(
        f"INSERT INTO decision ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        records,
    )
