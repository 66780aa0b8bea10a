"""Guests that are spared the calls that could hang on them: an expiring skip set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trustd.model import GuestId

_FORGET = 120.0
_FREE = 2
_FIRST = 5.0
_MOST = 60.0


@dataclass(frozen=True, slots=True)
class _Hold:
    stalls: int
    last: float
    until: float


class Holds:
    """Which guests to leave out of the bulk call, and until when.

    A guest that stalled once or twice is not left out: while the given-up call still
    waits for its emulator, libvirt itself answers for it at once with what it has, and
    the guest is whole again in the tick in which its emulator is. One that keeps
    stalling is a drag on every tick, and is left out for twice as long each time.

    >>> holds = Holds()
    >>> for clock in (100.0, 103.0, 106.0):
    ...     holds.stalled([GuestId("a")], clock)
    >>> holds.held(110.0), holds.held(111.0)
    (frozenset({'a'}), frozenset())
    """

    def __init__(self) -> None:
        self._holds: dict[GuestId, _Hold] = {}

    def stalled(self, guests: Iterable[GuestId], clock: float) -> None:
        """Note that a call hung on these guests.

        Args:
            clock: seconds on a clock that never steps.
        """
        for guest in guests:
            known = self._holds.get(guest)
            stalls = 1
            if known is not None and clock - known.last <= _FORGET:
                stalls += known.stalls
            excess = stalls - _FREE - 1
            spared = min(_FIRST * 2.0**excess, _MOST) if excess >= 0 else 0.0
            self._holds[guest] = _Hold(stalls, last=clock, until=clock + spared)

    def held(self, clock: float) -> frozenset[GuestId]:
        """The guests to leave out now; forgets those that behaved for long."""
        for guest in [g for g, hold in self._holds.items() if clock - hold.last > _FORGET]:
            del self._holds[guest]
        return frozenset(guest for guest, hold in self._holds.items() if clock < hold.until)
