"""A repository that is only read: that of a daemon that runs, or a backup.

Nothing is written, no lock is taken and no schema is brought up to date. Every read is short,
so that a daemon that writes the same file can always fold its log back into it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from trustd.errors import StoreError
from trustd.model import GuestId, Orders
from trustd.repository.chunk import STEPS, TRUST, Layout, points_of
from trustd.repository.journal import Entry
from trustd.repository.migrations import MIGRATIONS
from trustd.repository.overrides import orders_in
from trustd.repository.points import Points, joined, rolled
from trustd.repository.trail import document_of
from trustd.repository.versions import PolicyVersion

_FIRST_SCHEMA = 3
"""The first that has timelines."""
_PAGE = 5000
_NARROW, _WIDE = STEPS[2], 6 * STEPS[2]
"""Seconds of a slice where ticks are kept, and where none are: it bounds the memory."""
_ROWS = (
    "SELECT chunk.id, guest, tier, points, first, times, trust, layout.document"
    " FROM chunk JOIN layout ON layout.id = chunk.layout"
    " WHERE tier = ? AND last >= ? AND first < ? ORDER BY chunk.id"
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one guest's history, in one resolution.

    Args:
        place: orders guests as they stood in the tick.
        points: columns as in :data:`trustd.repository.chunk.TRUST`.
    """

    place: int
    guest: GuestId
    layout: Layout
    points: Points


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of everybody's history.

    Args:
        since, until: epoch seconds; its last points may stand for more than that.
        stretches: in no order of time.
        damaged: guests of whom a part cannot be read.
    """

    since: float
    until: float
    stretches: Sequence[Stretch]
    damaged: frozenset[GuestId]


class Recorded:
    """Reads it, a piece at a time.

    Args:
        path: the file; it is never made.

    Every method raises:
        StoreError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise StoreError(
                f"{path}: there is no such file; name the repository with --database, or run this"
                " on the host of the daemon"
            )
        with self.reading() as connection:
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if not _FIRST_SCHEMA <= schema <= len(MIGRATIONS):
            raise StoreError(
                f"{path}: it has schema {schema}, and history can be read of {_FIRST_SCHEMA} to"
                f" {len(MIGRATIONS)}"
            )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write and makes no file."""
        # without a log beside it nobody has the file open: SQLite would make one only to read
        log = self.path.with_name(f"{self.path.name}-wal")
        alone = not log.exists()
        how = "immutable=1" if alone else "mode=ro"
        try:
            name = f"file:{quote(str(self.path.absolute()))}?{how}"
            with closing(sqlite3.connect(name, uri=True, isolation_level=None)) as connection:
                connection.execute("PRAGMA busy_timeout = 5000")
                connection.execute("PRAGMA query_only = ON")
                yield connection
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be read: {error}") from error
        if alone and log.exists():
            raise StoreError(f"{self.path}: somebody began to write it meanwhile; run this again")

    def span(self) -> tuple[float, float] | None:
        """Epoch seconds of the first and the last point; None where there is none."""
        with self.reading() as connection:
            first, last = connection.execute("SELECT min(first), max(last) FROM chunk").fetchone()
        return None if first is None else (float(first), float(last))

    def entries(self, kinds: Sequence[str], since: float, until: float) -> Sequence[Entry]:
        """Entries of the journal in the order of their times."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT at, guest, name, kind, document FROM transition"
                " WHERE kind IN (SELECT value FROM json_each(?)) AND at >= ? AND at < ?"
                " ORDER BY at, id",
                (orjson.dumps(list(kinds)).decode(), since, until),
            ).fetchall()
        return [
            Entry(at, GuestId(guest), name, kind, self._read(kind, at, document))
            for at, guest, name, kind, document in rows
        ]

    def _read(self, kind: str, at: float, text: str) -> dict[str, Any]:
        document = document_of(text)
        if not document:
            raise StoreError(
                f"{self.path}: the record of the kind {kind} at {at:.0f} is not what trustd wrote;"
                " `trustctl audit verify` finds its place"
            )
        return document

    def orders(self) -> Orders:
        """The orders that are in force now."""
        with self.reading() as connection:
            return orders_in(connection, self.path)

    def version(self, policy: str) -> PolicyVersion | None:
        """The policy of this id; None where it was never kept."""
        with self.reading() as connection:
            row = connection.execute(
                "SELECT policy, at, path, text FROM policy_version WHERE policy = ?", (policy,)
            ).fetchone()
        return PolicyVersion(*row) if row else None

    def heard(self, guest: GuestId, before: float) -> tuple[float | None, bool]:
        """What was known of a guest before a time, in epoch seconds.

        Returns:
            When it was last measured whole or known to be off, in epoch seconds, and
            whether it was ever measured.
        """
        last: float | None = None
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT tier, points, times, trust, layout.document FROM chunk"
                " JOIN layout ON layout.id = chunk.layout WHERE guest = ? AND first < ?"
                " ORDER BY last DESC",
                (guest, before),
            )
            for tier, count, times, blob, document in rows:
                try:
                    words = Layout.parsed(document).freshness
                    points = points_of(tier, count, times, blob, len(TRUST))
                except StoreError:
                    continue
                best, there = points.low[3], points.at < before
                for word in ("fresh", "idle"):
                    found = points.at[(best == words.index(word)) & there]
                    if len(found):
                        last = max(found[-1], -inf if last is None else last)
                        if word == "fresh":
                            return float(last), True
        return last, False

    def slices(self, since: float, until: float) -> Iterator[Slice]:
        """Everybody's history, oldest first, each part of it in the finest form that is kept.

        They end at whole hours of the clock, so that no point stands for time of two.
        """
        begin = since
        while begin < until:
            with self.reading() as connection:
                (ticks,) = connection.execute(
                    "SELECT min(first) FROM chunk WHERE tier = 0"
                ).fetchone()
            fine = ticks is None or begin + _WIDE > ticks
            step = _NARROW if fine else _WIDE
            end = min((begin // step + 1) * step, until)
            yield self._slice(begin, end)
            begin = end

    def _slice(self, since: float, until: float) -> Slice:
        found: dict[tuple[GuestId, int, str], list[tuple[int, Points]]] = {}
        damaged: set[GuestId] = set()
        with self.reading() as connection:
            connection.execute("BEGIN")  # a tier must not be rolled up between two looks
            begins = _begins(connection)
            for tier, step in enumerate(STEPS):
                rows = connection.execute(_ROWS, (tier, since - step, until))
                for place, guest, _, count, first, times, blob, document in rows:
                    ends = min([inf, *(begins.get((guest, each), inf) for each in range(tier))])
                    if first >= ends:
                        continue  # it is there in finer form
                    try:
                        points = points_of(tier, count, times, blob, len(TRUST))
                    except StoreError:
                        damaged.add(GuestId(guest))
                        continue
                    points = points.where(
                        (points.at >= since)
                        & (points.at < until)
                        & (points.at + points.seconds <= ends)
                    )
                    if len(points.at):
                        parts = found.setdefault((GuestId(guest), tier, document), [])
                        parts.append((place, points))
        return Slice(since, until, tuple(map(_stretch, found.items())), frozenset(damaged))


def _begins(connection: sqlite3.Connection) -> Mapping[tuple[str, int], float]:
    """Epoch seconds from which on each guest's history is kept in each tier."""
    rows = connection.execute("SELECT guest, tier, min(first) FROM chunk GROUP BY guest, tier")
    return {(guest, tier): first for guest, tier, first in rows}


def _stretch(
    found: tuple[tuple[GuestId, int, str], Sequence[tuple[int, Points]]],
) -> Stretch:
    (guest, tier, document), parts = found
    points = joined([each for _, each in parts])
    if tier:  # two groups that were rolled up apart may share a step
        points = rolled(points, STEPS[tier])
    return Stretch(parts[0][0], guest, Layout.parsed(document), points)
