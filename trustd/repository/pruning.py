"""Dropping what was kept long enough, a little at a time.

Each function works within a transaction that is open and drops some of the oldest, so that
nobody waits for the writer long. They return how many rows they dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from itertools import takewhile

import orjson

from trustd.model import GuestId
from trustd.repository.journal import Entry, journalled, start_of
from trustd.repository.past import ACTION, BAND, OBJECT, RUN, SEEN
from trustd.repository.present import (
    APPLIED,
    CARRIED,
    INCIDENT,
    LABEL,
    ORDERS,
    OVER,
    POLICY,
    PRUNED,
    about,
    carried,
    stands,
)
from trustd.repository.trail import Record, document_of

_STANDING = (SEEN, BAND, OBJECT, RUN, LABEL, POLICY, *ORDERS, INCIDENT)
"""Of these kinds the last record about something says how it is until the next one."""
_LATER = (
    "SELECT EXISTS (SELECT 1 FROM transition WHERE guest = ? AND kind = ? AND id > ? AND at < ?"
    " AND json_valid(document)"
    " AND json_extract(document, '$.lever') = ? AND json_extract(document, '$.device') = ?"
    " AND json_extract(document, '$.status') IN (?, ?, ?)"
    " AND json_extract(document, '$.carried') {})"
)
_COLUMNS = "id, at, guest, name, kind, document, hash"


def prune_trail(connection: sqlite3.Connection, before: float, now: float, most: int) -> int:
    """Drop the oldest records of the audit trail, and record that.

    Only from the trail's beginning, up to the first record that is not old. What a dropped
    record said and still holds is written again at the end, with the time that it had.

    Args:
        before: epoch seconds; a record from then on is kept.
        now: epoch seconds, of the record that tells of it.
        most: records at most.
    """
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM transition ORDER BY id LIMIT ?",  # noqa: S608 - a constant
        (most,),
    )
    old = list(takewhile(lambda each: each.at < before, map(Record._make, found)))
    if not old:
        return 0
    last = old[-1]
    again = _standing(connection, old, before)
    connection.execute("DELETE FROM transition WHERE id <= ?", (last.id,))
    start = start_of(connection)
    if last.id >= start.first:  # else it is from before records were linked
        connection.execute("UPDATE trail SET first = ?, before = ?", (last.id + 1, last.hash))
    document = {
        "first": old[0].id,
        "last": last.id,
        "since": old[0].at,
        "until": last.at,
        "hash": last.hash.hex(),
        "carried": len(again),
        "by": "trustd",
    }
    # in this order: what is carried is older than this record, and is not dropped before it
    journalled(connection, (Entry(now, GuestId(""), "", PRUNED, document), *again))
    return len(old)


def prune_decisions(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Drop the oldest decisions that were given before a time, in epoch seconds."""
    return connection.execute(
        "DELETE FROM decision WHERE id IN (SELECT id FROM decision ORDER BY id LIMIT ?) AND at < ?",
        (most, before),
    ).rowcount


def prune_history(
    connection: sqlite3.Connection, tier: int, before: float, most: int, *, rolled: bool
) -> int:
    """Drop the oldest chunks of a tier that end before a time, in epoch seconds.

    Args:
        rolled: whether only those that the next tier has too.
    """
    return connection.execute(
        "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE tier = ? AND last < ?"
        " AND rolled >= ? ORDER BY last LIMIT ?)",
        (tier, before, rolled, most),
    ).rowcount


def prune_guests(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Forget guests that were not seen since a time, in epoch seconds.

    One that something is still in force on, or that operators ordered something of, is
    kept; so are labels, walls that bind it, and the audit trail.
    """
    rows = connection.execute(
        "SELECT guest FROM guest WHERE heard < ? AND guest NOT IN (SELECT guest FROM intent)"
        " AND guest NOT IN (SELECT guest FROM operator_order)"
        " AND guest NOT IN (SELECT guest FROM alias WHERE last >= ?) LIMIT ?",
        (before, before, most),
    ).fetchall()
    gone = orjson.dumps([guest for (guest,) in rows]).decode()
    for table, column in (
        ("guest", "guest"),
        ("history", "guest"),
        ("errand", "guest"),
        ("alias", "guest"),
        ("kin", "heir"),
    ):
        connection.execute(
            f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608 - constants
            (gone,),
        )
    return len(rows)


def used(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(size * (pages - free))


def _standing(connection: sqlite3.Connection, old: Sequence[Record], before: float) -> list[Entry]:
    """The last record about each thing, where no later one was old too."""
    later = connection.execute(
        f"SELECT {_COLUMNS} FROM transition WHERE id > ? AND at < ?"  # noqa: S608 - constants
        f" AND kind IN ({', '.join('?' * len(_STANDING))})",
        (old[-1].id, before, *_STANDING),
    )
    said: dict[tuple[str, ...], bool] = {}
    for record in filter(_says, map(Record._make, later)):
        # what was carried on is older than whatever else there is about the same
        said[about(record)] = said.get(about(record), False) or not carried(record)
    kept = [
        each
        for key, each in _last(old, _STANDING).items()
        if _carries(each, later=said.get(key)) or (key not in said and stands(each))
    ]
    return [_again(each) for each in (*kept, *_narrowed(connection, old, before))]


def _narrowed(connection: sqlite3.Connection, old: Sequence[Record], before: float) -> list[Record]:
    """The last action on each device, likewise; there are too many to read all later ones."""
    kept = []
    for (kind, guest, lever, device), each in _last(old, (ACTION,)).items():
        if kind != ACTION:
            continue
        asked = (guest, ACTION, old[-1].id, before, lever, device, APPLIED, *OVER)
        later: bool | None = None
        if connection.execute(_LATER.format("IS NULL"), asked).fetchone()[0]:
            later = True
        elif connection.execute(_LATER.format("IS NOT NULL"), asked).fetchone()[0]:
            later = False
        if _carries(each, later=later) or (later is None and stands(each)):
            kept.append(each)
    return kept


def _carries(record: Record, *, later: bool | None) -> bool:
    """Whether a record must be carried on because what was carried before it would stand again.

    Args:
        later: whether one of the later records about the same is news; None where there is none.
    """
    return later is False and not carried(record)


def _last(old: Sequence[Record], kinds: Collection[str]) -> dict[tuple[str, ...], Record]:
    """The last record about each thing."""
    last: dict[tuple[str, ...], Record] = {}
    for each in filter(_says, old):
        if each.kind in kinds and (
            (key := about(each)) not in last or carried(last[key]) or not carried(each)
        ):
            last[key] = each
    return last


def _says(record: Record) -> bool:
    """Whether it can be read; one that cannot hides nothing that was said before it."""
    return bool(document_of(record.document))


def _again(record: Record) -> Entry:
    document = {**document_of(record.document), CARRIED: True}
    return Entry(record.at, GuestId(record.guest), record.name, record.kind, document)
