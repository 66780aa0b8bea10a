"""Dropping what is over: incidents that were resolved, notices, and what other services said.

As in :mod:`trustd.repository.pruning` each works within a transaction that is open, drops some
of the oldest and returns how many rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from math import inf

import orjson

MOST_INCIDENTS = 10_000
"""Resolved incidents that are kept; of more the oldest go before their time."""
MOST_OF_SENDER = 10_000
"""What is kept of one sender: nobody crowds out what others said."""

_LAST_OF_GUEST = (
    "number = (SELECT max(number) FROM incident AS later WHERE later.guest = incident.guest)"
    " AND (guest = '' OR guest IN (SELECT guest FROM guest))"
)
"""By it a fall that merely lasts is told from a new one, as long as the guest is known."""


def prune_incidents(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Drop incidents that were resolved before a time, in epoch seconds.

    One that is open is kept whatever its age, and so is the last one of a guest that is known,
    and the newest of all: no number is given twice.
    """
    (too_many,) = connection.execute(
        "SELECT coalesce((SELECT resolved FROM incident WHERE resolved IS NOT NULL"
        " ORDER BY resolved DESC LIMIT 1 OFFSET ?), ?)",
        (MOST_INCIDENTS - 1, -inf),
    ).fetchone()
    return connection.execute(
        "DELETE FROM incident WHERE number IN (SELECT number FROM incident WHERE resolved < ?"  # noqa: S608 - a constant
        " AND NOT open AND number < (SELECT max(number) FROM incident)"
        f" AND NOT ({_LAST_OF_GUEST}) ORDER BY resolved LIMIT ?)",
        (max(before, too_many), most),
    ).rowcount


def prune_notices(
    connection: sqlite3.Connection, before: float, most: int, *, receivers: Collection[str]
) -> int:
    """Drop notices that ended before a time (epoch seconds), and who was told of what is gone.

    Args:
        receivers: all that there are; what one was told that is gone for so long is dropped.
            With none, a notice that lasts goes by the time of its beginning: nobody ends it.
    """
    ended = "json_extract(document, '$.ends') > 0 AND json_extract(document, '$.ends') < ?"
    lasting = "json_extract(document, '$.ends') = 0 AND json_extract(document, '$.starts') < ?"
    which = f"({ended})" if receivers else f"({ended} OR {lasting})"
    dropped = connection.execute(
        "DELETE FROM notice WHERE key IN"  # noqa: S608 - constants
        f" (SELECT key FROM notice WHERE json_valid(document) AND {which} LIMIT ?)",
        (before, *(() if receivers else (before,)), most),
    ).rowcount
    told = connection.execute(
        "DELETE FROM notice_told WHERE (receiver, key) IN (SELECT receiver, key FROM notice_told"
        " WHERE at < ? AND (key NOT IN (SELECT key FROM notice)"
        " OR receiver NOT IN (SELECT value FROM json_each(?))) LIMIT ?)",
        (before, orjson.dumps(list(receivers)).decode(), most),
    ).rowcount
    return dropped + told


def prune_testimony(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Drop what other services last said before a time (epoch seconds), and of too much the oldest.

    What is open by then is kept: it lasts longer than it was said.
    """
    dropped = connection.execute(
        "DELETE FROM testimony WHERE id IN"
        " (SELECT id FROM testimony WHERE last < ? AND until < ? ORDER BY last LIMIT ?)",
        (before, before, most),
    ).rowcount
    many = connection.execute(
        "SELECT sender, count(*) - ? FROM testimony GROUP BY sender HAVING count(*) > ?",
        (MOST_OF_SENDER, MOST_OF_SENDER),
    ).fetchall()
    for sender, beyond in many:
        dropped += connection.execute(
            "DELETE FROM testimony WHERE id IN"
            " (SELECT id FROM testimony WHERE sender = ? ORDER BY last LIMIT ?)",
            (sender, min(beyond, most)),
        ).rowcount
    return dropped


def prune_messages(connection: sqlite3.Connection, before: float, most: int) -> int:
    """Forget the identities of messages that came before a time, in epoch seconds."""
    return connection.execute(
        "DELETE FROM reported WHERE place IN"
        " (SELECT place FROM reported ORDER BY place LIMIT ?) AND at < ?",
        (most, before),
    ).rowcount
