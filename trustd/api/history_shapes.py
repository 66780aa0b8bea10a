"""The documents of guests' history and of what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimelineDoc:
    """A guest's trust, or one of its features, over time: columns, oldest point first.

    A point begins at ``at`` and stands for ``seconds``, 0 for a single tick; ``ticks`` is
    how many it was made of. ``value`` is their mean, ``lowest`` and ``highest`` are their
    extremes, null where nothing is known. ``band`` is the worst band and ``freshness`` the
    worst freshness in that time; these two and ``uncertainty`` are empty for a feature.
    Where nothing was watched there is no point.
    """

    guest: str
    since: float
    until: float
    feature: str | None
    unit: str | None
    bands: Sequence[str]
    at: Sequence[float]
    seconds: Sequence[float]
    ticks: Sequence[int]
    value: Sequence[float | None]
    lowest: Sequence[float | None]
    highest: Sequence[float | None]
    uncertainty: Sequence[float | None]
    band: Sequence[str | None]
    freshness: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class KindDoc:
    """One kind of what is stored.

    ``a_day`` is what a guest costs in a day for history, and what all cost for records;
    ``kept`` is for how many seconds it is kept. Null where there is none.
    """

    name: str
    rows: int
    bytes: int
    oldest: float | None
    a_day: float | None
    kept: float | None


@dataclass(frozen=True, slots=True)
class StorageDoc:
    """What the repository takes, in bytes, and what it will take with the present guests.

    ``guest_day`` is what all kinds of history of one guest cost in a day. ``clock_ahead`` is
    by how many seconds the clock is ahead of the time that records are judged by.
    """

    kinds: Sequence[KindDoc]
    guests: int
    guest_day: float | None
    file: int
    used: int
    most: float
    free: int
    expected: float | None
    shortened: bool
    clock_ahead: float
    error: str
