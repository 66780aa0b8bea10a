"""The history of guests: what trust and samples were, in ticks, then minutes, then hours."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import orjson
import structlog

from trustd.errors import StoreError
from trustd.model import GuestId
from trustd.repository.chunk import STEPS, TRUST, Chunk, Layout, chunk_of, points_of
from trustd.repository.database import Database
from trustd.repository.points import Points, joined, rolled

log = structlog.get_logger()

GROUPS = (48, 30)
"""Chunks of a tier that are rolled up into one of the next: four hours of ticks at the usual
interval, five days of minutes."""

PATIENCE = 20.0
"""Seconds for a write."""

_DOCUMENT = "(SELECT document FROM layout WHERE layout.id = chunk.layout)"
# Left to itself SQLite looks at the chunks of all guests of that time.
_KEPT = "FROM chunk INDEXED BY chunk_of_guest WHERE guest = ? AND tier = ?"
_UNROLLED = "FROM chunk INDEXED BY chunk_unrolled WHERE guest = ? AND tier = ? AND rolled = 0"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of a guest's history is wanted.

    Args:
        since, until: epoch seconds.
        points: how many of them at most.
    """

    guest: GuestId
    since: float
    until: float
    points: int


@dataclass(frozen=True, slots=True)
class TrustLine:
    """A guest's trust over time.

    Args:
        points: columns ``trust``, ``uncertainty``, ``band``, ``freshness``; of the last
            two only ``high``, the worst, means anything.
        bands, freshness: the words that their numbers are the places of.
    """

    points: Points
    bands: tuple[str, ...]
    freshness: tuple[str, ...]


_Columns = Callable[[Layout], tuple[int, slice] | None]
"""How many columns a chunk of this layout has, and which are wanted; None where none is."""

Held = tuple[Layout, Points]
"""Points that are not stored yet, every column of them."""


class Timelines:
    """Stores, rolls up and reads; from any thread.

    Every method raises:
        StoreError: the repository cannot be written or read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def store(self, chunks: Sequence[Chunk]) -> None:
        """Add chunks, and wait until they are written."""
        self._written(lambda connection: _insert(connection, chunks))

    def trust(self, asked: Asked, held: Sequence[Held] = ()) -> TrustLine:
        """A guest's trust."""
        parts = list(self._parts(asked, "trust", lambda _: (len(TRUST), slice(None))))
        parts += [(layout, _columns(points, slice(0, len(TRUST)))) for layout, points in held]
        bands = _words([layout.bands for layout, _ in parts])
        freshness = _words([layout.freshness for layout, _ in parts])
        found = [
            _numbered(points, (layout.bands, bands), (layout.freshness, freshness))
            for layout, points in parts
        ]
        return TrustLine(_shown(found, asked, len(TRUST)), bands, freshness)

    def samples(self, asked: Asked, feature: str, held: Sequence[Held] = ()) -> Points:
        """One feature of a guest: a single column."""

        def column(layout: Layout) -> tuple[int, slice] | None:
            if feature not in layout.features:
                return None
            place = layout.features.index(feature)
            return len(layout.features), slice(place, place + 1)

        found = [points for _, points in self._parts(asked, "samples", column)]
        for layout, points in held:
            if feature in layout.features:
                place = len(TRUST) + layout.features.index(feature)
                found.append(_columns(points, slice(place, place + 1)))
        return _shown(found, asked, 1)

    def known(self, guest: GuestId) -> bool:
        """Whether anything is kept of a guest."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT 1 FROM chunk WHERE guest = ? LIMIT 1", (guest,))
            return row.fetchone() is not None

    def roll(self, most: int, *, before: Sequence[float] = (-inf, -inf)) -> int:
        """Roll up what is due, a group of one guest at a time.

        Args:
            most: how many groups at most.
            before: of each tier but the last; what ended before this is rolled up though
                its group is not full, in epoch seconds.

        Returns:
            How many groups were rolled up.
        """
        done = 0
        for tier, (group, late) in enumerate(zip(GROUPS, before, strict=True)):
            while due := self._due(tier, group, late, most - done):
                for guest in due:
                    self._roll(guest, tier, group)
                done += len(due)
        return done

    def _due(self, tier: int, group: int, before: float, most: int) -> list[GuestId]:
        """Guests of which a group is to be rolled up."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT guest FROM chunk WHERE rolled = 0 AND tier = ? GROUP BY guest"
                " HAVING count(*) >= ? OR min(last) < ? LIMIT ?",
                (tier, group, before, most),
            ).fetchall()
        return [GuestId(guest) for (guest,) in rows]

    def _roll(self, guest: GuestId, tier: int, group: int) -> None:
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT id, {_DOCUMENT}, points, times, trust, samples {_UNROLLED}"
                " ORDER BY id LIMIT ?",
                (guest, tier, group),
            ).fetchall()
        parts: dict[str, list[Points]] = {}
        for id_, document, points, times, trust, samples in rows:
            try:
                columns = len(Layout.parsed(document).features)
                first = points_of(tier, points, times, trust, len(TRUST))
                rest = points_of(tier, points, times, samples, columns)
            except StoreError as error:
                # one that is damaged must not keep the others from being rolled up
                log.error("history is lost", guest=guest, chunk=id_, error=str(error))  # noqa: TRY400 - a damaged file
                continue
            parts.setdefault(document, []).append(_beside(first, rest))
        made = [
            chunk_of(
                guest, tier + 1, Layout.parsed(document), rolled(joined(each), STEPS[tier + 1])
            )
            for document, each in parts.items()
        ]
        ids = orjson.dumps([row[0] for row in rows]).decode()

        def work(connection: sqlite3.Connection) -> None:
            _insert(connection, made)
            connection.execute(
                "UPDATE chunk SET rolled = 1 WHERE id IN (SELECT value FROM json_each(?))", (ids,)
            )

        self._written(work)

    def _written(self, work: Callable[[sqlite3.Connection], None]) -> None:
        future = self._database.submit(work, synced=False)
        try:
            future.result(PATIENCE)
        except TimeoutError as error:
            future.cancel()  # what was not begun is tried again, and must not be done twice
            raise StoreError(f"a write of history took more than {PATIENCE:g} s") from error

    def _parts(self, asked: Asked, blob: str, columns: _Columns) -> Iterator[tuple[Layout, Points]]:
        """Each stretch once, in the coarsest tier that is fine enough.

        What is not rolled up into that tier yet comes from finer ones, and what is not
        kept in it any more from coarser ones.
        """
        width = (asked.until - asked.since) / asked.points
        tier = max(place for place, step in enumerate(STEPS) if step <= width)
        select = f"SELECT tier, points, times, {blob}, {_DOCUMENT}"
        within = "AND last >= ? AND first < ?"
        ends = inf
        with self._database.reading() as connection:
            connection.execute("BEGIN")
            for source, each in ((_KEPT, tier), *((_UNROLLED, finer) for finer in range(tier))):
                rows = connection.execute(
                    f"{select} {source} {within}", (asked.guest, each, asked.since, asked.until)
                ).fetchall()
                yield from _decoded(rows, columns)
                ends = min(ends, _begin(connection, source, asked.guest, each))
            for coarser in range(tier + 1, len(STEPS)):
                rows = connection.execute(
                    f"{select} {_KEPT} {within}",
                    (asked.guest, coarser, asked.since - STEPS[coarser], min(asked.until, ends)),
                ).fetchall()
                for layout, points in _decoded(rows, columns):
                    yield layout, points.where(points.at + points.seconds <= ends)
                ends = min(ends, _begin(connection, _KEPT, asked.guest, coarser))


def _begin(connection: sqlite3.Connection, source: str, guest: GuestId, tier: int) -> float:
    """Epoch seconds of the first point of it; infinity where there is none."""
    (first,) = connection.execute(f"SELECT min(first) {source}", (guest, tier)).fetchone()
    return inf if first is None else float(first)


def _decoded(rows: Iterable[tuple[Any, ...]], columns: _Columns) -> Iterator[tuple[Layout, Points]]:
    layouts: dict[str, Layout] = {}
    for tier, count, times, blob, document in rows:
        layout = layouts.get(document)
        if layout is None:
            layout = layouts[document] = Layout.parsed(document)
        if (found := columns(layout)) is not None:
            stored, wanted = found
            yield layout, points_of(tier, count, times, blob, stored, wanted=wanted)


def _insert(connection: sqlite3.Connection, chunks: Iterable[Chunk]) -> None:
    layouts: dict[Layout, int] = {}
    rows = []
    for each in chunks:
        if each.layout not in layouts:
            layouts[each.layout] = _layout(connection, each.layout.document())
        size = len(each.times) + len(each.trust) + len(each.samples)
        rows.append((*each[:2], layouts[each.layout], *each[3:6], size, *each[6:]))
    connection.executemany(
        "INSERT INTO chunk (guest, tier, layout, first, last, points, bytes, times, trust, samples)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def _layout(connection: sqlite3.Connection, document: str) -> int:
    connection.execute("INSERT OR IGNORE INTO layout (document) VALUES (?)", (document,))
    (found,) = connection.execute(
        "SELECT id FROM layout WHERE document = ?", (document,)
    ).fetchone()
    return int(found)


def _columns(points: Points, wanted: slice) -> Points:
    """Some columns of points, copied: a view would keep all of them in memory."""
    return Points(
        points.at,
        points.seconds,
        points.ticks,
        points.mean[wanted].copy(),
        points.low[wanted].copy(),
        points.high[wanted].copy(),
    )


def _beside(first: Points, second: Points) -> Points:
    """The columns of two, whose points are the same."""
    return Points(
        first.at,
        first.seconds,
        first.ticks,
        np.concatenate([first.mean, second.mean]),
        np.concatenate([first.low, second.low]),
        np.concatenate([first.high, second.high]),
    )


def _shown(parts: Sequence[Points], asked: Asked, columns: int) -> Points:
    """What was asked for, not more points than were asked for."""
    none = Points.of_ticks(np.empty(0), np.empty((columns, 0), np.float32))
    found = joined([*parts, none])
    found = found.where((found.at >= asked.since) & (found.at < asked.until))
    if len(found.at) <= asked.points:
        return found
    return rolled(found, (asked.until - asked.since) / asked.points, asked.since)


def _words(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Every word once; those of the newest layout in its order, then those of older ones."""
    every = list(dict.fromkeys(lists))
    return tuple(dict.fromkeys(word for words in reversed(every) for word in words))


def _numbered(points: Points, *columns: tuple[tuple[str, ...], tuple[str, ...]]) -> Points:
    """The last columns by the places of their words in other lists.

    Args:
        columns: of each the words that it goes by, and those that it is to go by.
    """
    if all(mine == theirs[: len(mine)] for mine, theirs in columns):
        return points
    high = points.high.copy()
    for row, (mine, theirs) in enumerate(columns, start=len(high) - len(columns)):
        places = np.array([theirs.index(word) for word in mine] or [0], np.float32)
        known = ~np.isnan(high[row])
        high[row, known] = places[high[row, known].astype(np.intp)]
    return Points(points.at, points.seconds, points.ticks, points.mean, points.low, high)
