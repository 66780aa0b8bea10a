"""What a guest may do now to the objects it has: the source of answers and enforcement."""

from __future__ import annotations

from collections.abc import Iterable

from trustd.model import Access, EffectivePermissions
from trustd.policy.compile import Policy
from trustd.policy.decide import decide
from trustd.policy.entities import Subject, Target
from trustd.policy.walls import NOBODY, NOTHING, History, Occupied


def effective(
    policy: Policy,
    subject: Subject,
    band: str,
    targets: Iterable[Target],
    *,
    at: float,
    history: History = NOTHING,
    occupied: Occupied = NOBODY,
) -> EffectivePermissions:
    """Held and lost actions on every target.

    *Lost* is what the subject would be permitted in the best band and is not in its
    own. What no band permits is neither held nor lost. An unlabelled object is in
    those object sets only that select none of its labels.

    Args:
        at: epoch seconds; exceptions end by it.
    """
    access = []
    best = policy.bands[0]
    for target in targets:
        held: set[str] = set()
        lost: set[str] = set()
        for action in subject.grants:
            for among, where in ((held, band), (lost, best)):
                ruling = decide(
                    policy,
                    subject,
                    action,
                    target,
                    band=where,
                    at=at,
                    history=history,
                    occupied=occupied,
                )
                if ruling.decision.permit:
                    among.add(action)
                    break
        access.append(Access(target.ref, frozenset(held), frozenset(lost)))
    return EffectivePermissions(band, subject.roles, tuple(access))
