"""Decisions that trustd gave to other services, the newest of them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from trustd.repository.database import Database

COLUMNS = (
    "at, caller, dialect, subject_type, subject, action, object_type, object,"
    " permit, reason, band, mode, policy"
)
"""Of the table, in the order of :class:`RulingRecord`."""


_PARTS = 100
"""A caller may have a part of so many of its bound more, until its oldest are dropped."""


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
        keep: how many of each caller are kept: nobody's asking crowds out what others asked.
    """

    def __init__(self, database: Database, keep: int) -> None:
        self._database = database
        self._keep = keep
        self._since: dict[str, int] = {}

    def append(self, records: Iterable[RulingRecord]) -> Future[None]:
        """Add records in their order, and now and then drop a caller's oldest beyond the bound.

        Once it is done, no end of the process loses them.
        """
        rows = tuple(records)
        keep, due = self._keep, self._due(rows)

        def work(connection: sqlite3.Connection) -> None:
            insert(connection, rows)
            for caller in due:
                connection.execute(
                    "DELETE FROM decision WHERE caller = ? AND id <= (SELECT id FROM decision"
                    " WHERE caller = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                    (caller, caller, keep),
                )

        return self._database.submit(work, synced=False)

    def _due(self, rows: Iterable[RulingRecord]) -> list[str]:
        """Callers that added so many since their oldest were looked for that they may go."""
        for caller, count in Counter(row.caller for row in rows).items():
            # of a caller that was not heard in this run it is not known how many there are
            self._since[caller] = self._since.get(caller, self._keep) + count
        every = max(1, self._keep // _PARTS)
        due = [caller for caller, count in self._since.items() if count >= every]
        self._since |= dict.fromkeys(due, 0)
        return due

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
