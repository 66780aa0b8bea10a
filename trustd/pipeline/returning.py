"""The way back: what a guest's better bands take, what they give, and when at the earliest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from trustd.model import GuestId, ObjectRef
from trustd.pipeline.narrowing import Narrowing
from trustd.policy import Policy, Standing
from trustd.trust import Engine, Explanation


@dataclass(frozen=True, slots=True)
class Step:
    """A better band.

    Args:
        enter: trust at which it is entered.
        dwell: seconds for which trust must stay there first.
        earliest: epoch seconds at which that can be so, if the guest gives no further
            cause; NaN where it cannot be said.
        gives: the actions on objects that it gives back and the band before it does not.
    """

    band: str
    enter: float
    dwell: float
    earliest: float
    gives: tuple[tuple[ObjectRef, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Why a guest stands where it stands, and its way back.

    Args:
        steps: the better bands, the nearest first; none while somebody's order says
            in which band it is.
    """

    explanation: Explanation
    steps: tuple[Step, ...]


def account(
    engine: Engine, narrowing: Narrowing, guest: GuestId, *, at: float, clock: float
) -> Account:
    """What there is to tell of a guest after a tick.

    Args:
        at: epoch seconds of the tick.
        clock: the same on a clock that never steps.

    Raises:
        NoSuchGuest: it is not watched.
    """
    engine.row(guest)  # a guest that is not watched has no place in the policy either
    standing, ordered = narrowing.standing(guest)
    better = () if ordered else _better(narrowing.policy, standing)
    explanation = engine.explain(guest, [enter for _, enter in better])
    dwell = narrowing.policy.document.trust.dwell.up
    held = dict(narrowing.permitted(guest, standing.band, at=at))
    found = []
    for (band, enter), reached in zip(better, explanation.reached, strict=True):
        there = dict(narrowing.permitted(guest, band, at=at))
        gives = tuple((ref, new) for ref in there if (new := there[ref] - held[ref]))
        held = there
        since = _since(standing, narrowing.policy.rank(band))
        begun = at - max(0.0, clock - since) if since < inf else reached
        found.append(Step(band, enter, dwell, begun + dwell, gives))
    return Account(explanation, tuple(found))


def _better(policy: Policy, standing: Standing) -> Sequence[tuple[str, float]]:
    """Bands above the one that trust makes of a guest, the nearest first."""
    bands = policy.document.trust.bands[: policy.rank(standing.relay)]
    return [(each.name, each.enter) for each in reversed(bands) if each.enter is not None]


def _since(standing: Standing, rank: int) -> float:
    """The steady clock's seconds since which trust is above a band's ``enter``."""
    return standing.rising[rank] if rank < len(standing.rising) else inf
