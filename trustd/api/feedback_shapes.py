"""The documents of explanation and feedback: stored terms, and an operator's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trustd.api.override_shapes import MovedDoc


@dataclass(frozen=True, slots=True)
class TermDoc:
    """What one signal says against a guest.

    ``value``, ``expected`` and ``record`` are in ``unit``; ``record`` is the highest
    value that counts as the guest's own way. ``rarity`` and ``fleet_rarity`` say how
    often this guest and any guest deviate so far. ``evidence`` is in units of which
    one takes trust below one half, ``share`` of all that is held against the guest.
    """

    signal: str
    unit: str
    value: float | None
    expected: float | None
    rarity: float | None
    fleet_rarity: float | None
    evidence: float | None
    record: float | None
    since: float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class OpenFindingDoc:
    """A finding that holds trust under a ceiling; the severity is the policy's."""

    kind: str
    key: str
    severity: str
    source: str
    summary: str
    ceiling: float
    opened: float | None


@dataclass(frozen=True, slots=True)
class BandStepDoc:
    """A better band: trust must reach ``enter`` and stay there for ``dwell`` seconds.

    ``earliest`` is when that can be so; null where it cannot be said. ``gives`` is
    what it gives back and the band before it does not.
    """

    band: str
    enter: float
    dwell: float
    earliest: float | None
    gives: Sequence[MovedDoc]


@dataclass(frozen=True, slots=True)
class StandingDoc:
    """Where a guest stands with the scoring engine now, which may be after the last tick.

    ``ceiling`` is the most that open findings allow, ``repeats`` how many offences
    are remembered. ``earliest`` is when trust can be back if the guest gives no
    further cause; null where that cannot be said. ``steps`` are the better bands, the
    nearest first.
    """

    trust: float | None
    ceiling: float
    repeats: float
    terms: Sequence[TermDoc]
    findings: Sequence[OpenFindingDoc]
    restore: Sequence[str]
    earliest: float | None
    steps: Sequence[BandStepDoc] = ()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An operator's word on what a guest did, and why; with ``dry_run`` it is not taken."""

    verdict: Literal["benign", "attack"]
    reason: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class AcknowledgedDoc:
    """What a word changed: trust before and after it, and the findings that it ended."""

    guest: str
    name: str
    verdict: str
    reason: str
    at: float
    before: float | None
    after: float | None
    ended: Sequence[str]
    dry_run: bool = False
