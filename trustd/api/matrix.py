"""The fleet's last day at a glance: a byte for each guest and stretch of time."""

from __future__ import annotations

import gzip
from asyncio import Event
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor

import orjson

from trustd.api.history_shapes import TimelineDoc
from trustd.api.matrix_shapes import MatrixDoc
from trustd.model import Fleet, Freshness, GuestId

STEP = 600.0
"""Seconds of a stretch."""
COLUMNS = 144
"""Stretches that are kept: a day."""
BLANK, DOUBT, IDLE = " ", "~", "."
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Bands, best first. Further ones share the last letter."""


@dataclass(slots=True)
class _Stretch:
    """What one guest was in the stretch that is under way.

    Args:
        worst: the letter of the worst band, empty for none.
        fresh, doubt, idle: ticks of each kind.
    """

    worst: str = ""
    fresh: int = 0
    doubt: int = 0
    idle: int = 0

    def note(self, letter: str, freshness: str) -> None:
        if freshness == Freshness.FRESH:
            self.fresh += 1
            self.worst = max(self.worst, letter)
        elif freshness == Freshness.IDLE:
            self.idle += 1
        else:
            self.doubt += 1

    def code(self) -> str:
        """One character; where little was known, that and no band."""
        if self.fresh + self.doubt + self.idle == 0:
            return BLANK
        if self.doubt > self.fresh:
            return DOUBT
        if self.idle > self.fresh:
            return IDLE
        # a band that the policy no longer has says nothing
        return self.worst or BLANK


class Matrix:
    """Which band each guest was in, stretch by stretch. Belongs to the loop.

    A stretch shows the worst band in it, unless the guest answered in less than half of
    its ticks: what is not known is not shown as good.
    """

    def __init__(self) -> None:
        self._newest = -1
        self._rows: dict[GuestId, bytearray] = {}
        self._open: dict[GuestId, _Stretch] = {}
        self._answer: tuple[int, bytes, bytes] | None = None
        self.lacking = Event()
        """Set where what was before has to be filled in."""

    def note(self, fleet: Fleet) -> None:
        """Take in one tick."""
        self._advance(floor(fleet.at / STEP))
        letters = _letters(fleet.bands)
        for identity, guest in fleet.guests.items():
            stretch = self._open.get(identity)
            if stretch is None:
                stretch = self._open[identity] = _Stretch()
            stretch.note(letters.get(guest.band, ""), guest.freshness)
        self._answer = None

    def fill(self, line: TimelineDoc, bands: Iterable[str]) -> None:
        """Take in what was before this run, where nothing is known yet.

        Args:
            line: of trust, with points shorter than a stretch.
            bands: of the policy in force, best first.
        """
        letters = _letters(bands)
        old: dict[int, _Stretch] = {}
        for at, band, freshness in zip(line.at, line.band, line.freshness, strict=True):
            # a point without a freshness is one that nobody watched
            if freshness is not None:
                stretch = old.setdefault(floor(at / STEP), _Stretch())
                stretch.note(letters.get(band or "", ""), freshness)
        row = self._row(GuestId(line.guest))
        for number, stretch in old.items():
            place = COLUMNS - 1 - (self._newest - number)
            if place == COLUMNS - 1:
                # of the stretch in which this run began: a fall in it must not be forgotten
                now = self._open.setdefault(GuestId(line.guest), _Stretch())
                now.worst = max(now.worst, stretch.worst)
            elif place >= 0 and row[place : place + 1] == BLANK.encode():
                row[place : place + 1] = stretch.code().encode()
        self._answer = None

    def row(self, guest: GuestId) -> str:
        """A guest's stretches, oldest first, that which is under way last."""
        closed = self._rows.get(guest)
        stretch = self._open.get(guest, _Stretch())
        return (closed.decode()[:-1] if closed else BLANK * (COLUMNS - 1)) + stretch.code()

    def answer(self, fleet: Fleet) -> tuple[bytes, bytes]:
        """The document of the fleet's guests, plain and gzip; made once a tick."""
        if self._answer is None or self._answer[0] != fleet.tick:
            document = MatrixDoc(
                tick=fleet.tick,
                until=(self._newest + 1) * STEP,
                step=STEP,
                bands=fleet.bands,
                rows={guest: self.row(guest) for guest in fleet.guests},
            )
            plain = orjson.dumps(document)
            self._answer = fleet.tick, plain, gzip.compress(plain, 1, mtime=0)
        return self._answer[1], self._answer[2]

    def _advance(self, number: int) -> None:
        """Begin a new stretch; a clock that was set back a little stays in the newest one."""
        if number < self._newest - 1:
            # what came after is no more, and the rows would stand still until then
            self._newest = -1
            self._rows.clear()
            self.lacking.set()
        steps = number - self._newest
        if steps <= 0:
            return
        if self._newest >= 0:
            for guest, stretch in self._open.items():
                self._row(guest)[-1:] = stretch.code().encode()
            shift = min(steps, COLUMNS)
            for row in self._rows.values():
                del row[:shift]
                row.extend(BLANK.encode() * shift)
        self._newest = number
        self._open = {}
        for guest in [guest for guest, row in self._rows.items() if not row.strip()]:
            del self._rows[guest]

    def _row(self, guest: GuestId) -> bytearray:
        row = self._rows.get(guest)
        if row is None:
            row = self._rows[guest] = bytearray(BLANK.encode() * COLUMNS)
        return row


def _letters(bands: Iterable[str]) -> dict[str, str]:
    """A letter for each band.

    >>> _letters(["trusted", "guarded"])
    {'trusted': 'a', 'guarded': 'b'}
    """
    return {band: _LETTERS[min(place, len(_LETTERS) - 1)] for place, band in enumerate(bands)}
