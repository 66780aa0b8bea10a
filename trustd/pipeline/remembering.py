"""The line's memory of every tick: kept in columns until a stretch of it is stored."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np
import structlog

from trustd.errors import StoreError
from trustd.model import FeatureSpec, Fleet, Freshness, GuestId, gathered
from trustd.repository import Block, Held, Layout, Points, Timelines, Values, chunks_of

log = structlog.get_logger()

TICKS = 60
"""In a stretch; it is what an end of the process without warning costs."""
LONGEST = 300.0
"""Seconds of a stretch at most, where ticks are rare."""
MOST_WAITING = 6
"""Stretches that wait for a store that fails; beyond it the oldest is lost."""
BATCH = 50
"""Guests that are stored in one transaction: others wait for the writer too."""
_FRESHNESS = tuple(map(str, Freshness))
_PLACES = {each: float(place) for place, each in enumerate(Freshness)}


@dataclass(slots=True)
class _Stretch:
    """Ticks that follow each other, with the same layout.

    Args:
        rows: of each tick the guests, and their values in that order.
        stored: the guests of which it is stored.
    """

    layout: Layout
    began: float
    at: list[float] = field(default_factory=list)
    rows: list[tuple[tuple[GuestId, ...], Values]] = field(default_factory=list)
    stored: set[GuestId] = field(default_factory=set)

    def full(self) -> bool:
        return len(self.at) >= TICKS or self.at[-1] - self.began >= LONGEST

    def goes_on(self, layout: Layout, at: float) -> bool:
        """Whether a tick belongs to it: a clock that was set begins another one."""
        return layout == self.layout and 0 < at - self.at[-1] < LONGEST

    def blocks(self, most: int) -> Iterator[Block]:
        """What is not stored yet, so many guests at a time: all at once would be there twice."""
        guests = tuple(dict.fromkeys(id_ for ids, _ in self.rows for id_ in ids))
        places = {id_: place for place, id_ in enumerate(guests)}
        rows = np.full((len(self.at), len(guests)), -1, np.int32)
        for tick, (ids, _) in enumerate(self.rows):
            rows[tick, [places[id_] for id_ in ids]] = np.arange(len(ids))
        left = [place for place, id_ in enumerate(guests) if id_ not in self.stored]
        at, columns = np.array(self.at), self.rows[0][1].shape[1]
        for first in range(0, len(left), most):
            some = left[first : first + most]
            row = rows[:, some]
            present = row >= 0
            values = np.full((*row.shape, columns), np.nan, np.float32)
            for tick, (_, told) in enumerate(self.rows):
                here = present[tick]
                values[tick, here] = told[row[tick, here]]
            yield Block(self.layout, tuple(guests[place] for place in some), at, values, present)

    def of(self, guest: GuestId) -> Held | None:
        """One guest's points; None where it was not there."""
        found = [
            (at, row[ids.index(guest)])
            for at, (ids, row) in zip(tuple(self.at), tuple(self.rows), strict=False)
            if guest in ids and guest not in self.stored
        ]
        if not found:
            return None
        values = np.stack([row for _, row in found], axis=1)
        return self.layout, Points.of_ticks(np.array([at for at, _ in found]), values)


class Remembering:
    """Takes in ticks, and stores them a stretch at a time, on another thread.

    Taking in a tick is copying its numbers; packing and writing cost it nothing.

    Args:
        features: in the order in which they are measured.
    """

    def __init__(self, timelines: Timelines, features: Sequence[FeatureSpec]) -> None:
        self._timelines = timelines
        self._features = tuple(feature.name for feature in features)
        self._open: _Stretch | None = None
        self._waiting: deque[_Stretch] = deque()
        self._lock = threading.Lock()
        # at a stop the last of it is stored, though a disk that hangs holds what is under way
        self._storing = threading.Lock()

    def note(self, fleet: Fleet) -> None:
        """Take in one tick; on the line's thread."""
        layout = Layout(fleet.bands, _FRESHNESS, self._features)
        bands = {band: float(place) for place, band in enumerate(fleet.bands)}
        if not fleet.guests:
            return
        trust = [
            (
                each.trust,
                each.opinion.uncertainty,
                bands.get(each.band, nan),
                _PLACES[each.freshness],
            )
            for each in fleet.guests.values()
        ]
        samples, _ = gathered([each.samples for each in fleet.guests.values()], self._features)
        with np.errstate(over="ignore"):  # what no such float holds is infinite
            values = np.concatenate([trust, samples], axis=1).astype(np.float32)
        with self._lock:
            stretch = self._open
            if stretch is not None and not stretch.goes_on(layout, fleet.at):
                self._close()
                stretch = None
            if stretch is None:
                stretch = self._open = _Stretch(layout, fleet.at)
            guests = tuple(fleet.guests)
            if stretch.rows and stretch.rows[-1][0] == guests:
                guests = stretch.rows[-1][0]  # the same ones as a tick ago, once in memory
            stretch.at.append(fleet.at)
            stretch.rows.append((guests, values))
            if stretch.full():
                self._close()

    def store(self) -> None:
        """Store the stretches that are complete.

        Raises:
            StoreError: what is not stored is tried again the next time.
        """
        with self._storing:
            while self._waiting:
                self._store(self._waiting[0])

    def _store(self, stretch: _Stretch) -> None:
        for block in stretch.blocks(BATCH):
            self._timelines.store(tuple(chunks_of(block)))
            stretch.stored.update(block.guests)
        with self._lock:
            if self._waiting and self._waiting[0] is stretch:
                self._waiting.popleft()

    def close(self) -> None:
        """Store everything, as far as that is possible."""
        with self._lock:
            self._close()
        try:
            self.store()
        except StoreError as error:
            log.error("the last minutes of history were not stored", error=str(error))  # noqa: TRY400 - no mistake of ours

    def held(self, guest: GuestId) -> Sequence[Held]:
        """What is not stored yet of a guest, oldest first."""
        with self._lock:
            every = [*self._waiting, *([self._open] if self._open else [])]
        return [found for each in every if (found := each.of(guest)) is not None]

    def _close(self) -> None:
        if self._open is None:
            return
        self._waiting.append(self._open)
        self._open = None
        if len(self._waiting) > MOST_WAITING:
            lost = self._waiting.popleft()
            log.error("history is lost: the repository takes none", ticks=len(lost.at))
