"""Which guests are to be looked at, and when: what rests costs nothing."""

from __future__ import annotations

from heapq import heappop, heappush

from trustd.model import GuestId


class Agenda:
    """The time at which each guest is to be looked at next, on a steady clock."""

    def __init__(self) -> None:
        self._at: dict[GuestId, float] = {}
        self._next: list[tuple[float, GuestId]] = []
        self._ripe: set[GuestId] = set()

    def now(self, guest: GuestId) -> None:
        """Look at it as soon as that can be done."""
        self._at.pop(guest, None)
        self._ripe.add(guest)

    def at(self, guest: GuestId, time: float) -> None:
        """Look at it then, and not before."""
        self._ripe.discard(guest)
        self._at[guest] = time
        heappush(self._next, (time, guest))

    def drop(self, guest: GuestId) -> None:
        """Do not look at it any more, or not before somebody says so."""
        self._at.pop(guest, None)
        self._ripe.discard(guest)

    def waits(self, guest: GuestId) -> bool:
        """Whether it is to be looked at as soon as that can be done."""
        return guest in self._ripe

    def ripe(self, now: float) -> set[GuestId]:
        """Every guest whose time has come; each stays until it is dropped or put off."""
        while self._next and self._next[0][0] <= now:
            time, guest = heappop(self._next)
            # what was put off or dropped since has left an entry that says nothing
            if self._at.get(guest) == time:
                self.now(guest)
        return set(self._ripe)
