"""Chinese Walls: over what runs on the host now, and over what a subject touched.

``running`` is sHype's wall: two guests with conflicting values never run together,
and it forgets when a guest is destroyed. ``history`` is Brewer and Nash's: who was
granted one value of a conflict set is never granted another. What to remember is
returned with the permit; remembering it is the caller's part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trustd.policy.schema import Wall as WallRule
from trustd.policy.selectors import NONE, Values
from trustd.policy.terms import OWN_ID

History = Mapping[str, frozenset[str]]
"""For one subject: by wall, the values that it is bound to."""

Occupied = Mapping[str, Mapping[str, frozenset[str]]]
"""For the host: by wall and value, the identities of the guests that run."""

NOTHING: History = {}
NOBODY: Occupied = {}


@dataclass(frozen=True, slots=True)
class Wall:
    """One wall, compiled.

    Args:
        against: by value, the values that conflict with it.
        strict: whether the *-property holds for the actions in ``writes``.
    """

    name: str
    label: str
    running: bool
    against: Mapping[str, frozenset[str]]
    strict: bool
    writes: frozenset[str]

    @classmethod
    def of(cls, rule: WallRule, writes: frozenset[str]) -> Wall:
        """From the document."""
        against: dict[str, frozenset[str]] = {}
        for values in rule.conflicts:
            for value in values:
                others = frozenset(values) - {value}
                against[value] = against.get(value, NONE) | others
        strict = rule.write_rule == "strict"
        return cls(rule.name, rule.label, rule.mode == "running", against, strict, writes)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a wall stands in the way."""

    wall: str
    value: str
    held: str


Binding = tuple[str, str]
"""(wall, value) to remember for the subject of a permit."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a history wall means for one object; worked out when its labels are known.

    Args:
        values: of the wall's label on the object.
        rivals: values that conflict with one of them.
        binding: those of ``values`` that a permit binds its subject to.
        torn: whether the object carries two values of one conflict set.
    """

    wall: Wall
    values: frozenset[str]
    rivals: frozenset[str]
    binding: frozenset[str]
    torn: bool


def guarded(walls: Iterable[Wall], target: Values) -> tuple[Guarded, ...]:
    """The history walls that have a say about an object.

    Args:
        walls: those of history.
    """
    found = []
    for wall in walls:
        values = target.get(wall.label, NONE)
        if not values and not wall.strict:
            continue
        rivals = NONE.union(*(wall.against.get(value, NONE) for value in values))
        binding = values if wall.strict else values & wall.against.keys()
        found.append(Guarded(wall, values, rivals, binding, not rivals.isdisjoint(values)))
    return tuple(found)


def bound(guards: Iterable[Guarded], action: str, history: History) -> Blocked | None:
    """The first history wall that keeps a subject from an object; None for none."""
    for guard in guards:
        held = history.get(guard.wall.name, NONE)
        # An object that carries two values of one conflict set is beyond everybody.
        if guard.torn or not guard.rivals.isdisjoint(held):
            clash = guard.rivals & (held | guard.values if guard.torn else held)
            other = min(clash)
            against = guard.wall.against
            value = min(v for v in guard.values if other in against.get(v, NONE))
            return Blocked(guard.wall.name, value, other)
        if guard.wall.strict and held and action in guard.wall.writes:
            # What was read elsewhere could leave through this write.
            elsewhere = held - guard.values
            if elsewhere:
                return Blocked(guard.wall.name, min(guard.values, default=""), min(elsewhere))
    return None


def occupied_by(walls: Iterable[Wall], subject: Values, occupied: Occupied) -> Blocked | None:
    """The first running wall that keeps a guest from this host; None for none.

    Args:
        walls: those that look at what runs.
    """
    for wall in walls:
        found = _occupied(wall, subject, occupied)
        if found is not None:
            return found
    return None


def _occupied(wall: Wall, subject: Values, occupied: Occupied) -> Blocked | None:
    mine = subject.get(wall.label, NONE)
    if not mine:
        return Blocked(wall.name, "", "")
    on_host = occupied.get(wall.name, {})
    for value in sorted(mine):
        for other in sorted(wall.against.get(value, NONE)):
            if on_host.get(other, NONE) - subject.get(OWN_ID, NONE):
                return Blocked(wall.name, value, other)
    return None


def bindings(guards: Iterable[Guarded], history: History) -> tuple[Binding, ...]:
    """What a permit on an object binds its subject to, beyond what it is bound to."""
    found: tuple[Binding, ...] = ()
    for guard in guards:
        held = history.get(guard.wall.name, NONE)
        if not guard.binding <= held:
            new = sorted(guard.binding - held)
            found += tuple((guard.wall.name, value) for value in new)
    return found


def occupancy(walls: Iterable[Wall], running: Mapping[str, Values]) -> Occupied:
    """Who occupies the host.

    Args:
        running: labels of the guests that run, by identity.
    """
    found: dict[str, dict[str, frozenset[str]]] = {}
    for wall in walls:
        if not wall.running:
            continue
        values = found.setdefault(wall.name, {})
        for identity, labels in running.items():
            for value in labels.get(wall.label, NONE):
                values[value] = values.get(value, NONE) | {identity}
    return found


def violations(
    walls: Iterable[Wall], running: Mapping[str, Values]
) -> tuple[tuple[str, Blocked], ...]:
    """Guests that run now and should not, with the wall that each breaks."""
    walls = [wall for wall in walls if wall.running]
    occupied = occupancy(walls, running)
    found = []
    for identity in sorted(running):
        for wall in walls:
            broken = _occupied(wall, running[identity], occupied)
            if broken is not None:
                found.append((identity, broken))
    return tuple(found)
