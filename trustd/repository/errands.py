"""What was done once when guests entered their bands: a restart does not do it again."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from trustd.model import Action, GuestId, Outcome, OutcomeStatus
from trustd.repository.database import Database

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entered:
    """The band that a guest entered last, and what became of what was to be done then."""

    band: str
    outcomes: tuple[Outcome, ...] = ()


class ErrandStore:
    """Keeps one entry a guest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, guests: Collection[GuestId]) -> Mapping[GuestId, Entered]:
        """The entries of those of these guests that have one.

        Of a damaged one the band is left, so that nothing is done again.

        Raises:
            StoreError: they cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT guest, band, document FROM errand"
                " WHERE guest IN (SELECT value FROM json_each(?))",
                (orjson.dumps(list(guests)).decode(),),
            ).fetchall()
        return {
            GuestId(guest): Entered(band, _outcomes(GuestId(guest), document))
            for guest, band, document in rows
        }

    def save(self, entered: Mapping[GuestId, Entered]) -> Future[None]:
        """Keep these guests' entries instead of those before."""
        rows = [
            (guest, each.band, orjson.dumps(_documents(each.outcomes)).decode())
            for guest, each in entered.items()
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO errand (guest, band, document) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET band = excluded.band, document = excluded.document",
                rows,
            )

        return self._database.submit(work)


def _documents(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [
        {
            "lever": each.action.lever,
            "device": each.action.device,
            "setting": dict(each.action.setting),
            "because": each.action.because,
            "status": str(each.status),
            "at": each.at,
            "error": each.error,
            "seconds": each.seconds,
        }
        for each in outcomes
    ]


def _outcomes(guest: GuestId, document: str) -> tuple[Outcome, ...]:
    try:
        return tuple(_outcome(guest, each) for each in orjson.loads(document))
    except (KeyError, TypeError, ValueError) as error:
        log.error("what was done once is not readable", guest=guest, error=repr(error))  # noqa: TRY400 - the disk's mistake
        return ()


def _outcome(guest: GuestId, kept: Mapping[str, Any]) -> Outcome:
    action = Action(guest, kept["lever"], kept["device"], kept["setting"], kept["because"])
    status = OutcomeStatus(kept["status"])
    return Outcome(action, status, kept["at"], error=kept["error"], seconds=kept["seconds"])
