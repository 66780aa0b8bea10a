"""Labels as sets of values, and selectors over them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trustd.policy.terms import OWN_ID, Select, SubjectRef

Labels = Mapping[str, str | Sequence[str]]
"""Labels as given: one value, or several."""

Values = Mapping[str, frozenset[str]]
"""Labels as compared, with the identity under ``$id``."""

NONE: frozenset[str] = frozenset()


def values_of(labels: Labels, identity: str, split: Collection[str] = ()) -> Values:
    """Labels as sets of values.

    Args:
        split: labels whose one value may be a list with commas.

    >>> values_of({"colour": "red,blue"}, "g", ("colour",))["colour"] == {"red", "blue"}
    True
    """
    found: dict[str, frozenset[str]] = {}
    for label, value in labels.items():
        parts: Iterable[str] = (value,) if isinstance(value, str) else value
        if label in split:
            parts = (part.strip() for one in parts for part in one.split(","))
        # An empty value is none: two guests without a tenant are not of one tenant.
        found[label] = frozenset(part for part in parts if part)
    found[OWN_ID] = frozenset((identity,))
    return found


@dataclass(frozen=True, slots=True)
class Condition:
    """What one label must be."""

    label: str
    one_of: frozenset[str] | None
    none_of: frozenset[str]
    present: bool | None

    def holds(self, values: Values) -> bool:
        """Whether these labels fit; an absent label has no values."""
        given = values.get(self.label, NONE)
        if self.one_of is not None and given.isdisjoint(self.one_of):
            return False
        if self.present is not None and bool(given) is not self.present:
            return False
        return given.isdisjoint(self.none_of)


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that must all hold."""

    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, select: Select | None, identities: Collection[str] | None = None) -> Selector:
        """The selector of a document's ``select`` and ``id``."""
        conditions = [
            Condition(
                label,
                None if term.one_of is None else frozenset(term.one_of),
                frozenset(term.none_of or ()),
                term.present,
            )
            for label, term in sorted((select or {}).items())
        ]
        if identities is not None:
            conditions.append(Condition(OWN_ID, frozenset(identities), NONE, None))
        return cls(tuple(conditions))

    def matches(self, values: Values) -> bool:
        """Whether all conditions hold.

        >>> from trustd.policy.terms import Term
        >>> only = Selector.of({"env": Term.model_validate({"in": "prod"})})
        >>> only.matches({"env": frozenset({"prod"})}), only.matches({})
        (True, False)
        """
        return all(condition.holds(values) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Who:
    """Whom a rule means, ready to compare."""

    type: str
    selector: Selector

    @classmethod
    def of(cls, subject: SubjectRef) -> Who:
        """From the document."""
        return cls(subject.type, Selector.of(subject.select, subject.id))

    def matches(self, subject_type: str, values: Values) -> bool:
        """Whether this subject is meant."""
        return subject_type == self.type and self.selector.matches(values)
