"""Operators' orders: what somebody decided by hand, for a time, over what trust says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from trustd.model.guest import GuestId


@dataclass(frozen=True, slots=True)
class Term:
    """For how long an order holds.

    It ends by whichever of two clocks says that more has passed, so that setting one
    back lengthens nothing. After a reboot the boot clock begins anew, and all that it
    shows has passed since.

    Args:
        at: epoch seconds at which it was given.
        clock: the same moment on the host's boot clock, in seconds.
        seconds: how long it holds; infinite for until it is taken back.

    >>> term = Term(at=1000.0, clock=50.0, seconds=60.0)
    >>> term.over(1059.0, 109.0), term.over(400.0, 110.0), term.over(1060.0, 5.0)
    (False, True, True)
    """

    at: float
    clock: float
    seconds: float = inf

    def left(self, at: float, clock: float) -> float:
        """Seconds until it ends; none or fewer where it has."""
        booted = clock if clock < self.clock else clock - self.clock
        return self.seconds - max(at - self.at, booted)

    def over(self, at: float, clock: float) -> bool:
        """Whether it has ended."""
        return self.left(at, clock) <= 0

    @property
    def until(self) -> float:
        """Epoch seconds at which it ends if no clock is set meanwhile."""
        return self.at + self.seconds


@dataclass(frozen=True, slots=True)
class Author:
    """Who gave an order, on the kernel's word.

    Args:
        name: of the user on this host; its number where it has none.
    """

    uid: int
    pid: int
    name: str


class Bound(StrEnum):
    """How an override bounds a guest's band."""

    AT_MOST = "at-most"
    """No better than its band: narrows."""
    AT_LEAST = "at-least"
    """No worse than its band: lifts."""
    PIN = "pin"
    """Its band, whatever trust says."""


@dataclass(frozen=True, slots=True)
class Override:
    """An order that bounds one guest's band."""

    guest: GuestId
    band: str
    bound: Bound
    term: Term
    author: Author
    reason: str


@dataclass(frozen=True, slots=True)
class Protection:
    """An order that one guest is not narrowed at all, as if the policy's list had it."""

    guest: GuestId
    term: Term
    author: Author
    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """An order that nothing is enforced.

    Args:
        keep: whether what is narrowed stays so; else everything is given back.
        bands: with ``keep``, the band in which each guest is held meanwhile.
    """

    keep: bool
    term: Term
    author: Author
    reason: str
    bands: Mapping[GuestId, str] = field(default_factory=dict)

    def observes(self, guest: GuestId) -> bool:
        """Whether a guest is only observed meanwhile; one that came since always is."""
        return not self.keep or guest not in self.bands


Order = Override | Protection | Pause


@dataclass(frozen=True, slots=True)
class Ordered:
    """The orders that concern one guest."""

    override: Override | None = None
    protection: Protection | None = None
    pause: Pause | None = None

    def now(self, at: float, clock: float) -> Ordered:
        """Without those that have ended; the same object where none has."""
        given = (self.override, self.protection, self.pause)
        if not any(each is not None and each.term.over(at, clock) for each in given):
            return self
        override, protection, pause = self.override, self.protection, self.pause
        return Ordered(
            None if override is None or override.term.over(at, clock) else override,
            None if protection is None or protection.term.over(at, clock) else protection,
            None if pause is None or pause.term.over(at, clock) else pause,
        )


UNORDERED = Ordered()
"""No order concerns the guest."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Every order in force, of guests that are not there too."""

    overrides: Mapping[GuestId, Override] = field(default_factory=dict)
    protections: Mapping[GuestId, Protection] = field(default_factory=dict)
    pause: Pause | None = None

    def of(self, guest: GuestId) -> Ordered:
        """Those that concern a guest."""
        override, protection = self.overrides.get(guest), self.protections.get(guest)
        if override is None and protection is None and self.pause is None:
            return UNORDERED
        return Ordered(override, protection, self.pause)
