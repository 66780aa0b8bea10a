"""Names that a policy mentions, against the names that it defines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from trustd.documents import Document, Keys, nearest_or_all
from trustd.errors import Problem
from trustd.policy.actions import cycle
from trustd.policy.schema import PolicyDocument
from trustd.policy.terms import BUILT_IN_TYPES, GUEST, SubjectRef

DEFAULT = "default"
"""The behaviour that every role starts from; no role has this name."""


class References:
    """Checks of one document.

    Args:
        policy: the part of the document that is valid by itself.
        places: the document that part was made of.
        written: the document as written; a name whose definition is wrong exists.
        features: names that ``expect`` and ``ignore`` may use; None: any.
    """

    def __init__(
        self,
        policy: PolicyDocument,
        places: Document,
        written: Document,
        features: Collection[str] | None,
    ) -> None:
        self._policy = policy
        self._places = places
        self._features = features
        self._sets = set(written.names("objects"))
        self._roles = set(written.names("roles"))
        self._bands = written.texts("trust", "bands", "*", "name")
        self._subject_types = {GUEST, *written.names("subject_types")}
        self._object_types = {*BUILT_IN_TYPES, *written.texts("objects", "*", "type")}
        self._object_types |= written.texts("registry", "objects", "*", "type")
        self._looped = cycle(policy.actions)
        self._actions = set(written.names("actions")) | written.texts("actions", "*", "*")
        self._actions |= written.texts("roles", "*", "permits", "*", "actions")

    def __iter__(self) -> Iterator[Problem]:
        yield from self._action_sets()
        yield from self._subjects()
        yield from self._in_roles()
        yield from self._in_bands()
        yield from self._in_rules()
        yield from self._in_behaviour()

    def _known(
        self, what: str, keys: Keys, names: Iterable[str] | str, known: Collection[str]
    ) -> Iterator[Problem]:
        """Problems for the names at a place that are not known."""
        lone = isinstance(names, str)
        for index, name in enumerate([names] if isinstance(names, str) else names):
            if name in known:
                continue
            inner = (*keys, index)
            place = keys if lone or self._places.find(inner) is None else inner
            hint = nearest_or_all(name, known)
            yield self._places.problem(place, f'there is no {what} "{name}"', hint)

    def _keys_known(self, what: str, keys: Keys, known: Collection[str]) -> Iterator[Problem]:
        """Problems for the keys of a mapping that are not known."""
        for name in self._places.names(*keys):
            if name not in known:
                hint = nearest_or_all(name, known)
                yield self._places.problem(
                    (*keys, name), f'there is no {what} "{name}"', hint, at_key=True
                )

    def _action_sets(self) -> Iterator[Problem]:
        if self._looped is not None:
            keys = ("actions", self._looped)
            yield self._places.problem(keys, "this set of actions contains itself", at_key=True)

    def _subjects(self) -> Iterator[Problem]:
        if GUEST in self._policy.subject_types:
            yield self._places.problem(
                ("subject_types", GUEST), "guests are always measured", "remove it", at_key=True
            )
        for index, rule in enumerate(self._policy.subjects):
            keys: Keys = ("subjects", index)
            yield from self._known("role", (*keys, "roles"), rule.roles, self._roles)
            yield from self._known(
                "type of subject", (*keys, "type"), rule.type, self._subject_types
            )
        for index, entry in enumerate(self._policy.registry.subjects):
            keys = ("registry", "subjects", index, "type")
            yield from self._known("type of subject", keys, entry.type, self._subject_types)

    def _who(self, keys: Keys, subject: SubjectRef | None) -> Iterator[Problem]:
        if subject is not None:
            yield from self._known(
                "type of subject", (*keys, "type"), subject.type, self._subject_types
            )

    def _in_roles(self) -> Iterator[Problem]:
        for name, role in self._policy.roles.items():
            keys: Keys = ("roles", name)
            for index, permit in enumerate(role.permits):
                place = (*keys, "permits", index, "object")
                yield from self._known("object set", place, permit.object, self._sets)
            yield from self._keys_known("band", (*keys, "narrow"), self._bands)
            yield from self._keys_known("band", (*keys, "enforce"), self._bands)
            for band, narrow in role.narrow.items():
                inner = (*keys, "narrow", band)
                yield from self._known("action", (*inner, "keep"), narrow.keep or (), self._actions)
                for index, drop in enumerate(narrow.drop):
                    yield from self._rule(
                        (*inner, "drop", index), actions=drop.actions, object_set=drop.object
                    )

    def _in_bands(self) -> Iterator[Problem]:
        for index, band in enumerate(self._policy.trust.bands):
            keys = ("trust", "bands", index, "cap")
            yield from self._known("action", keys, band.cap or (), self._actions)
        stale = self._policy.trust.stale
        yield from self._rule(("trust", "stale"), band=("band", stale.band))
        yield from self._keys_known("band", ("enforce",), self._bands)
        opens = self._policy.incidents.open_at
        yield from self._known("band", ("incidents", "open_at"), opens or (), self._bands)
        yield from self._keys_known("band", ("incidents", "severities"), self._bands)

    def _rule(
        self,
        keys: Keys,
        *,
        actions: Iterable[str] | None = None,
        object_set: str | None = None,
        roles: Iterable[str] | None = None,
        band: tuple[str, str | None] = ("", None),
    ) -> Iterator[Problem]:
        """The names in one rule of the usual form."""
        yield from self._known("action", (*keys, "actions"), actions or (), self._actions)
        yield from self._known("role", (*keys, "roles"), roles or (), self._roles)
        if object_set is not None:
            yield from self._known("object set", (*keys, "object"), object_set, self._sets)
        key, name = band
        if name is not None:
            yield from self._known("band", (*keys, key), name, self._bands)

    def _in_rules(self) -> Iterator[Problem]:
        policy = self._policy
        for index, forbid in enumerate(policy.forbid):
            keys: Keys = ("forbid", index)
            yield from self._rule(keys, actions=forbid.actions, object_set=forbid.object)
            yield from self._who((*keys, "subject"), forbid.subject)
        for index, exclusive in enumerate(policy.exclusive):
            yield from self._rule(("exclusive", index), roles=exclusive.roles)
        for index, never in enumerate(policy.never):
            yield from self._rule(
                ("never", index),
                actions=never.actions,
                object_set=never.object,
                roles=never.roles,
                band=("at_or_below", never.at_or_below),
            )
        for index, entry in enumerate(policy.exceptions):
            keys = ("exceptions", index)
            yield from self._rule(
                keys, actions=entry.actions, object_set=entry.object, band=("floor", entry.floor)
            )
            yield from self._who((*keys, "subject"), entry.subject)
        for index, subject in enumerate(policy.protect):
            yield from self._who(("protect", index), subject)
        for index, wall in enumerate(policy.walls):
            keys = ("walls", index, "writes")
            yield from self._known("action", keys, wall.writes, self._actions)
        for index, rule in enumerate(policy.types):
            keys = ("types", index, "types")
            yield from self._known("type of object", keys, rule.types, self._object_types)

    def _in_behaviour(self) -> Iterator[Problem]:
        known = {*self._roles, DEFAULT}
        yield from self._keys_known("role", ("behaviour",), known)
        for role, rule in self._policy.behaviour.items():
            keys: Keys = ("behaviour", role)
            yield from self._rule(keys, band=("probation", rule.probation))
            if self._features is None:
                continue
            yield from self._keys_known("feature", (*keys, "expect"), self._features)
            yield from self._known("feature", (*keys, "ignore"), rule.ignore, self._features)
