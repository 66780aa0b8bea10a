"""History in the order of time: at each moment, what was recorded of every guest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trustd.model import Freshness, GuestId
from trustd.repository import Values
from trustd.repository.recorded import Stretch

_DIGITS = 7
"""Of a trust that was kept in 32 bits: rounded to these it is the number that it was, where that
was one of a few digits, such as a ceiling. A bound of a band may be the same number."""
_MS = 1000.0


class Row(NamedTuple):
    """What was recorded of one guest.

    Args:
        trust: the lowest.
        how: the best that was known of it.
        band: the worst; empty where none was recorded.
    """

    guest: GuestId
    trust: float
    how: Freshness
    band: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One tick, or one step of a coarser kind, or a part of it.

    Args:
        at: epoch seconds at which it begins.
        width: seconds for which it stands; 0 for one tick.
        step: seconds of the steps of which it is one, or a part; 0 for one tick.
        rows: guests in the order in which they stood.
    """

    at: float
    width: float
    step: float
    rows: Sequence[Row]

    def parts(self, seconds: float) -> Sequence[Moment]:
        """Its first seconds and the rest: trust that is good in all of it lets a guest rise then.

        >>> [(part.at, part.width) for part in Moment(0.0, 3600.0, 3600.0, ()).parts(300.0)]
        [(0.0, 300.0), (300.0, 3300.0)]
        """
        if not 0 < seconds < self.width:
            return (self,)
        rest = Moment(self.at + seconds, self.width - seconds, self.step, self.rows)
        return Moment(self.at, seconds, self.step, self.rows), rest


def stamp(at: float) -> float:
    """A time to the millisecond, as history keeps times."""
    return round(at * _MS) / _MS


def moments(stretches: Sequence[Stretch]) -> Iterator[Moment]:
    """The moments of a part of history.

    Steps begin with the clock's minute and hour, so that all guests share them.
    """
    if not stretches:
        return
    at = np.concatenate([_at(each) for each in stretches])
    width = np.concatenate([each.points.seconds for each in stretches])
    place = np.concatenate([np.full(len(each.points.at), each.place) for each in stretches])
    trust = np.concatenate([each.points.low[0] for each in stretches])
    guests = np.concatenate([_same(each.guest, each) for each in stretches])
    how = np.concatenate([_freshness(each) for each in stretches])
    bands = np.concatenate([_bands(each) for each in stretches])
    order = np.lexsort((place, at))
    times, widths = at[order].tolist(), width[order].tolist()
    rows = list(
        map(
            Row,
            guests[order].tolist(),
            np.round(trust[order].astype(np.float64), _DIGITS).tolist(),
            how[order].tolist(),
            bands[order].tolist(),
        )
    )
    starts = [*np.flatnonzero(np.diff(at[order], prepend=-1.0)).tolist(), len(rows)]
    for first, last in pairwise(starts):
        step = max(widths[first:last])
        yield Moment(times[first], step, step, rows[first:last])


def _at(stretch: Stretch) -> NDArray[np.float64]:
    points = stretch.points
    step = np.where(points.seconds > 0, points.seconds, 1.0)
    begun: NDArray[np.float64] = np.floor(points.at / step) * step
    return np.where(points.seconds > 0, begun, points.at)


def _same(value: object, stretch: Stretch) -> NDArray[np.object_]:
    return np.full(len(stretch.points.at), value, dtype=object)


def _freshness(stretch: Stretch) -> NDArray[np.object_]:
    words = [Freshness(each) for each in stretch.layout.freshness]
    return _named(words, np.nan_to_num(stretch.points.low[3]))


def _bands(stretch: Stretch) -> NDArray[np.object_]:
    unknown = len(stretch.layout.bands)
    places = np.nan_to_num(stretch.points.high[2], nan=unknown)
    return _named([*stretch.layout.bands, ""], places)


def _named(words: Sequence[str], places: Values) -> NDArray[np.object_]:
    found: NDArray[np.object_] = np.array(words, dtype=object)[places.astype(np.intp)]
    return found
