"""What each subject is bound to by history walls: only ever added to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from concurrent.futures import Future

from trustd.repository.database import Database
from trustd.repository.rulings import RulingRecord, insert

Bound = Mapping[str, frozenset[str]]
"""By wall, the values that a subject is bound to."""


class WallHistory:
    """Keeps bindings, each with the record of the permit that made it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def bind(self, bindings: Iterable[tuple[str, str]], record: RulingRecord) -> Future[None]:
        """Bind the subject of a permit; on the disk, with its record, when the future is done.

        Args:
            bindings: (wall, value) pairs.
        """
        rows = [
            (record.subject_type, record.subject, wall, value, record.at)
            for wall, value in bindings
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR IGNORE INTO wall VALUES (?, ?, ?, ?, ?)", rows)
            insert(connection, (record,))

        return self._database.submit(work)

    def all(self) -> Mapping[tuple[str, str], Bound]:
        """Every binding, by the subject's type and identity.

        Raises:
            StoreError: they cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT type, subject, wall, value FROM wall").fetchall()
        found: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
        for kind, subject, wall, value in rows:
            walls = found.setdefault((kind, subject), {})
            walls[wall] = walls.get(wall, frozenset()) | {value}
        return found
