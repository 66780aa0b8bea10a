"""What is asked, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from trustd.policy import Labels

LONGEST = 1024
"""Characters of an identity beyond which nobody is meant."""


class Question(NamedTuple):
    """May this subject do this to that object?

    Args:
        brought, attached: properties of subject and object that came with the question;
            they count only where the caller may bring them.
    """

    subject_type: str
    subject: str
    action: str
    object_type: str
    object: str
    brought: Labels | None = None
    attached: Labels | None = None


Plain = tuple[str, str, str, str, str]
"""A question without properties, by its texts: types and identities as in :class:`Question`.

Almost all are, and to make a named tuple of each costs as much as to answer it.
"""

Asked = Question | Plain


def whole(asked: Asked) -> Question:
    """The question, with a name for each of its parts.

    >>> whole(("guest", "a", "read", "volume", "b")).action
    'read'
    """
    return asked if isinstance(asked, Question) else Question(*asked)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as far as a decision depends on it.

    Args:
        name: the registered caller's; empty for somebody unregistered.
        dialect: the one it speaks.
        subject: the type of its subjects, in dialects that do not say.
        subjects, objects: types for which it may bring properties.
    """

    name: str
    dialect: str
    subject: str = "user"
    subjects: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()

    @property
    def registered(self) -> bool:
        """Whether it is known; nobody else binds a wall."""
        return bool(self.name)


ANYBODY = Asker("", "")
"""Somebody of whom nothing is known."""
