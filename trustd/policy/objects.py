"""Object sets: which of them an object is in, by its type and labels."""

from __future__ import annotations

from collections.abc import Mapping

from trustd.policy.schema import PolicyDocument
from trustd.policy.selectors import Selector, Values
from trustd.policy.terms import BUILT_IN_TYPES


class ObjectSets:
    """The object sets of one policy, each known by a bit.

    Attributes:
        names: sorted.
        bits: by name.
        types: every type of object that is known.
    """

    __slots__ = ("_by_type", "bits", "names", "types")

    def __init__(self, document: PolicyDocument) -> None:
        self.names = tuple(sorted(document.objects))
        self.bits: Mapping[str, int] = {name: 1 << place for place, name in enumerate(self.names)}
        self._by_type: dict[str, list[tuple[int, Selector]]] = {}
        for name in self.names:
            entry = document.objects[name]
            selector = Selector.of(entry.select, entry.id)
            self._by_type.setdefault(entry.type, []).append((self.bits[name], selector))
        registered = {entry.type for entry in document.registry.objects}
        self.types = frozenset(BUILT_IN_TYPES | self._by_type.keys() | registered)

    def of(self, kind: str, values: Values) -> tuple[int, ...]:
        """The bits of the sets that an object of this type and labels is in."""
        return tuple(
            bit for bit, selector in self._by_type.get(kind, ()) if selector.matches(values)
        )

    def selectors(self, kind: str, bits: int) -> tuple[Selector, ...]:
        """The selectors of the sets of one type that have these bits."""
        return tuple(selector for bit, selector in self._by_type.get(kind, ()) if bit & bits)
