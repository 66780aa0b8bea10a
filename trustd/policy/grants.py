"""A role's permits compiled: for each action, on which objects and down to which band."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from trustd.policy.actions import resolve_all
from trustd.policy.schema import PolicyDocument, Role
from trustd.policy.selectors import NONE, Values

Match = tuple[tuple[str, str], ...]
"""Pairs of an object's label and a subject's."""


def misfit(match: Match, subject: Values, target: Values) -> tuple[str, str]:
    """The first pair of labels that share no value; empty names where all do."""
    for theirs, mine in match:
        if target.get(theirs, NONE).isdisjoint(subject.get(mine, NONE)):
            return theirs, mine
    return "", ""


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """One action that one permit of a role gives on one object set.

    Args:
        object_set: its name.
        bit: its bit in :attr:`Target.sets`.
        match: (object label, subject label) pairs that must share a value.
        cap_floor: rank of the worst band whose caps leave the action; -1 for none.
        keep_floor: the same for the role's own ``keep``.
        floor: the better of the two, which is where the action ends.
        drops: for each band, the bits of the object sets on which it is dropped.
    """

    role: str
    action: str
    object_set: str
    bit: int
    match: Match
    cap_floor: int
    keep_floor: int
    floor: int
    drops: tuple[int, ...]

    def fits(self, subject: Values, target: Values) -> bool:
        """Whether the labels of subject and object match as the permit asks."""
        return self.misfit(subject, target) == ("", "")

    def open_in(self, rank: int, sets: int) -> bool:
        """Whether the band leaves it, on an object of these sets."""
        return rank <= self.floor and not self.drops[rank] & sets

    def misfit(self, subject: Values, target: Values) -> tuple[str, str]:
        """The first pair of labels that does not match; empty names where all do."""
        return misfit(self.match, subject, target)

    def reach(self, sets: int) -> int:
        """The rank of the worst band that leaves it open; -1 where none does."""
        floor = self.floor
        while floor >= 0 and self.drops[floor] & sets:
            floor -= 1
        return floor

    @property
    def order(self) -> tuple[str, Match]:
        """A key that does not depend on the order in which things are written."""
        return (self.role, self.match)


Grants = Mapping[str, Mapping[int, Sequence[Grant]]]
"""Grants by action and by the bit of their object set, each list in order."""


def grants_of(policy: PolicyDocument, bits: Mapping[str, int]) -> Mapping[str, tuple[Grant, ...]]:
    """The grants of every role.

    Args:
        bits: the bit of every object set.
    """
    caps = _caps(policy)
    return {
        name: tuple(_grants(policy, name, role, caps, bits)) for name, role in policy.roles.items()
    }


def indexed(grants: Iterable[Grant]) -> Grants:
    """The grants of one subject, by action and object set."""
    index: dict[str, dict[int, list[Grant]]] = {}
    for grant in sorted(grants, key=lambda grant: grant.order):
        index.setdefault(grant.action, {}).setdefault(grant.bit, []).append(grant)
    return {
        action: {bit: tuple(found) for bit, found in by_bit.items()}
        for action, by_bit in index.items()
    }


def _caps(policy: PolicyDocument) -> list[frozenset[str] | None]:
    """What the caps of each band and of all better ones leave; None is everything."""
    left: list[frozenset[str] | None] = []
    above: frozenset[str] | None = None
    for band in policy.trust.bands:
        if band.cap is not None:
            own = resolve_all(band.cap, policy.actions)
            above = own if above is None else above & own
        left.append(above)
    return left


def _grants(
    policy: PolicyDocument,
    name: str,
    role: Role,
    caps: Sequence[frozenset[str] | None],
    bits: Mapping[str, int],
) -> Iterator[Grant]:
    """The grants of one role."""
    keeps: list[frozenset[str] | None] = []
    drops: list[dict[str, int]] = []
    kept: frozenset[str] | None = None
    dropped: dict[str, int] = {}
    for band in policy.trust.bands:
        narrow = role.narrow.get(band.name)
        if narrow is not None:
            if narrow.keep is not None:
                own = resolve_all(narrow.keep, policy.actions)
                kept = own if kept is None else kept & own
            for drop in narrow.drop:
                for action in resolve_all(drop.actions, policy.actions):
                    dropped[action] = dropped.get(action, 0) | bits[drop.object]
        keeps.append(kept)
        drops.append(dict(dropped))
    for permit in role.permits:
        for action in resolve_all(permit.actions, policy.actions):
            cap_floor, keep_floor = _floor(action, caps), _floor(action, keeps)
            yield Grant(
                name,
                action,
                permit.object,
                bits[permit.object],
                tuple(sorted(permit.match.items())),
                cap_floor,
                keep_floor,
                min(cap_floor, keep_floor),
                tuple(band.get(action, 0) for band in drops),
            )


def _floor(action: str, left: Sequence[frozenset[str] | None]) -> int:
    """The rank of the worst band that leaves the action; -1 where the best does not."""
    floor = -1
    for rank, actions in enumerate(left):
        if actions is not None and action not in actions:
            break
        floor = rank
    return floor
