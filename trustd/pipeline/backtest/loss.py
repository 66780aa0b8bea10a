"""What a band takes from a guest: permissions that its roles have in the best one, and measures."""

from __future__ import annotations

from dataclasses import dataclass

from trustd.policy import Policy, Subject


@dataclass(frozen=True, slots=True)
class Loss:
    """What a guest loses by being in a band.

    Args:
        actions: that its roles permit on some set of objects in the best band, and not here.
        measures: that stand while it is there.
        once: what is done when it enters.
    """

    actions: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    once: tuple[str, ...] = ()

    @property
    def narrows(self) -> bool:
        """Whether the guest may do less there, or is hindered."""
        return bool(self.actions or self.measures)


NONE = Loss()


def loss_of(policy: Policy, subject: Subject, band: str) -> Loss:
    """What a band takes from a guest, whichever devices it has; nothing from a protected one.

    Exceptions, walls and what the policy forbids stand above all bands, and are left out.
    """
    rank = policy.rank(band)
    if subject.protected or rank == 0:
        return NONE
    lost = [
        action
        for action, by_set in subject.grants.items()
        if any(
            any(grant.open_in(0, bit) for grant in grants)
            and not any(grant.open_in(rank, bit) for grant in grants)
            for bit, grants in by_set.items()
        )
    ]
    usual = policy.enforcement(policy.bands[0], subject.roles)
    asked = [
        each for each in policy.enforcement(policy.bands[rank], subject.roles) if each not in usual
    ]
    return Loss(
        tuple(sorted(lost)),
        tuple(sorted({each.do for each in asked if not each.once})),
        tuple(sorted({each.do for each in asked if each.once})),
    )
