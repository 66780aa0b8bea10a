"""Labels that an administrator gave at run time, to guests and to objects."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from trustd.repository.database import Database
from trustd.repository.journal import Entry, journalled

Entity = tuple[str, str]
"""A type (``guest``, ``volume`` ...) and an identity."""


class LabelStore:
    """Keeps labels; each change with its line in the journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def change(
        self, entity: Entity, given: Mapping[str, str], taken: Collection[str], entry: Entry
    ) -> None:
        """Set and remove labels of one entity, and journal it, all or nothing.

        Raises:
            Unsettled: it may have been changed, or not.
            StoreError: nothing was changed.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM label WHERE type = ? AND entity = ? AND name = ?",
                [(*entity, name) for name in taken],
            )
            connection.executemany(
                "INSERT INTO label VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                [(*entity, name, value) for name, value in given.items()],
            )
            journalled(connection, (entry,))

        self._database.write(work)

    def all(self) -> Mapping[Entity, Mapping[str, str]]:
        """Every label, by entity.

        Raises:
            StoreError: they cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT type, entity, name, value FROM label ORDER BY type, entity, name"
            ).fetchall()
        found: dict[Entity, dict[str, str]] = {}
        for kind, identity, name, value in rows:
            found.setdefault((kind, identity), {})[name] = value
        return found
