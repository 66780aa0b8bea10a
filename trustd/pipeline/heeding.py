"""What operators' orders make of a guest: the one place where they meet the policy's word.

An order moves the band, the mode or the protection of a guest, and nothing else: walls,
types and what is forbidden are asked before any of them.
"""

from __future__ import annotations

from dataclasses import replace

from trustd.model import Bound, GuestId, Mode, Ordered
from trustd.policy import Policy, Subject


def band_under(policy: Policy, ordered: Ordered, guest: GuestId, automatic: str) -> str:
    """The band in force. An override's band that the policy does not know is its last.

    Args:
        automatic: what trust makes of the guest.
    """
    pause, override = ordered.pause, ordered.override
    band = automatic
    if pause is not None and pause.keep and pause.bands.get(guest) in policy.ranks:
        band = pause.bands[guest]
    if override is None:
        return band
    own, said = policy.rank(band), policy.rank(override.band)
    ranks = {Bound.AT_MOST: max(own, said), Bound.AT_LEAST: min(own, said), Bound.PIN: said}
    return policy.bands[ranks[override.bound]]


def narrows(policy: Policy, ordered: Ordered, automatic: str) -> bool:
    """Whether it is by an operator's word that the guest is no better off."""
    override = ordered.override
    return (
        override is not None
        and override.bound is not Bound.AT_LEAST
        and policy.rank(override.band) > policy.rank(automatic)
    )


def subject_under(subject: Subject, ordered: Ordered, guest: GuestId) -> Subject:
    """The guest as decisions see it; the same object where no order changes that."""
    if ordered.protection is not None and not subject.protected:
        subject = replace(subject, protected=True)
    if ordered.pause is not None and ordered.pause.observes(guest):
        subject = replace(subject, modes=(Mode.OBSERVE,) * len(subject.modes))
    return subject
