"""The prior state of every device that trustd changed, until it is given back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import orjson

from trustd.errors import StoreError
from trustd.model import GuestId, Intent
from trustd.repository.database import Database


class IntentLedger:
    """The enforcer's ledger; what it records is on the disk when the call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, intent: Intent) -> None:
        """Keep an intent instead of the one before of the same device.

        Raises:
            StoreError: it is not on the disk.
        """
        document = orjson.dumps(
            {
                "run": intent.run,
                "prior": dict(intent.prior),
                "ours": list(map(dict, intent.ours)),
                "yielded": None if intent.yielded is None else dict(intent.yielded),
            }
        ).decode()
        row = (intent.guest, intent.lever, intent.device, intent.at, document)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO intent (guest, lever, device, at, document) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET at = excluded.at, document = excluded.document",
                row,
            )

        self._database.write(work)

    def forget(self, guest: GuestId, lever: str, device: str) -> None:
        """Drop a device's intent; it was given back.

        Raises:
            StoreError: it is still on the disk.
        """

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM intent WHERE guest = ? AND lever = ? AND device = ?",
                (guest, lever, device),
            )

        self._database.write(work)

    def intents(self) -> Sequence[Intent]:
        """Every device that was not given back, in the order of its first change.

        Raises:
            StoreError: a document in the repository is not what trustd wrote.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT guest, lever, device, at, document FROM intent ORDER BY at, lever, device"
            ).fetchall()
        try:
            return [
                Intent(
                    guest=GuestId(guest),
                    lever=lever,
                    device=device,
                    run=kept["run"],
                    prior=kept["prior"],
                    ours=tuple(kept["ours"]),
                    at=at,
                    # repositories of the first version say nothing of it
                    yielded=kept.get("yielded"),
                )
                for guest, lever, device, at, document in rows
                if (kept := orjson.loads(document))
            ]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._database.path}: a recorded prior state is not readable: {error!r}"
            ) from error
