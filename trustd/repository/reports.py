"""What other services report: on the disk before they have their answer, and each once.

A report waits here until the guest that took it in is stored, in one transaction with
that: so none is lost and none is weighed twice, however trustd ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from trustd.errors import StoreError
from trustd.model import Finding, GuestId, Severity
from trustd.repository.database import BUSY_SECONDS, Database
from trustd.repository.journal import Entry, journalled
from trustd.repository.testimony import hear

WITHIN = 2.0
"""Seconds for which a sender waits for the disk."""
MOST_REMEMBERED = 100_000
"""Identities of messages that are known again; beyond them the oldest are forgotten."""


class ReportState(StrEnum):
    """What a report says of what it names."""

    OPEN = "open"
    """It goes on, until it is withdrawn or expires."""
    RESOLVED = "resolved"
    """It is over, or was an error."""
    OK = "ok"
    """All is well: good evidence."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a service said of a guest, as the policy lets it count.

    Args:
        finding: of the kind ``SENDER:KIND``, so that nobody speaks for anybody else.
        most: for ``ok``, good evidence that the sender may give.
        place: in the store; 0 where it is not stored.
    """

    state: ReportState
    finding: Finding
    most: float = 0.0
    place: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """A report with what identifies it.

    Args:
        event: tells the sender's messages apart; empty where it does not say.
        entry: for the journal; None for what the journal has already.
        name: of the guest.
    """

    sender: str
    event: str
    report: Report
    entry: Entry | None
    name: str = ""

    @property
    def at(self) -> float:
        """Epoch seconds at which it came."""
        return self.report.finding.at


class ReportStore:
    """Keeps reports until they are taken in, and the identities of those that came."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, messages: Sequence[Message]) -> Sequence[Report | None]:
        """Store all or none; None for one that came before.

        Raises:
            StoreError: they are not known to be on the disk.
        """
        # once it has begun it may come about: only its end says what counts
        return self._database.write(
            lambda connection: _kept(connection, messages),
            deadline=WITHIN,
            patience=BUSY_SECONDS,
        )

    def came(self, messages: Sequence[Message]) -> Sequence[bool]:
        """Of each, whether one of its identity came before.

        Raises:
            StoreError: it cannot be read.
        """
        with self._database.reading() as connection:
            return [
                connection.execute(
                    "SELECT EXISTS (SELECT 1 FROM reported WHERE sender = ? AND event = ?)",
                    (each.sender, each.event),
                ).fetchone()
                == (1,)
                for each in messages
            ]

    def waiting(self) -> Sequence[Report]:
        """Reports that no guest is known to have taken in, in their order.

        Raises:
            StoreError: they cannot be read.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT id, document FROM report ORDER BY id").fetchall()
        try:
            return [_report(place, orjson.loads(text)) for place, text in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._database.path}: a report in it is not what trustd wrote: {error!r}"
            ) from error


def drop_reports(connection: sqlite3.Connection, places: Iterable[int]) -> None:
    """Drop reports that were taken in, within a transaction that is open."""
    connection.executemany("DELETE FROM report WHERE id = ?", [(place,) for place in places])


def _kept(connection: sqlite3.Connection, messages: Sequence[Message]) -> list[Report | None]:
    kept: list[Report | None] = []
    for each in messages:
        if (
            each.event
            and not connection.execute(
                "INSERT OR IGNORE INTO reported (sender, event, at) VALUES (?, ?, ?)",
                (each.sender, each.event, each.at),
            ).rowcount
        ):
            kept.append(None)
            continue
        document = orjson.dumps(asdict(each.report)).decode()
        place = connection.execute(
            "INSERT INTO report (document) VALUES (?)", (document,)
        ).lastrowid
        hear(connection, each.report.state, each.report.finding, each.name)
        kept.append(replace(each.report, place=place or 0))
    connection.execute(
        "DELETE FROM reported WHERE place <= (SELECT max(place) FROM reported) - ?",
        (MOST_REMEMBERED,),
    )
    journalled(
        connection,
        [
            each.entry
            for each, report in zip(messages, kept, strict=True)
            if report is not None and each.entry is not None
        ],
    )
    return kept


def _report(place: int, found: dict[str, Any]) -> Report:
    finding = found["finding"]
    severity, guest = Severity(finding["severity"]), GuestId(finding["guest"])
    return Report(
        ReportState(found["state"]),
        Finding(**{**finding, "severity": severity, "guest": guest}),
        float(found["most"]),
        place,
    )
