"""Subjects, targets and rulings, as one compiled policy sees and gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from trustd.model import Decision, Mode, ObjectRef
from trustd.policy.grants import Grants, Match, misfit
from trustd.policy.selectors import Values
from trustd.policy.walls import Binding, Guarded


@dataclass(frozen=True, slots=True)
class Lift:
    """An exception, compiled: until then, at least this band for these actions."""

    id: str
    actions: frozenset[str]
    bit: int
    floor: int
    until: float


@dataclass(frozen=True, slots=True)
class Ban:
    """A ``forbid``, compiled for one subject; ``sets`` is -1 for every object.

    Args:
        match: (object label, subject label) pairs that must share a value for it to count.
    """

    actions: frozenset[str] | None
    sets: int
    reason: str
    match: Match = ()

    def covers(self, action: str, subject: Values, target: Values, sets: int) -> bool:
        """Whether it forbids this subject the action on this object, of these sets."""
        if self.sets != -1 and not self.sets & sets:
            return False
        if self.actions is not None and action not in self.actions:
            return False
        return misfit(self.match, subject, target) == ("", "")


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Whoever asks, as one policy sees it. Made anew when its labels change.

    Args:
        policy: id of the policy that made it.
        roles: those that are active, sorted.
        measured: whether trust speaks of it; only guests.
        protected: whether it is never narrowed.
        modes: by the band's rank.
    """

    policy: str
    type: str
    id: str
    values: Values
    roles: tuple[str, ...]
    grants: Grants
    bans: tuple[Ban, ...]
    lifts: tuple[Lift, ...]
    modes: tuple[Mode, ...]
    measured: bool
    protected: bool


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is asked for, as one policy sees it. Made anew when its labels change.

    Args:
        policy: id of the policy that made it.
        sets: a bit for each object set that it is in.
        bits: the same bits one by one.
        guards: the history walls that have a say.
    """

    policy: str
    ref: ObjectRef
    values: Values
    sets: int
    bits: tuple[int, ...]
    guards: tuple[Guarded, ...]


class Ruling(NamedTuple):
    """A decision, and what a permit binds its subject to.

    Args:
        binds: (wall, value) pairs that the caller must store, atomically with the
            answer, before it answers.
    """

    decision: Decision
    binds: tuple[Binding, ...] = ()
