"""When guests came, and when something was last heard of them."""

from __future__ import annotations

from math import nan

from trustd.model import Freshness, GuestId


class Sightings:
    """Of each guest three times, all by the caller's clock in seconds.

    >>> seen, web = Sightings(), GuestId("web")
    >>> seen.begin(web, 10.0)
    >>> seen.silent(web, 15.0), seen.age(web, 15.0)
    (5.0, nan)
    >>> seen.hear(web, Freshness.FRESH, 20.0)
    >>> seen.hear(web, Freshness.IDLE, 30.0)
    >>> seen.silent(web, 31.0), seen.age(web, 31.0)
    (1.0, 11.0)
    """

    def __init__(self) -> None:
        self._came: dict[GuestId, float] = {}
        self._heard: dict[GuestId, float] = {}
        self._measured: dict[GuestId, float] = {}

    def __contains__(self, guest: GuestId) -> bool:
        """Whether a guest came."""
        return guest in self._came

    def begin(self, guest: GuestId, clock: float) -> None:
        """Note that a guest comes; the first time counts."""
        self._came.setdefault(guest, clock)

    def recall(self, guest: GuestId, *, heard: float | None, measured: float | None) -> None:
        """Take over what is known of a guest from before; None leaves what there is."""
        if heard is not None:
            self._heard[guest] = heard
        if measured is not None:
            self._measured[guest] = measured

    def hear(self, guest: GuestId, how: Freshness, clock: float) -> None:
        """Note how much was heard of a guest in a tick."""
        if how is Freshness.FRESH:
            self._measured[guest] = self._heard[guest] = clock
        elif how is Freshness.IDLE:
            self._heard[guest] = clock

    def heard(self, guest: GuestId) -> float:
        """When something was last heard of a guest that came; that it came is the least."""
        return self._heard.get(guest, self._came[guest])

    def age(self, guest: GuestId, clock: float) -> float:
        """Seconds since a guest was sampled whole; NaN if it never was."""
        return clock - self._measured.get(guest, nan)

    def silent(self, guest: GuestId, clock: float) -> float:
        """Seconds for which nothing was heard of a guest: neither samples nor that it is off."""
        return clock - self.heard(guest)

    def forget(self, guest: GuestId) -> None:
        """Let go of a guest."""
        for times in (self._came, self._heard, self._measured):
            times.pop(guest, None)
