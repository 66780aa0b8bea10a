"""Devices that were plugged in again, until they are known to stay.

Some kernels answer a request to let go of a device twice where it was repeated: the
second answer throws out what was plugged in at that place meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from trustd.model import Intent, Place


class Returned:
    """Since when each device is back.

    Args:
        seconds: for which it is watched; counted from the first time, so that a guest
            that throws out whatever is plugged in is left alone then.
        clock: steady seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: dict[Place, float] = {}

    def within(self, place: Place) -> float:
        """Seconds until it counts as staying; they begin with the first question.

        >>> from trustd.model import GuestId
        >>> now = [0.0]
        >>> returned, place = Returned(15.0, lambda: now[0]), (GuestId("g"), "unplug", "vdb")
        >>> returned.within(place)
        15.0
        >>> now[0] = 20.0
        >>> returned.within(place)
        0.0
        """
        now = self._clock()
        return max(0.0, self._since.setdefault(place, now) + self._seconds - now)

    def forget(self, place: Place) -> None:
        """It stays, or is to leave again."""
        self._since.pop(place, None)


def is_given_back(kept: Intent) -> bool:
    """Whether the last state that was put in force is the one from before trustd."""
    return kept.ours[-1] == kept.prior
