"""A policy made ready to decide: everything that does not depend on the request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import accumulate
from operator import and_

from trustd.model import Mode, ObjectRef
from trustd.policy.actions import resolve_all
from trustd.policy.bands import Relays
from trustd.policy.behaviour import Behaviours, Newcomer
from trustd.policy.entities import Ban, Lift, Ruling, Subject, Target
from trustd.policy.grants import Grant, Grants, grants_of, indexed
from trustd.policy.measures import Measure
from trustd.policy.objects import ObjectSets
from trustd.policy.schema import ExceptionRule, Forbid, PolicyDocument
from trustd.policy.selectors import Labels, Selector, Values, Who, values_of
from trustd.policy.terms import BUILT_IN_TYPES, GUEST, OWN_ID
from trustd.policy.walls import Wall, guarded

_MOST_TOGETHER = 1000
"""Sets of roles whose grants are kept together; beyond it all are worked out anew."""


class Policy:
    """A compiled policy.

    Attributes:
        document: as it was loaded.
        id: sha256 of the document's canonical form.
        bands: names, best first; a band's *rank* is its index here.
        ranks, lowest: the rank of each band, and of the last.
        relays: from trust to a band.
        starts, manages: by rank, whether a guest in the band may start, and whether
            management clients may snapshot or change it. A worse band never says yes
            where a better one says no.
        actions: every action that is known.
        barriers: whether there are running walls or type rules at all.
        objects: its object sets, and the types of object that it knows.
        subject_types: every type of subject that it knows.
    """

    def __init__(self, document: PolicyDocument, identity: str) -> None:
        self.document = document
        self.id = identity
        self.name = document.name
        self.mode = document.mode
        self.limits = document.limits
        self.relays = Relays(document.trust)
        self.bands = tuple(self.relays.names)
        self.ranks: Mapping[str, int] = {band: rank for rank, band in enumerate(self.bands)}
        self.lowest = len(self.bands) - 1
        bands = document.trust.bands
        self.starts = tuple(accumulate((band.start for band in bands), and_))
        self.manages = tuple(accumulate((band.manage for band in bands), and_))
        self.objects = ObjectSets(document)
        self.subject_types = frozenset((GUEST, *document.subject_types))
        self._grants = grants_of(document, self.objects.bits)
        self.actions = resolve_all(document.actions, document.actions) | {
            grant.action for grants in self._grants.values() for grant in grants
        }
        self._rules = [
            (Who(rule.type, Selector.of(rule.select, rule.id)), rule.roles)
            for rule in document.subjects
        ]
        walls = sorted(document.walls, key=lambda wall: wall.name)
        self.walls = tuple(Wall.of(wall, self._resolved(wall.writes)) for wall in walls)
        self.running_walls = tuple(wall for wall in self.walls if wall.running)
        self._history_walls = tuple(wall for wall in self.walls if not wall.running)
        self.type_labels: Mapping[str, tuple[str, ...]] = {
            kind: tuple(sorted({rule.label for rule in document.types if kind in rule.types}))
            for kind in sorted({kind for rule in document.types for kind in rule.types})
        }
        self.barriers = bool(self.running_walls or self.type_labels)
        self._split = frozenset(rule.label for rule in document.types)
        self._bans = [self._ban(rule) for rule in sorted(document.forbid, key=lambda r: r.reason)]
        self._lifts = [self._lift(rule) for rule in sorted(document.exceptions, key=lambda r: r.id)]
        self._protected = [Who.of(subject) for subject in document.protect]
        self._behaviours = Behaviours(document.behaviour, self.bands)
        self.registered: Mapping[ObjectRef, Mapping[str, str]] = {
            ObjectRef(entry.type, entry.id): entry.labels for entry in document.registry.objects
        }
        self._together: dict[tuple[str, ...], Grants] = {}
        self.rulings: dict[tuple[object, ...], Ruling] = {}
        """Answers that were given before; bounded by grants x bands x modes."""

    def _ban(self, rule: Forbid) -> tuple[Who | None, Ban]:
        who = None if rule.subject is None else Who.of(rule.subject)
        actions = None if rule.actions is None else self._resolved(rule.actions)
        sets = -1 if rule.object is None else self.objects.bits[rule.object]
        return who, Ban(actions, sets, rule.reason, tuple(sorted(rule.match.items())))

    def _lift(self, rule: ExceptionRule) -> tuple[Who, Lift]:
        bit, floor = self.objects.bits[rule.object], self.ranks[rule.floor]
        lift = Lift(rule.id, self._resolved(rule.actions), bit, floor, rule.until)
        return Who.of(rule.subject), lift

    def _resolved(self, names: Iterable[str]) -> frozenset[str]:
        return resolve_all(names, self.document.actions)

    def rank(self, band: str) -> int:
        """A band's rank; that of the last band for a name that is not known."""
        return self.ranks.get(band, self.lowest)

    def roles_of(
        self, labels: Labels, active: Collection[str] = (), *, kind: str = GUEST, identity: str = ""
    ) -> tuple[str, ...]:
        """The roles that labels give, sorted.

        Args:
            active: roles that the subject has held in this run; where roles exclude
                one another, those stay and others are refused. A subject whose labels
                give too many at once gets none of them.
        """
        return self._roles(kind, self.values(identity, labels), active)

    def _roles(self, kind: str, values: Values, active: Collection[str]) -> tuple[str, ...]:
        given = {role for who, roles in self._rules if who.matches(kind, values) for role in roles}
        refused: set[str] = set()
        for rule in self.document.exclusive:
            claimed = given.intersection(rule.roles)
            if len(claimed) > rule.max:
                held = claimed.intersection(active)
                refused |= claimed - held if len(held) <= rule.max else claimed
        return tuple(sorted(given - refused))

    def values(self, identity: str, labels: Labels) -> Values:
        """Labels as this policy compares them."""
        return values_of(labels, identity, self._split)

    def subject(
        self, kind: str, identity: str, labels: Labels, active: Collection[str] = ()
    ) -> Subject | None:
        """Whoever asks; None where the policy does not know its type."""
        if kind not in self.subject_types:
            return None
        values = self.values(identity, labels)
        roles = self._roles(kind, values, active)
        bans = (ban for who, ban in self._bans if who is None or who.matches(kind, values))
        return Subject(
            self.id,
            kind,
            identity,
            values,
            roles,
            self._granted(roles),
            tuple(bans),
            tuple(lift for who, lift in self._lifts if who.matches(kind, values)),
            tuple(self.mode_of(roles, band) for band in self.bands),
            kind == GUEST,
            any(who.matches(kind, values) for who in self._protected),
        )

    def target(
        self, ref: ObjectRef, labels: Labels | None = None, names: Iterable[str] = ()
    ) -> Target | None:
        """What is asked for; None where the policy does not know its type.

        Args:
            labels: None for those that the policy itself registers. Volumes, networks
                and devices have one value a label, on which invariants rely: with
                several they are not known.
            names: other identities that mean the same object.
            names: other identities that mean the same object.
        """
        if ref.type not in self.objects.types:
            return None
        if labels is None:
            labels = self.registered.get(ref, {})
        if ref.type in BUILT_IN_TYPES and any(
            len(value) > 1 for value in labels.values() if not isinstance(value, str)
        ):
            return None
        values = self.values(ref.id, labels)
        if names:
            values = {**values, OWN_ID: frozenset((ref.id, *names))}
        bits = self.objects.of(ref.type, values)
        return Target(self.id, ref, values, sum(bits), bits, guarded(self._history_walls, values))

    def _granted(self, roles: tuple[str, ...]) -> Grants:
        """What some roles grant together: one value for all who have them, for it is large."""
        found = self._together.get(roles)
        if found is None:
            if len(self._together) >= _MOST_TOGETHER:
                self._together.clear()
            found = indexed(grant for role in roles for grant in self._grants[role])
            self._together[roles] = found
        return found

    def protected(self, labels: Labels, identity: str) -> bool:
        """Whether a guest is one that is never narrowed."""
        values = self.values(identity, labels)
        return any(who.matches(GUEST, values) for who in self._protected)

    def mode_of(self, roles: Iterable[str], band: str) -> Mode:
        """Observe or enforce, for a guest with these roles in this band.

        A role or band that says ``observe`` wins, whatever others say; then one that
        says ``enforce``; then the policy's own mode.
        """
        stated = {role.mode for name in roles if (role := self.document.roles.get(name))}
        stated.add(self.document.trust.bands[self.rank(band)].mode)
        for mode in (Mode.OBSERVE, Mode.ENFORCE):
            if mode in stated:
                return mode
        return self.mode

    def newcomer_of(self, roles: Iterable[str]) -> Newcomer:
        """What behaviour is worth to a guest with these roles, and its probation."""
        return self._behaviours.of(roles)

    def enforcement(self, band: str, roles: Iterable[str]) -> tuple[Measure, ...]:
        """What the policy asks to be done to a guest in this band.

        Standing measures of better bands hold in worse ones; where two are of one
        kind, the tighter number holds. Those that happen once are of this band only.
        """
        rank = self.rank(band)
        tables = [self.document.enforce]
        tables += [
            role.enforce for name in sorted(roles) if (role := self.document.roles.get(name))
        ]
        chosen: dict[tuple[str, ...], Measure] = {}
        for better in range(rank + 1):
            for table in tables:
                for measure in table.get(self.bands[better], ()):
                    if measure.once and better != rank:
                        continue
                    earlier = chosen.get(measure.place)
                    chosen[measure.place] = (
                        measure if earlier is None else measure.tightened(earlier)  # type: ignore[arg-type]
                    )
        return tuple(chosen.values())

    def needs(self, rank: int) -> Mapping[str, str | float]:
        """What it takes to be in a band again, for an explanation."""
        band = self.document.trust.bands[rank]
        if band.enter is None:
            return {"needs_band": band.name}
        return {
            "needs_band": band.name,
            "needs_trust": band.enter,
            "needs_seconds": self.document.trust.dwell.up,
        }

    def grants_of_role(self, role: str) -> tuple[Grant, ...]:
        """Every grant of one role."""
        return self._grants[role]
