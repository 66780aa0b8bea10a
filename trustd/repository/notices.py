"""Notices, and who was told of them: a restart tells nobody again."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import orjson

from trustd.errors import StoreError
from trustd.model import Affected, GuestId, Mode, Notice, Severity
from trustd.repository.database import Database, Work


class NoticeStore:
    """Keeps the notices that last or still have to be told. Writing waits for nothing.

    What is lost with the host's power is told once more, so that nothing waits for
    the disk.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def notices(self) -> Sequence[Notice]:
        """Every notice that was kept and not dropped.

        Raises:
            StoreError: one is not what trustd wrote.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT document FROM notice ORDER BY rowid").fetchall()
        try:
            return [_notice(text) for (text,) in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._database.path}: a notice in it is not what trustd wrote: {error!r}"
            ) from error

    def told(self) -> Mapping[tuple[str, str], str]:
        """By receiver and key, the stamp of what it was told last.

        Raises:
            StoreError: they cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT receiver, key, stamp FROM notice_told").fetchall()
        return {(receiver, key): stamp for receiver, key, stamp in rows}

    def keep(self, notice: Notice) -> None:
        """Keep a notice instead of the one before of its key."""
        document = orjson.dumps(notice).decode()
        self._submit(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO notice VALUES (?, ?)", (notice.key, document)
            )
        )

    def tell(self, receiver: str, notice: Notice, at: float) -> None:
        """Keep that a receiver was told (epoch seconds)."""
        row = (receiver, notice.key, notice.stamp, at)
        self._submit(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO notice_told VALUES (?, ?, ?, ?)", row
            )
        )

    def forget(self, key: str) -> None:
        """Drop a notice and who was told of it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM notice WHERE key = ?", (key,))
            connection.execute("DELETE FROM notice_told WHERE key = ?", (key,))

        self._submit(work)

    def _submit(self, work: Work[object]) -> None:
        # a repository that takes no writes is told of elsewhere; here it costs a repetition
        self._database.submit(work, synced=False)


def _notice(text: str) -> Notice:
    found = orjson.loads(text)
    return Notice(
        **found
        | {
            "severity": Severity(found["severity"]),
            "mode": Mode(found["mode"]),
            "guests": tuple(
                Affected(GuestId(each["guest"]), each["name"]) for each in found["guests"]
            ),
            "objects": tuple(found["objects"]),
            "recommended": tuple(found["recommended"]),
            "former": tuple(map(Severity, found["former"])),
        }
    )
