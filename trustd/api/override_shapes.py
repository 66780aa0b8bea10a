"""The documents of operators' orders: overrides, the protect list, pause and hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

BOUNDS = Literal["at-most", "at-least", "pin"]


@dataclass(frozen=True, slots=True)
class OverrideDoc:
    """An operator's bound on a guest's band."""

    band: str
    bound: str
    since: float
    until: float
    by: str
    uid: int
    reason: str


@dataclass(frozen=True, slots=True)
class ProtectionDoc:
    """A guest that an operator protects; ``until`` is null where only they end it."""

    guest: str
    name: str
    since: float
    until: float | None
    by: str
    uid: int
    reason: str


@dataclass(frozen=True, slots=True)
class PauseDoc:
    """An operator's pause; with ``keep`` what is narrowed stays so."""

    keep: bool
    since: float
    until: float
    by: str
    uid: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrdersDoc:
    """What operators ordered, in short.

    ``overrides`` and ``protected`` are numbers of guests; ``held`` those that are not
    narrowed as they should be, by reason.
    """

    pause: PauseDoc | None
    overrides: int
    protected: int
    held: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OverrideState:
    """A guest's override, if any; ``automatic`` is the band that trust makes of it."""

    guest: str
    name: str
    band: str
    automatic: str
    override: OverrideDoc | None


@dataclass(frozen=True, slots=True)
class ProtectionList:
    """Every guest that an operator protects; those of the policy's list are not here."""

    protected: Sequence[ProtectionDoc]


@dataclass(frozen=True, slots=True)
class PauseState:
    """Whether enforcement is paused."""

    pause: PauseDoc | None


@dataclass(frozen=True, slots=True)
class HeldDoc:
    """A guest that is not narrowed as it should be.

    ``reason``: ``too-many`` fell at once, the hypervisor is ``blind``, or ``paused``.
    """

    guest: str
    name: str
    band: str
    reason: str


@dataclass(frozen=True, slots=True)
class HoldState:
    """Guests that are not narrowed as they should be."""

    held: Sequence[HeldDoc]


@dataclass(frozen=True, slots=True)
class OverrideRequest:
    """Bound a guest's band for a time."""

    band: str
    bound: BOUNDS
    seconds: float
    reason: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ProtectRequest:
    """Protect a guest, for a time or until it is taken back."""

    guest: str
    reason: str
    seconds: float | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """Pause enforcement for a time."""

    seconds: float
    reason: str
    keep: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """Let guests be narrowed that are held because too many fell at once."""

    reason: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class MovedDoc:
    """Actions on an object."""

    type: str
    id: str
    actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class StepDoc:
    """An action on one of the guest's devices."""

    lever: str
    device: str
    setting: Mapping[str, int | str | bool]


@dataclass(frozen=True, slots=True)
class EffectDoc:
    """What an order changes for one guest, from the next tick on.

    ``band`` and ``mode`` are before and after. ``applied`` and ``restored`` are actions;
    ``would`` are those that would be applied if the guest were not only observed.
    """

    guest: str
    name: str
    band: Sequence[str]
    mode: Sequence[str]
    gained: Sequence[MovedDoc]
    lost: Sequence[MovedDoc]
    applied: Sequence[StepDoc]
    restored: Sequence[StepDoc]
    would: Sequence[StepDoc]


@dataclass(frozen=True, slots=True)
class OrderDoc:
    """What an order changed, or with ``dry_run`` would change, for whom.

    ``act`` is ``given``, ``taken back``, ``accepted``, or ``nothing`` where there was
    nothing to take back or to accept; ``until`` is null where it has no end.
    """

    kind: str
    act: str
    dry_run: bool
    until: float | None
    effects: Sequence[EffectDoc]
