"""What a restart must not forget: the engine's state, and of each guest what is newer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import orjson

from trustd.errors import StoreError
from trustd.model import GuestId
from trustd.repository.database import Database

_KEEP_ENGINE = (
    "INSERT INTO engine SELECT 1, ?1, ?2 WHERE ?2 IS NOT NULL"
    " ON CONFLICT DO UPDATE SET saved = excluded.saved, document = excluded.document"
)
"""Without a document it does nothing."""


@dataclass(frozen=True, slots=True)
class EngineState:
    """The whole scoring engine.

    Args:
        at: epoch seconds.
        guests: those that are in it; what was kept of them before is older.
    """

    at: float
    document: bytes
    guests: frozenset[GuestId]


@dataclass(frozen=True, slots=True)
class GuestMemory:
    """What is known of one guest between two runs of the daemon.

    Args:
        heard: epoch seconds at which the hypervisor last told how it fares.
        clock: the same moment on the host's boot-time clock.
        age: seconds for which it had not been measured then; NaN if it never was.
        relays: the state of its band's relays.
        told: the last status in the journal, by lever and device.
        history: the scoring engine's portable document of the guest; None where
            the whole engine's state says as much.
    """

    guest: GuestId
    name: str
    heard: float
    clock: float
    age: float
    relays: Mapping[str, Any]
    told: Mapping[str, str]
    history: Mapping[str, Any] | None = None


class Memory:
    """Recalls it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def engine(self) -> bytes | None:
        """The engine's state; None if it was never saved.

        Raises:
            StoreError: the repository cannot be read.
        """
        with self._database.reading() as connection:
            row = connection.execute("SELECT document FROM engine").fetchone()
        return row[0] if row else None

    def histories(self) -> Mapping[GuestId, Mapping[str, Any]]:
        """Every guest's document that the engine's state does not hold.

        Raises:
            StoreError: a document in the repository is not what trustd wrote.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT guest, document FROM history").fetchall()
        return {GuestId(guest): self._parsed(document) for guest, document in rows}

    def guests(self, wanted: Iterable[GuestId]) -> Mapping[GuestId, GuestMemory]:
        """These guests, as far as they were ever saved.

        Raises:
            StoreError: a document in the repository is not what trustd wrote.
        """
        ids = orjson.dumps(list(wanted)).decode()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT guest, name, heard, clock, age, relays, told, document"
                " FROM guest LEFT JOIN history USING (guest)"
                " WHERE guest IN (SELECT value FROM json_each(?))",
                (ids,),
            ).fetchall()
        return {
            GuestId(guest): GuestMemory(
                guest=GuestId(guest),
                name=name,
                heard=heard,
                clock=clock,
                age=nan if age is None else age,
                relays=self._parsed(relays),
                told=self._parsed(told),
                history=None if document is None else self._parsed(document),
            )
            for guest, name, heard, clock, age, relays, told, document in rows
        }

    def _parsed(self, text: str) -> Mapping[str, Any]:
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise StoreError(
                f"{self._database.path}: a guest's saved state is not JSON: {error}"
            ) from error
        if not isinstance(found, dict):
            raise StoreError(f"{self._database.path}: a guest's saved state is no mapping")
        return found


def keep_engine(connection: sqlite3.Connection, state: EngineState) -> None:
    """Keep the whole engine instead of the one before, within a transaction that is open."""
    connection.execute(_KEEP_ENGINE, (state.at, state.document))
    # the connection keeps its statements, and each a copy of what it was given last: megabytes here
    connection.execute(_KEEP_ENGINE, (None, None))
    connection.execute(
        "DELETE FROM history WHERE guest IN (SELECT value FROM json_each(?))",
        (orjson.dumps(sorted(state.guests)).decode(),),
    )


def keep_guests(connection: sqlite3.Connection, guests: Iterable[GuestMemory]) -> None:
    """Keep guests instead of what was kept of them, within a transaction that is open."""
    kept = tuple(guests)
    connection.executemany(
        "INSERT OR REPLACE INTO guest VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                each.guest,
                each.name,
                each.heard,
                each.clock,
                None if isnan(each.age) else each.age,
                orjson.dumps(each.relays).decode(),
                orjson.dumps(each.told).decode(),
            )
            for each in kept
        ],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO history VALUES (?, ?)",
        [
            (each.guest, orjson.dumps(each.history).decode())
            for each in kept
            if each.history is not None
        ],
    )
