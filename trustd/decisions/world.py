"""What is in force at a moment: one value, swapped whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import cast

from trustd.decisions.question import LONGEST, Asker, Plain, Question
from trustd.model import UNORDERED, Assessment, GuestId, GuestState, ObjectRef, Override
from trustd.pipeline import Registry, Seen, objects_of
from trustd.policy import Labels, Policy, Ruling, Subject, Target
from trustd.policy.selectors import Values
from trustd.policy.terms import GUEST
from trustd.policy.walls import Occupied, occupancy

REMEMBERED = 20_000
"""Subjects and targets that are kept ready; beyond it they are made anew."""

LATE = 3.0
"""Intervals after which what the last tick said is no longer the present."""


class Directory:
    """Subjects and objects as one policy sees them under one registry.

    What was asked for once is kept ready. Belongs to the loop.
    """

    def __init__(self, policy: Policy, registry: Registry) -> None:
        self.policy = policy
        self.registry = registry
        self._subjects: dict[tuple[str, str], Subject | None] = {}
        self._targets: dict[tuple[str, str], Target | None] = {}

    def subject(self, kind: str, identity: str, brought: Labels | None) -> Subject | None:
        """A subject that is no guest; None where its type is not known.

        Args:
            brought: properties that win over what is stored; None for none.
        """
        key = (kind, identity)
        if brought is None and key in self._subjects:
            return self._subjects[key]
        if kind == GUEST or len(identity) > LONGEST:
            return None
        stored = self.registry.subjects.get(key, {})
        made = self.policy.subject(kind, identity, {**stored, **(brought or {})})
        if brought is None:
            _remember(self._subjects, key, made)
        return made

    def target(self, kind: str, identity: str, attached: Labels | None) -> Target | None:
        """An object; None where its type is not known.

        Args:
            attached: properties for labels that are not stored; None for none.
        """
        key = (kind, identity)
        if attached is None and key in self._targets:
            return self._targets[key]
        if len(identity) > LONGEST:
            return None
        made = self.registry.target(self.policy, ObjectRef(kind, identity), attached or {})
        if attached is None:
            _remember(self._targets, key, made)
        return made


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a decision looks at, but history.

    Args:
        policy: the one in force, which is the directory's too.
        guests: by UUID, as the policy saw them at the last tick.
        trust: of each guest; NaN where there is none.
        occupied: who runs on the host, for running walls.
        clock: seconds of the boot clock at that tick.
        fresh_for: seconds after it for which its bands hold.
        running: the labels of those that ran then.
        overridden: whether an operator's override concerns any guest.
        rulings: on questions without properties that were asked of this world before; belongs
            to the loop.
    """

    directory: Directory
    policy: Policy
    guests: Mapping[str, Seen]
    trust: Mapping[str, float]
    occupied: Occupied
    clock: float
    fresh_for: float
    running: Mapping[str, Values] = field(default_factory=dict)
    overridden: bool = False
    rulings: dict[Plain, Ruling] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def empty(cls, directory: Directory) -> World:
        """Before the first tick: no guest is known."""
        return cls(directory, directory.policy, {}, {}, {}, 0.0, 0.0)

    @classmethod
    def of(
        cls,
        directory: Directory,
        seen: Mapping[GuestId, Seen],
        assessed: Mapping[GuestId, Assessment],
        *,
        clock: float,
        interval: float,
    ) -> World:
        """After a tick.

        Args:
            seen: the guests as the policy sees them.
            assessed: those that are there.
            interval: seconds between two ticks.
        """
        here = {id_: seen[id_] for id_ in assessed if id_ in seen}
        walls = directory.policy.running_walls
        running: dict[str, Values] = {
            id_: found.subject.values
            for id_, found in here.items()
            if assessed[id_].guest.state is not GuestState.SHUTOFF
        }
        return cls(
            directory,
            directory.policy,
            cast("Mapping[str, Seen]", here),
            {id_: each.trust for id_, each in assessed.items()},
            occupancy(walls, running) if walls else {},
            clock,
            LATE * interval,
            running,
            any(each.ordered.override is not None for each in here.values()),
        )

    def fresh(self, clock: float) -> bool:
        """Whether bands are those of the last tick still."""
        return clock - self.clock <= self.fresh_for

    def known(self, clock: float) -> Mapping[Plain, Ruling]:
        """The rulings that hold at this moment; belongs to the loop."""
        return self.rulings if self.fresh(clock) else {}

    def remember(
        self, question: Question, subject: Subject | None, target: Target | None, ruling: Ruling
    ) -> None:
        """Keep a ruling, if it holds for as long as this world is fresh.

        It does not where history, an exception or an operator's order has a say: those change,
        or end, between two ticks.
        """
        if subject is None or target is None or subject.lifts or target.guards:
            return
        if subject.measured and self.guests[subject.id].ordered is not UNORDERED:
            return
        if len(self.rulings) >= REMEMBERED:
            self.rulings.clear()
        self.rulings[question[:5]] = ruling

    def party(
        self, asker: Asker, question: Question, at: float, clock: float
    ) -> tuple[Subject | None, str]:
        """Whoever is asked about, None where nobody is known, and their band now.

        Where the ticks stay away, the band is what the policy says of silence.

        Args:
            at: epoch seconds.
            clock: seconds of the boot clock.
        """
        kind = question.subject_type
        if kind == GUEST:
            seen = self.guests.get(question.subject) or self.guest(question.subject)
            if seen is None:
                return None, self.policy.bands[-1]
            if self.fresh(clock):
                return seen.now(self.policy, seen.standing, at, clock)
            silent = seen.silent + clock - self.clock
            standing = self.policy.relays.step(
                seen.standing, None, at=at, clock=clock, stale_for=silent
            )
            return seen.now(self.policy, standing, at, clock)
        brought = question.brought
        if brought is not None and not self.accepts(asker, kind):
            brought = None
        return self.directory.subject(kind, question.subject, brought), self.policy.bands[0]

    def override(self, question: Question, at: float, clock: float) -> Override | None:
        """The operator's override that has a say in the band of whoever is asked about."""
        seen = self.guest(question.subject) if question.subject_type == GUEST else None
        return None if seen is None else seen.ordered.now(at, clock).override

    def target(self, asker: Asker, question: Question) -> Target | None:
        """What is asked about; None where its type is not known."""
        attached = question.attached
        if attached is not None and question.object_type not in asker.objects:
            attached = None
        return self.directory.target(question.object_type, question.object, attached)

    def accepts(self, asker: Asker, kind: str) -> bool:
        """Whether this caller may bring properties of subjects of a type."""
        known = self.policy.document.subject_types.get(kind)
        return kind in asker.subjects and known is not None and known.properties == "accept"

    def guest(self, identity: str) -> Seen | None:
        """A guest by its UUID, however it is written."""
        return self.guests.get(identity) or self.guests.get(identity.lower())

    def subjects(self, kind: str) -> Iterable[str]:
        """The identities of every known subject of a type, in order."""
        if kind == GUEST:
            return sorted(self.guests)
        return sorted(id_ for type_, id_ in self.directory.registry.subjects if type_ == kind)

    def objects(self, kind: str) -> Iterable[str]:
        """The stable identities of every known object of a type, each once and in order."""
        registry = self.directory.registry
        found = {ref for ref in (*registry.objects, *registry.known) if ref.type == kind}
        for seen in self.guests.values():
            found.update(ref for ref in objects_of(seen.guest) if ref.type == kind)
        return sorted({registry.identity(ref).id for ref in found})

    def trust_of(self, subject: Subject | None) -> float:
        """A guest's trust; NaN for everybody else."""
        return self.trust.get(subject.id, nan) if subject and subject.measured else nan


_K = tuple[str, str]


def _remember(
    kept: dict[_K, Subject | None] | dict[_K, Target | None], key: _K, made: object
) -> None:
    if len(kept) >= REMEMBERED:
        kept.clear()
    kept[key] = made  # type: ignore[assignment]  # of the kind that it keeps
