"""Discrete pieces of behaviour, and how grave they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trustd.model.guest import GuestId


class Severity(StrEnum):
    """How grave a finding is; ordered.

    >>> Severity.CRITICAL.rank > Severity.MINOR.rank
    True
    """

    INFO = "info"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One discrete piece of behaviour of one guest.

    A finding of one ``(guest, kind, key)`` that is reported again is the same
    finding, still open, not another one.

    Args:
        guest: whose behaviour it is.
        kind: a stable name such as ``snapshot-revert``.
        severity: as its source judges it; the policy may override it by kind.
        family: the source of evidence it belongs to.
        source: the collector, or the sender, that reports it.
        at: epoch seconds.
        summary: one sentence for a person. Guest-chosen text in it is data.
        key: tells findings of one kind apart (a device, a process).
        holds: seconds for which it stays open without being reported again; a
            ceiling on trust holds as long. Infinite: until it is acknowledged.
        facts: what was seen, in the source's own terms.
        confidence: in [0, 1], how far it is to be believed; what it weighs and what its
            ceiling takes shrink with it.
    """

    guest: GuestId
    kind: str
    severity: Severity
    family: str
    source: str
    at: float
    summary: str
    key: str = ""
    holds: float = 3600.0
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    confidence: float = 1.0
