"""The blast radius: how many guests may be narrowed in a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from trustd.model import GuestId
from trustd.policy.schema import Demotions


class Radius:
    """How many guests may be narrowed further in a time: beyond it trustd holds.

    A fall of many guests at once is more often a collector's fault, or the host's,
    than that of so many guests.

    Args:
        spent: guests that were narrowed before, with the time, oldest first.
    """

    def __init__(self, spent: Iterable[tuple[float, GuestId]] = ()) -> None:
        self._spent: deque[tuple[float, GuestId]] = deque(spent)

    def allows(self, guest: GuestId, limits: Demotions, guests: int, clock: float) -> bool:
        """Whether one more guest may be narrowed now; if so, it is counted.

        A guest that was counted already is narrowed further without being counted
        again: holding it half-way would serve nobody.

        Args:
            guests: that are running; a share of them, but always one, may be narrowed.
            clock: seconds on a clock that never steps.

        >>> radius, limits = Radius(), Demotions(max=3, percent=20, per=600)
        >>> [radius.allows(GuestId(name), limits, 10, clock=0.0) for name in "abca"]
        [True, True, False, True]
        >>> radius.allows(GuestId("c"), limits, 10, clock=601.0)
        True
        """
        while self._spent and clock - self._spent[0][0] > limits.per:
            self._spent.popleft()
        known = {counted for _, counted in self._spent}
        if guest in known:
            return True
        if len(known) >= max(1, min(limits.max, int(limits.percent * guests / 100))):
            return False
        self._spent.append((clock, guest))
        return True
