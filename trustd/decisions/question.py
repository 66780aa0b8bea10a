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
