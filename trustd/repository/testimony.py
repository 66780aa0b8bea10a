"""What other services said of guests, a row for each finding however often it was said."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import orjson

from trustd.model import Finding, GuestId
from trustd.repository.database import Database

OPEN, EXPIRED = "open", "expired"


@dataclass(frozen=True, slots=True)
class Said:
    """What one service said of one guest, under one kind and key.

    Args:
        id: its place; a later finding has a higher one.
        kind: with the sender in front.
        name: of the guest, when it was said first.
        severity, confidence: as the policy let it count when it was said last.
        state: ``open``, ``resolved``, ``ok``, or ``expired``: open once, and not said again.
        first, last: epoch seconds at which it was said.
        until: epoch seconds until which it holds, unless trustd does not run meanwhile.
        times: how often it was said.
    """

    id: int
    sender: str
    guest: GuestId
    kind: str
    key: str
    name: str
    family: str
    severity: str
    confidence: float
    state: str
    first: float
    last: float
    until: float
    times: int
    summary: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of it; what is left out means any."""

    guest: str | None = None
    sender: str | None = None
    family: str | None = None
    severity: str | None = None
    state: str | None = None


class SaidStore:
    """Reads what was said; from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(
        self, wanted: Wanted, *, now: float, before: int | None = None, most: int = 100
    ) -> Sequence[Said]:
        """What was said, that which was first said last in front.

        Args:
            now: epoch seconds, by which it is told what has expired.
            before: only what has a lower place; None for all.

        Raises:
            StoreError: it cannot be read.
        """
        given = {
            "guest": wanted.guest,
            "sender": wanted.sender,
            "family": wanted.family,
            "severity": wanted.severity,
            "state": wanted.state,
            "before": before,
            "now": now,
            "most": most,
        }
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT * FROM (SELECT {_SHOWN} FROM testimony)"  # noqa: S608 - a constant
                " WHERE (:before IS NULL OR id < :before)"
                " AND (:guest IS NULL OR guest = :guest)"
                " AND (:sender IS NULL OR sender = :sender)"
                " AND (:family IS NULL OR family = :family)"
                " AND (:severity IS NULL OR severity = :severity)"
                " AND (:state IS NULL OR state = :state) ORDER BY id DESC LIMIT :most",
                given,
            ).fetchall()
        return [_said(row) for row in rows]


_COLUMNS = tuple(field.name for field in fields(Said))
_SHOWN = ", ".join(
    f"CASE WHEN state = '{OPEN}' AND until < :now THEN '{EXPIRED}' ELSE state END AS state"
    if name == "state"
    else name
    for name in _COLUMNS
)


def _said(row: tuple[Any, ...]) -> Said:
    found = dict(zip(_COLUMNS, row, strict=True))
    return Said(**{**found, "facts": orjson.loads(found["facts"])})


def hear(connection: sqlite3.Connection, state: str, finding: Finding, name: str) -> None:
    """Keep what was said, within a transaction that is open.

    Args:
        state: ``open``, ``resolved`` or ``ok``.
        finding: its source is the sender.
        name: of the guest.
    """
    place = (finding.guest, finding.kind, finding.key)
    if state not in {OPEN, "ok"}:
        connection.execute(
            "UPDATE testimony SET state = ?, last = ?, until = ?, times = times + 1"
            " WHERE guest = ? AND kind = ? AND key = ?",
            (state, finding.at, finding.at, *place),
        )
        return
    until = finding.at + finding.holds if state == OPEN else finding.at
    row = {
        "sender": finding.source,
        "guest": finding.guest,
        "kind": finding.kind,
        "key": finding.key,
        "name": name,
        "family": finding.family,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "state": state,
        "at": finding.at,
        "until": until,
        "summary": finding.summary,
        "facts": orjson.dumps(dict(finding.facts)).decode(),
    }
    connection.execute(
        "INSERT INTO testimony (sender, guest, kind, key, name, family, severity, confidence,"
        " state, first, last, until, times, summary, facts) VALUES (:sender, :guest, :kind, :key,"
        " :name, :family, :severity, :confidence, :state, :at, :at, :until, 1, :summary, :facts)"
        " ON CONFLICT (guest, kind, key) DO UPDATE SET family = :family, severity = :severity,"
        " confidence = :confidence, state = :state, last = :at, until = :until,"
        " times = times + 1, summary = :summary, facts = :facts",
        row,
    )
