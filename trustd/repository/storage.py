"""What the repository takes, by kind, and what it will take."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from trustd.repository.chunk import STEPS
from trustd.repository.database import Database
from trustd.repository.pruning import used
from trustd.repository.retention import KINDS, Bounds

LEAST_ROW, MOST_ROW = 260, 1024
"""Bytes of a chunk beside its packed columns: keys, indexes, and what is left free in pages. How
many is measured by what the file holds beside all else; that of an empty one says nothing."""
_SAMPLE = 200
"""Newest rows by which the size of all rows of a kind is estimated."""
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what is stored.

    Args:
        bytes: of records, an estimate by the newest of them.
        oldest: epoch seconds; None where there is none, or it has no time.
        a_day: bytes that one guest costs in a day, for history; that all cost, for
            records; None where it cannot be said yet.
        kept: seconds for which it is kept; None for ever, or for the newest only.
    """

    name: str
    rows: int
    bytes: int
    oldest: float | None = None
    a_day: float | None = None
    kept: float | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """All of it.

    Args:
        file: bytes of the file and its log.
        used: bytes of the file that hold something; the others are used again.
        most: bytes above which history is shortened.
        free: bytes that are free on the disk.
        expected: bytes when everything is as old as it gets, with the present guests;
            None where that cannot be said yet.
    """

    kinds: tuple[Kind, ...]
    file: int
    used: int
    most: float
    free: int
    expected: float | None


def measured(database: Database, bounds: Bounds, *, interval: float, guests: int) -> Storage:
    """What is stored now.

    Args:
        interval: seconds between two ticks.
        guests: how many there are at present.

    Raises:
        StoreError: the repository cannot be read.
    """
    with database.reading() as connection:
        connection.execute("BEGIN")
        held = used(connection)
        others = [
            _records(connection, "audit", "transition", "length(document) + 260", bounds.audit),
            _records(connection, "decisions", "decision", "400", bounds.audit),
            _records(
                connection,
                "incidents",
                "incident",
                "length(document) + 80",
                bounds.incidents,
                at="iif(json_valid(document), json_extract(document, '$.opened'), 0)",
                place="number",
            ),
            _records(
                connection,
                "evidence",
                "testimony",
                "length(summary) + length(facts) + 360",
                bounds.evidence,
                at="first",
            ),
            *_states(connection),
        ]
        room = held - sum(each.bytes for each in others)
        kinds = [*_history(connection, bounds, interval, room), *others]
    rest = held - sum(each.bytes for each in kinds)
    kinds.append(Kind("other", 0, max(0, rest)))
    disk = os.statvfs(database.path.parent)
    return Storage(
        tuple(kinds),
        _size(database),
        held,
        bounds.most,
        disk.f_bavail * disk.f_frsize,
        _expected(kinds, guests),
    )


def _history(
    connection: sqlite3.Connection, bounds: Bounds, interval: float, room: int
) -> list[Kind]:
    """The tiers.

    Args:
        room: bytes that they take together, with all that belongs to them.
    """
    found = {
        row[0]: row[1:]
        for row in connection.execute(
            "SELECT tier, count(*), sum(bytes), min(first), sum(last - first) FROM chunk"
            " GROUP BY tier"
        )
    }
    count, packed = (sum(row[place] for row in found.values()) for place in (0, 1))
    row = min(max((room - packed) / max(count, 1), LEAST_ROW), MOST_ROW)
    kinds = []
    for tier, (name, kept) in enumerate(zip(KINDS, bounds.tiers, strict=True)):
        rows, size, oldest, seconds = found.get(tier, (0, 0, None, 0.0))
        taken = int(size + row * rows)
        days = (seconds + rows * (STEPS[tier] or interval)) / _DAY
        a_day = taken / days if rows else None
        kinds.append(Kind(name, rows, taken, oldest, a_day, kept))
    return kinds


def _records(
    connection: sqlite3.Connection,
    name: str,
    table: str,
    size: str,
    kept: float,
    *,
    at: str = "at",
    place: str = "id",
) -> Kind:
    first, last, rows = connection.execute(
        f"SELECT (SELECT {at} FROM {table} ORDER BY {place} LIMIT 1),"  # noqa: S608 - constants
        f" (SELECT {at} FROM {table} ORDER BY {place} DESC LIMIT 1), count(*) FROM {table}"
    ).fetchone()
    (each,) = connection.execute(
        f"SELECT avg({size}) FROM (SELECT * FROM {table} ORDER BY {place} DESC LIMIT ?)",  # noqa: S608 - constants
        (_SAMPLE,),
    ).fetchone()
    if not rows:
        return Kind(name, 0, 0, kept=kept)
    taken = int(rows * each)
    days = (last - first) / _DAY
    return Kind(name, rows, taken, first, taken / days if days > 1 else None, kept)


def _states(connection: sqlite3.Connection) -> list[Kind]:
    """What holds one state only, and is renewed."""
    (engine,) = connection.execute(
        "SELECT coalesce(sum(length(document)), 0) FROM engine"
    ).fetchone()
    rows, guests, oldest = connection.execute(
        "SELECT count(*), coalesce(sum(length(relays) + length(told) + 200), 0), min(heard)"
        " FROM guest"
    ).fetchone()
    (histories,) = connection.execute(
        "SELECT coalesce(sum(length(document)), 0) FROM history"
    ).fetchone()
    notices, told, size = connection.execute(
        "SELECT (SELECT count(*) FROM notice), (SELECT count(*) FROM notice_told),"
        " (SELECT coalesce(sum(length(document) + 40), 0) FROM notice)"
    ).fetchone()
    return [
        Kind("engine", 1 if engine else 0, engine),
        Kind("guests", rows, guests + histories, oldest),
        Kind("notices", notices, size + 160 * told),
    ]


def _expected(kinds: list[Kind], guests: int) -> float | None:
    history: Mapping[str, Kind] = {each.name: each for each in kinds if each.name in KINDS}
    if history[KINDS[0]].a_day is None:
        return None
    total = 0.0
    for each in kinds:
        if each.a_day is None or each.kept is None:
            total += each.bytes
        else:
            total += each.a_day * each.kept / _DAY * (guests if each.name in history else 1)
    return total if total < inf else None


def _size(database: Database) -> int:
    every = (database.path, database.path.with_name(f"{database.path.name}-wal"))
    return sum(each.stat().st_size for each in every if each.exists())
