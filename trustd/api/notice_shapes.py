"""The documents of notices and their receivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AffectedDoc:
    """A guest that a notice is about."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class NoticeDoc:
    """A notice that lasts; ``starts`` is in epoch seconds."""

    key: str
    severity: str
    title: str
    problem: str
    mode: str
    starts: float
    guests: Sequence[AffectedDoc]
    objects: Sequence[str]
    recommended: Sequence[str]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReceiverDoc:
    """How a receiver fares. ``told`` and ``failed`` are epoch seconds; null for never."""

    name: str
    kind: str
    severity: str
    waiting: int
    told: float | None
    failed: float | None
    error: str
    failures: int
    dropped: int


@dataclass(frozen=True, slots=True)
class NoticeList:
    """Every receiver, and every notice that lasts."""

    receivers: Sequence[ReceiverDoc]
    notices: Sequence[NoticeDoc]


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """Try out a receiver."""

    receiver: str


@dataclass(frozen=True, slots=True)
class TrialDoc:
    """Whether a receiver took a notice, and if not, why."""

    receiver: str
    told: bool
    error: str
