"""Who runs on the host between two ticks: those let in since the last, less those that left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trustd.decisions.world import World
from trustd.model import GuestId
from trustd.policy.selectors import Values

HOLD = 300.0
"""Seconds for which a guest that was let in has its place, seen or not.

libvirt says when a start came to nothing; this is for when nobody heard. Setting aside
the memory of a large guest takes minutes in which it does not run yet.
"""


@dataclass(frozen=True, slots=True)
class _Place:
    labels: Mapping[str, str]
    since: float


class Reservations:
    """Guests that were let in and are not seen to run yet, and guests that left.

    Two that ask at the same moment would both find the host free if nothing were kept
    between the answer and the next tick. Belongs to the loop. Times are seconds of the
    boot clock, as the world's.
    """

    def __init__(self, hold: float = HOLD) -> None:
        self._hold = hold
        self._let_in: dict[GuestId, _Place] = {}
        self._left: dict[GuestId, float] = {}

    def let_in(self, guest: GuestId, labels: Mapping[str, str], clock: float) -> None:
        """Give a guest its place; the same one again is the same place."""
        self._left.pop(guest, None)
        self._let_in[guest] = _Place(labels, clock)

    def left(self, guest: GuestId, clock: float) -> None:
        """Take note that a guest is gone, or did not come to run."""
        self._let_in.pop(guest, None)
        self._left[guest] = clock

    def running(self, world: World, clock: float) -> Mapping[str, Values]:
        """The labels of those that run, or are about to, by identity."""
        # a look at the host counts only where it is younger than what is kept
        self._left = {id_: since for id_, since in self._left.items() if since >= world.clock}
        self._let_in = {
            id_: place
            for id_, place in self._let_in.items()
            if clock - place.since <= self._hold
            and (place.since >= world.clock or id_ not in world.running)
        }
        found = {id_: values for id_, values in world.running.items() if id_ not in self._left}
        for id_, place in self._let_in.items():
            found[id_] = world.policy.values(id_, place.labels)
        return found
