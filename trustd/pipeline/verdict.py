"""What the policy, under operators' orders, says of one guest."""

from __future__ import annotations

from dataclasses import dataclass

from trustd.model import UNORDERED, EffectivePermissions, Guest, Mode, Ordered
from trustd.pipeline.heeding import band_under, subject_under
from trustd.policy import Policy, Standing, Subject


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of one guest at one tick.

    Args:
        standing: the band that trust makes of it, and the state of the relays behind it.
        permissions: in the band in force, which orders may have moved.
        before: its band at the last tick, where that was another one; else empty.
        protected: whether it is never narrowed.
        since: epoch seconds since which it is in the band in force.
        ordered: the orders that were heeded.
    """

    standing: Standing
    permissions: EffectivePermissions
    mode: Mode
    before: str
    protected: bool
    since: float
    ordered: Ordered = UNORDERED

    @property
    def band(self) -> str:
        """The band in force."""
        return self.permissions.band

    @property
    def automatic(self) -> str:
        """The band that it would be in without orders; empty where it is in it."""
        return "" if self.standing.band == self.permissions.band else self.standing.band


@dataclass(frozen=True, slots=True)
class Seen:
    """A guest as the policy saw it at the last tick.

    Args:
        subject: with the orders heeded.
        silent: seconds for which it had not been measured then.
        ordered: the orders.
        own: the subject without any; None where that is the same.
        in_force: its band with the orders heeded; empty where that is its standing's.
    """

    guest: Guest
    subject: Subject
    standing: Standing
    silent: float
    ordered: Ordered = UNORDERED
    own: Subject | None = None
    in_force: str = ""

    @property
    def band(self) -> str:
        """The band in force at the tick."""
        return self.in_force or self.standing.band

    def now(
        self, policy: Policy, standing: Standing, at: float, clock: float
    ) -> tuple[Subject, str]:
        """The guest as decisions see it at a moment, and its band: orders end on time.

        Args:
            standing: its own at that moment.
        """
        if self.ordered is UNORDERED:
            return self.subject, standing.band
        ordered, subject = self.ordered.now(at, clock), self.subject
        if ordered is not self.ordered:
            subject = subject_under(self.own or subject, ordered, self.guest.id)
        return subject, band_under(policy, ordered, self.guest.id, standing.band)
