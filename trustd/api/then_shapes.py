"""The document of a time that has passed: what was known of a guest then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MoveDoc:
    """A guest's change of band; ``because`` is what was held against it then."""

    at: float
    before: str
    after: str
    trust: float | None
    mode: str
    because: Sequence[str]


@dataclass(frozen=True, slots=True)
class DeedDoc:
    """An action as it was told last; ``at`` is when."""

    at: float
    lever: str
    device: str
    setting: Mapping[str, int | str | bool]
    status: str
    because: str
    error: str


@dataclass(frozen=True, slots=True)
class SaidDoc:
    """An operator's word on the guest."""

    at: float
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class ThenDoc:
    """A guest at a time that has passed, as the journal has it.

    ``trust`` is that of the moment ``since``, when its band was told. ``moves`` are the
    last changes of band by that time, the newest last, ``afterwards`` the first ones
    after it. ``notes`` say what is uncertain.
    """

    guest: str
    name: str
    at: float
    state: str
    band: str
    since: float
    trust: float | None
    mode: str
    policy: str
    protected: bool
    roles: Sequence[str]
    labels: Mapping[str, str]
    moves: Sequence[MoveDoc]
    actions: Sequence[DeedDoc]
    words: Sequence[SaidDoc]
    afterwards: Sequence[MoveDoc]
    notes: Sequence[str]
