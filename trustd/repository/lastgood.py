"""The last policy that was in force, for a start at which the file is wrong."""

from __future__ import annotations

import sqlite3
from concurrent.futures import Future
from dataclasses import dataclass

from trustd.repository.database import Database


@dataclass(frozen=True, slots=True)
class GoodPolicy:
    """The text of a policy that was in force.

    Args:
        at: epoch seconds at which it came into force.
        path: where it was read.
    """

    at: float
    path: str
    text: str


class LastGood:
    """Keeps one policy's text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, policy: GoodPolicy) -> Future[None]:
        """Keep this one instead of the one before."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO policy VALUES (1, ?, ?, ?)",
                (policy.at, policy.path, policy.text),
            )

        return self._database.submit(work)

    def get(self) -> GoodPolicy | None:
        """The one that was kept last; None if none ever was.

        Raises:
            StoreError: it cannot be read.
        """
        with self._database.reading() as connection:
            row = connection.execute("SELECT at, path, text FROM policy").fetchone()
        return GoodPolicy(*row) if row else None
