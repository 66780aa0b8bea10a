"""Which guests are watched: they come, change, vanish, and are remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan

from trustd.errors import NoSuchGuest
from trustd.model import Behaviour, Guest, GuestId
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.measuring import Measuring
from trustd.pipeline.narrowing import Narrowing
from trustd.policy import Policy
from trustd.trust import Engine

GRACE = 600.0
"""Seconds for which a guest that vanished keeps its place: a rename takes two events,
and a guest that is defined anew is the same guest."""


class Roster:
    """Admits guests to the engine and the bands, and retires them from both."""

    def __init__(
        self, engine: Engine, narrowing: Narrowing, measuring: Measuring, keeping: Keeping
    ) -> None:
        self.guests: Mapping[GuestId, Guest] = {}
        self._engine = engine
        self._narrowing = narrowing
        self._measuring = measuring
        self._keeping = keeping
        self._behaviours: dict[GuestId, Behaviour] = {}
        self._came: dict[GuestId, float] = {}
        self._measured: dict[GuestId, float] = {}
        self._gone: dict[GuestId, float] = {}

    def follow(
        self, guests: Mapping[GuestId, Guest], *, at: float, clock: float
    ) -> Sequence[GuestId]:
        """Take in the inventory of this tick.

        Args:
            at: epoch seconds.
            clock: seconds on the boot clock.

        Returns:
            Guests that were retired.
        """
        if guests is not self.guests:
            for guest in guests.values():
                if guest is not self.guests.get(guest.id):
                    self._admit(guest, at, clock)
            for missing in self.guests.keys() - guests.keys():
                self._gone.setdefault(missing, clock)
            self.guests = guests
        retired = [guest for guest, since in self._gone.items() if clock - since > GRACE]
        for id_ in retired:
            self._retire(id_, at, clock)
        return retired

    def adopt(self, policy: Policy, *, at: float) -> None:
        """Judge by another policy from now on."""
        self._narrowing.adopt(policy, at=at)
        for guest in self.guests.values():
            self._behave(guest)

    def measured(self, guest: GuestId, clock: float) -> None:
        """Note that a guest was sampled whole."""
        self._measured[guest] = clock

    def age(self, guest: GuestId, clock: float) -> float:
        """Seconds since a guest was sampled whole; NaN if it never was."""
        return clock - self._measured.get(guest, nan)

    def unseen(self, guest: GuestId, clock: float) -> float:
        """Seconds since a guest was sampled whole, or since it came."""
        return clock - self._measured.get(guest, self._came[guest])

    def _admit(self, guest: Guest, at: float, clock: float) -> None:
        self._gone.pop(guest.id, None)
        kept = self._keeping.recall(guest.id)
        if not self._watched(guest.id):
            if kept is not None:
                self._engine.restore(dict(kept.engine))
            else:
                self._engine.admit(guest.id)
        if self._came.setdefault(guest.id, clock) == clock and kept is not None:
            # as old as the larger of the two clocks says: setting one back makes nobody young
            self._measured[guest.id] = clock - max(at - kept.saved, clock - kept.clock, 0.0)
        self._narrowing.follow(guest, at=at, saved=kept.relays if kept else None)
        self._behave(guest)

    def _watched(self, guest: GuestId) -> bool:
        try:
            self._engine.row(guest)
        except NoSuchGuest:
            return False
        return True

    def _behave(self, guest: Guest) -> None:
        behaviour = self._narrowing.behaviour(guest.id)
        if self._behaviours.get(guest.id) != behaviour:
            self._engine.behave(guest.id, behaviour)
            self._behaviours[guest.id] = behaviour

    def _retire(self, guest: GuestId, at: float, clock: float) -> None:
        name = self._narrowing.name(guest)
        relays = self._narrowing.saved(guest)
        self._keeping.save_guests(self._engine, {guest: (name, relays)}, at=at, clock=clock)
        self._engine.retire(guest)
        self._narrowing.forget(guest)
        self._measuring.forget(guest)
        for kept in (self._gone, self._came, self._measured, self._behaviours):
            kept.pop(guest, None)
