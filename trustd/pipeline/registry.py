"""Labels by stable identity: what documents and administrators say of guests and objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trustd.model import Guest, GuestId, KnownObject, ObjectRef
from trustd.policy import Labels, Policy, Target
from trustd.policy.schema import Registry as RegistryDocument
from trustd.policy.terms import GUEST
from trustd.repository import Entity

NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Registry:
    """Every label that is not in a guest's own definition.

    Args:
        given: those that an administrator set at run time; they win over all others.
        objects: those that documents give to objects.
        subjects: those that documents give to subjects that are no guests.
        known: the objects of the host, by each of their names.
    """

    given: Mapping[Entity, Mapping[str, str]] = field(default_factory=dict)
    objects: Mapping[ObjectRef, Mapping[str, str]] = field(default_factory=dict)
    subjects: Mapping[Entity, Labels] = field(default_factory=dict)
    known: Mapping[ObjectRef, KnownObject] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        policy: Policy,
        document: RegistryDocument | None,
        given: Mapping[Entity, Mapping[str, str]],
        host: Sequence[KnownObject] = (),
    ) -> Registry:
        """The labels in force under a policy.

        Args:
            document: that stands beside the policy and wins over its own registry.
            host: the objects that the host itself knows.
        """
        objects: dict[ObjectRef, Mapping[str, str]] = {}
        subjects: dict[Entity, Labels] = {}
        for each in (policy.document.registry, document):
            if each is None:
                continue
            for entry in each.objects:
                ref = ObjectRef(entry.type, entry.id)
                objects[ref] = {**objects.get(ref, NO_LABELS), **entry.labels}
            for known in each.subjects:
                key = (known.type, known.id)
                subjects[key] = {**subjects.get(key, NO_LABELS), **known.labels}
        for (kind, identity), labels in given.items():
            ref = ObjectRef(kind, identity)
            if kind in policy.objects.types:
                objects[ref] = {**objects.get(ref, NO_LABELS), **labels}
            if kind != GUEST and kind in policy.subject_types:
                key = (kind, identity)
                subjects[key] = {**subjects.get(key, NO_LABELS), **labels}
        return cls(given, objects, subjects, by_name(host))

    def identity(self, ref: ObjectRef) -> ObjectRef:
        """An object's stable identity, by whichever name it is meant."""
        found = self.known.get(ref)
        return ref if found is None else found.ref

    def names(self, ref: ObjectRef) -> tuple[ObjectRef, ...]:
        """Every name of an object, the stable identity last."""
        found = self.known.get(ref)
        if found is None:
            return (ref,)
        # a name that is another object's too is none of this one's
        others = (ObjectRef(ref.type, name) for name in found.names)
        return (*(name for name in others if self.known.get(name) is found), found.ref)

    def object(self, ref: ObjectRef) -> Mapping[str, str]:
        """The labels of an object, by whichever of its names they were given.

        Those of the stable identity win. None where nobody gave it any.
        """
        if ref not in self.known:
            return self.objects.get(ref, NO_LABELS)
        return labels_under(self.names(ref), self.objects)

    def target(self, policy: Policy, ref: ObjectRef, attached: Labels = NO_LABELS) -> Target | None:
        """An object as a policy sees it, under every name; None where its type is not known.

        Args:
            attached: properties for labels that nobody gave.
        """
        names = [name.id for name in self.names(ref)] if ref in self.known else ()
        return policy.target(ref, {**attached, **self.object(ref)}, names)

    def guest(self, guest: Guest) -> Guest:
        """A guest with its labels: those of its definition, and the administrator's over them.

        >>> from trustd.model import GuestId
        >>> registry = Registry({("guest", "a"): {"app": "db"}})
        >>> registry.guest(Guest(GuestId("a"), "x", labels={"app": "web", "env": "prod"})).labels
        {'app': 'db', 'env': 'prod'}
        """
        given = self.given.get((GUEST, guest.id))
        return replace(guest, labels={**guest.labels, **given}) if given else guest


def by_name(known: Sequence[KnownObject]) -> Mapping[ObjectRef, KnownObject]:
    """Objects by each of their names; a name of two means neither, a stable identity only its own.

    >>> one = KnownObject(ObjectRef("network", "u1"), ("default", "br0"))
    >>> two = KnownObject(ObjectRef("network", "br0"), ("default",))
    >>> sorted((name.id, each.ref.id) for name, each in by_name([one, two]).items())
    [('br0', 'br0'), ('u1', 'u1')]
    """
    found: dict[ObjectRef, KnownObject] = {}
    shared: set[ObjectRef] = set()
    for each in known:
        for name in each.names:
            ref = ObjectRef(each.ref.type, name)
            if found.setdefault(ref, each) is not each:
                shared.add(ref)
    for ref in shared:
        del found[ref]
    return found | {each.ref: each for each in known}


def labels_under(
    names: Iterable[ObjectRef], objects: Mapping[ObjectRef, Mapping[str, str]]
) -> Mapping[str, str]:
    """The labels given under any of these names; those under later ones win."""
    found: dict[str, str] = {}
    for name in names:
        found |= objects.get(name, NO_LABELS)
    return found


class Labelling:
    """Gives every guest of an inventory its labels; the same objects while nothing changed."""

    def __init__(self) -> None:
        self._inventory: Mapping[GuestId, Guest] = {}
        self._registry: Registry | None = None
        self._labelled: Mapping[GuestId, Guest] = {}

    def apply(
        self, inventory: Mapping[GuestId, Guest], registry: Registry
    ) -> Mapping[GuestId, Guest]:
        """The inventory with every label."""
        if inventory is self._inventory and registry is self._registry:
            return self._labelled
        labelled: dict[GuestId, Guest] = {}
        for id_, guest in inventory.items():
            now = registry.guest(guest)
            before = self._labelled.get(id_)
            # an equal guest stays the same object: readers compare by identity
            labelled[id_] = before if before is not None and before == now else now
        self._inventory, self._registry, self._labelled = inventory, registry, labelled
        return labelled
