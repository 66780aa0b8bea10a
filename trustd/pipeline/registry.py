"""Labels by stable identity: what documents and administrators say of guests and objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trustd.model import Guest, GuestId, ObjectRef
from trustd.policy import Labels, Policy
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
    """

    given: Mapping[Entity, Mapping[str, str]] = field(default_factory=dict)
    objects: Mapping[ObjectRef, Mapping[str, str]] = field(default_factory=dict)
    subjects: Mapping[Entity, Labels] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        policy: Policy,
        document: RegistryDocument | None,
        given: Mapping[Entity, Mapping[str, str]],
    ) -> Registry:
        """The labels in force under a policy.

        Args:
            document: that stands beside the policy and wins over its own registry.
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
        return cls(given, objects, subjects)

    def object(self, ref: ObjectRef) -> Mapping[str, str]:
        """The labels of an object; none where nobody gave it any."""
        return self.objects.get(ref, NO_LABELS)

    def guest(self, guest: Guest) -> Guest:
        """A guest with its labels: those of its definition, and the administrator's over them.

        >>> from trustd.model import GuestId
        >>> registry = Registry({("guest", "a"): {"app": "db"}})
        >>> registry.guest(Guest(GuestId("a"), "x", labels={"app": "web", "env": "prod"})).labels
        {'app': 'db', 'env': 'prod'}
        """
        given = self.given.get((GUEST, guest.id))
        return replace(guest, labels={**guest.labels, **given}) if given else guest


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
