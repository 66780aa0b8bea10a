"""For how long, how far and why: one guest's time in two worlds. No clock, no store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf, isnan

from trustd.pipeline.backtest.moments import Moment

_TOGETHER = 300.0
"""Seconds up to which two ticks follow each other; history keeps none longer in one stretch."""
_EDGE = 2
"""Steps by which a stretch may begin or end elsewhere where only minutes or hours are known."""
_EDGE_OF_TICKS = 1
"""The same where every tick is: two clocks need not agree to the millisecond."""


class State(IntEnum):
    """How far a guest is narrowed; the worse, the larger."""

    FREE = 0
    """Not at all, or it does not run."""
    OBSERVED = 1
    """It would be, if it were not only observed."""
    HELD = 2
    """It should be, and is held back."""
    NARROWED = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """How a guest fares at a moment.

    Args:
        rank: of its band, in the policy that is tried; -1 where that does not know it.
    """

    state: State
    band: str
    rank: int


@dataclass(slots=True)
class Stretch:
    """A time without a break in which a guest is narrowed, observed or held.

    Args:
        begin, end: epoch seconds.
        seconds: of it, by state; what is between two runs of the daemon is in none.
        band: the worst, and its rank.
        trust: the lowest; infinite where none is known.
        width: seconds of the coarsest step that it is known by; 0 for ticks.
        why: what brought it about.
        measures: what would be done, and which permissions are lost, at its worst.
    """

    begin: float
    end: float
    band: str
    rank: int
    seconds: dict[State, float] = field(default_factory=dict)
    trust: float = inf
    width: float = 0.0
    why: str = ""
    drivers: Sequence[str] = ()
    levers: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    once: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """Seconds in all."""
        return sum(self.seconds.values())


class Change(IntEnum):
    """How the policy that is tried differs from what happened."""

    LESS = -1
    OTHER = 0
    MORE = 1


@dataclass(slots=True)
class Difference:
    """A time in which it differs in one way.

    Args:
        was, now: how the guest fared, and how it would have, when it began.
        steps: how many moments it is made of.
        width: seconds of the coarsest.
        beside: whether it begins or ends where both say that the guest is narrowed.
    """

    change: Change
    begin: float
    end: float
    was: Condition
    now: Condition
    seconds: float = 0.0
    steps: int = 0
    width: float = 0.0
    beside: bool = False

    @property
    def edge(self) -> bool:
        """Whether it is only that one of two stretches begins or ends a step elsewhere."""
        short = self.seconds <= _EDGE * self.width if self.width else self.steps <= _EDGE_OF_TICKS
        return self.beside and short


def change_of(was: Condition, now: Condition) -> Change | None:
    """What differs; None where nothing does.

    >>> free, low = Condition(State.FREE, "a", 0), Condition(State.NARROWED, "b", 1)
    >>> change_of(free, low).name, change_of(low, free).name, change_of(low, low)
    ('MORE', 'LESS', None)
    >>> change_of(Condition(State.NARROWED, "gone", -1), low).name
    'OTHER'
    """
    if was.state is not now.state:
        return Change.MORE if now.state > was.state else Change.LESS
    if now.state is State.FREE or was.band == now.band:
        return None
    if was.rank < 0:
        return Change.OTHER
    return Change.MORE if now.rank > was.rank else Change.LESS


class World:
    """One guest's stretches, as they happened or as they would have."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self.open: Stretch | None = None

    def take(self, at: float, width: float, passed: float, before: State, now: Condition) -> bool:
        """Take in a moment; whether a stretch begins or gets worse.

        Args:
            width: seconds of the step by which it is known; 0 for a tick.
            passed: seconds since the one before, as far as they are known.
            before: the state since then.
        """
        current = self.open
        if current is not None:
            current.seconds[before] = current.seconds.get(before, 0.0) + passed
            current.end = current.end if not passed else at
        if now.state is State.FREE:
            self.open = None
            return False
        if current is None:
            self.open = Stretch(at, at, now.band, now.rank, width=width)
            self.stretches.append(self.open)
            return True
        current.width = max(current.width, width)
        if now.rank > current.rank:
            current.band, current.rank = now.band, now.rank
            return True
        return False


class Book:
    """One guest in both worlds."""

    def __init__(self) -> None:
        self.was, self.now = World(), World()
        self.differences: list[Difference] = []
        self.edges = 0
        self._at: float | None = None
        self._width = 0.0
        self._last: tuple[Condition, Condition] | None = None
        self._open: Difference | None = None

    def take(self, moment: Moment, was: Condition, now: Condition, trust: float) -> bool:
        """Take in a moment; whether what would have happened begins or gets worse."""
        at, passed = moment.at, self._passed(moment.at)
        before = self._last or (was, now)
        self.was.take(at, moment.step, passed, before[0].state, was)
        worse = self.now.take(at, moment.step, passed, before[1].state, now)
        for world in (self.was.open, self.now.open):
            if world is not None and not isnan(trust):
                world.trust = min(world.trust, trust)
        self._compare(moment, passed, was, now)
        self._at, self._width, self._last = at, moment.width, (was, now)
        return worse

    def pass_by(self, at: float, width: float) -> None:
        """Take in a moment that is as the last one, at which it was narrowed in neither world."""
        self._at, self._width = at, width

    def close(self) -> None:
        """Take in that nothing more is known."""
        if self._at is None or self._last is None:
            return
        end = self._at + self._width
        for world, condition in zip((self.was, self.now), self._last, strict=True):
            if world.open is not None:
                state = condition.state
                seconds = world.open.seconds
                seconds[state] = seconds.get(state, 0.0) + self._width
                world.open.end = end
        if self._open is not None:
            self._open.seconds += self._width
            self._end(end, beside=False)

    def _passed(self, at: float) -> float:
        """Seconds since the last moment for which it stands: what is not known is not counted."""
        if self._at is None:
            return 0.0
        passed = at - self._at
        return passed if passed <= max(_TOGETHER, self._width) else self._width

    def _compare(self, moment: Moment, passed: float, was: Condition, now: Condition) -> None:
        at, change = moment.at, change_of(was, now)
        current = self._open
        if current is not None:
            current.seconds += passed
            if change is current.change:
                current.steps += 1
                current.width = max(current.width, moment.step)
                return
            self._end(at if passed else current.end, beside=_both(was, now) and change is None)
        if change is not None:
            beside = self._last is not None and _both(*self._last)
            self._open = Difference(change, at, at, was, now, 0.0, 1, moment.step, beside)

    def _end(self, at: float, *, beside: bool) -> None:
        assert self._open is not None  # noqa: S101 - the callers looked
        self._open.end = at
        self._open.beside |= beside
        if self._open.edge:
            self.edges += 1
        else:
            self.differences.append(self._open)
        self._open = None


def _both(was: Condition, now: Condition) -> bool:
    return was.state is not State.FREE and now.state is not State.FREE
