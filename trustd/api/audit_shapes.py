"""The documents of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RecordDoc:
    """One record: what changed, of which guest, by whom, when.

    ``hash`` is hexadecimal and covers the record and the one before it; records from
    before the trail began have none.
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
