"""Objects, decisions about them, and what a guest may do at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    """Whether trustd acts on what it decides, or only says what it would do."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """What a virtualisation service manages, by stable identity.

    Args:
        type: ``volume``, ``network``, ``device``, ``bucket`` or a service's own.
        id: a volume's key or path, a network's name or UUID, a PCI address ...
    """

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Access:
    """What one guest may do to one object.

    Args:
        held: actions that its roles permit in its present band.
        lost: actions that its roles permit by default and that the band took away.
    """

    object: ObjectRef
    held: frozenset[str]
    lost: frozenset[str]


@dataclass(frozen=True, slots=True)
class EffectivePermissions:
    """What a guest's roles permit in its present band, on the objects it has.

    The one source of both answers and enforcement.
    """

    band: str
    roles: tuple[str, ...]
    access: tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may this subject do this to that object?".

    Args:
        permit: the answer.
        reason: a stable code (``permit``, ``no-grant``, ``band-cap``, ``forbid``,
            ``wall``, ``type``, ``unknown-subject`` ...).
        policy: sha256 of the policy that decided.
        detail: the terms of the reason, for a person.
    """

    permit: bool
    reason: str
    mode: Mode
    policy: str
    band: str = ""
    role: str = ""
    detail: Mapping[str, str | float] = field(default_factory=dict)
