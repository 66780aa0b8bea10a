"""The documents of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RecordDoc:
    """One record: what changed, of which guest, by whom, when.

    ``hash`` is hexadecimal and covers the record and the one before it; records from
    before the trail began have none. A ``document`` that trustd did not write so has its
    text as ``unreadable``.
    """

    id: int
    at: float
    guest: str
    name: str
    kind: str
    document: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class TrailDoc:
    """A page of the trail, oldest first.

    ``first`` is the oldest linked record that is kept and ``before`` the hash that it
    covers; ``key`` is the public half of the key that signs anchors, base64. ``next``
    is the address of the next page, null on the last one.
    """

    trail: str
    first: int
    before: str
    key: str
    records: Sequence[RecordDoc]
    next: str | None


@dataclass(frozen=True, slots=True)
class GuestThen:
    """What the trail says of a guest: ``narrowed`` are devices, as ``lever device``."""

    guest: str
    name: str
    state: str
    band: str
    labels: Mapping[str, str]
    roles: Sequence[str]
    protected: bool
    narrowed: Sequence[str]


@dataclass(frozen=True, slots=True)
class LabelsThen:
    """Labels of a guest or an object."""

    type: str
    id: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OrderThen:
    """An operator's order that has not ended, as its record has it; ``guest`` empty for all."""

    kind: str
    guest: str
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StateDoc:
    """What the trail adds up to, replayed from its first record to ``last``.

    ``at`` is that record's time and ``run`` when the last run of the daemon began, epoch
    seconds, 0 for none; ``policy`` the sha256 of the one in force; ``given`` labels that were
    given at run time. ``incidents`` are the numbers of those that nobody has resolved.
    """

    last: int
    at: float
    run: float
    policy: str
    guests: Sequence[GuestThen]
    objects: Sequence[LabelsThen]
    given: Sequence[LabelsThen]
    orders: Sequence[OrderThen]
    incidents: Sequence[int]


@dataclass(frozen=True, slots=True)
class FaultDoc:
    """One place at which the trail is not what was written."""

    id: int
    what: str


@dataclass(frozen=True, slots=True)
class VerdictDoc:
    """What a check of the whole trail found; ``anchors`` counts those that fitted."""

    sound: bool
    trail: str
    records: int
    last: int
    hash: str
    anchors: int
    faults: Sequence[FaultDoc]
