"""What a restart must not forget: the engine's state and each guest's band."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import orjson

from trustd.errors import StoreError
from trustd.model import GuestId
from trustd.repository.database import Database


@dataclass(frozen=True, slots=True)
class GuestMemory:
    """What is known of one guest between two runs of the daemon.

    Args:
        saved: epoch seconds.
        clock: the same moment on the host's boot-time clock.
        engine: the scoring engine's portable document of the guest.
        relays: the state of its band's relays.
    """

    guest: GuestId
    name: str
    saved: float
    clock: float
    engine: Mapping[str, Any]
    relays: Mapping[str, Any]


class Memory:
    """Saves and recalls it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save_engine(self, document: bytes, at: float) -> Future[None]:
        """Keep the whole engine's state instead of the one before."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO engine VALUES (1, ?, ?)"
                " ON CONFLICT DO UPDATE SET saved = excluded.saved, document = excluded.document",
                (at, document),
            )

        return self._database.submit(work)

    def save_guests(self, guests: Sequence[GuestMemory]) -> Future[None]:
        """Keep these guests' states instead of the ones before."""
        rows = [
            (
                each.guest,
                each.name,
                each.saved,
                each.clock,
                orjson.dumps(each.engine).decode(),
                orjson.dumps(each.relays).decode(),
            )
            for each in guests
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO guest VALUES (?, ?, ?, ?, ?, ?)", rows)

        return self._database.submit(work)

    def engine(self) -> tuple[float, bytes] | None:
        """When the engine's state was saved, and the state; None if never."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT saved, document FROM engine").fetchone()
        return (row[0], row[1]) if row else None

    def guests(self) -> Mapping[GuestId, GuestMemory]:
        """Every guest that was ever saved.

        Raises:
            StoreError: a document in the repository is not what trustd wrote.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT guest, name, saved, clock, engine, relays FROM guest"
            ).fetchall()
        try:
            return {
                GuestId(guest): GuestMemory(
                    GuestId(guest), name, saved, clock, orjson.loads(engine), orjson.loads(relays)
                )
                for guest, name, saved, clock, engine, relays in rows
            }
        except orjson.JSONDecodeError as error:
            raise StoreError(
                f"{self._database.path}: a guest's saved state is not JSON: {error}"
            ) from error
