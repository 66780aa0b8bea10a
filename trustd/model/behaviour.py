"""What behaviour is worth: the part of a policy that the scoring obeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from trustd.model.findings import Severity

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Envelope:
    """A bound that the operator states for one feature.

    Args:
        feature: the feature's name.
        most: the largest normal value, in the feature's unit.
        least: the smallest normal value.
        sustained: seconds for which the bound must be crossed; 0 means that one
            sample is enough.
        severity: what a crossing is worth.
    """

    feature: str
    most: float = inf
    least: float = -inf
    sustained: float = 0.0
    severity: Severity = Severity.MAJOR


@dataclass(frozen=True, slots=True)
class FamilyWeight:
    """How much one source of evidence may say.

    Args:
        cap: the most evidence, good or bad, that it can hold.
        reliability: in [0, 1]; its opinion is discounted by it.
    """

    cap: float = 100.0
    reliability: float = 1.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the behaviour of the guests of a role becomes trust.

    Args:
        warmup: seconds until a newcomer is no longer on probation.
        good_half_life: seconds in which good evidence fades to half.
        bad_half_life: the same for bad evidence; the longer of the two.
        rise: the most by which trust may rise in an hour.
        families: by name; a family that is not named has the default weight.
        findings: severity by kind, instead of the source's own judgement.
        ceilings: the most that trust can be while a finding of this severity is
            open.
        expect: stated envelopes.
        ignore: features that say nothing about a guest of this role.
    """

    warmup: float = DAY
    good_half_life: float = 36 * HOUR
    bad_half_life: float = 7 * DAY
    rise: float = 0.05
    families: Mapping[str, FamilyWeight] = field(default_factory=dict)
    findings: Mapping[str, Severity] = field(default_factory=dict)
    ceilings: Mapping[Severity, float] = field(
        default_factory=lambda: {Severity.CRITICAL: 0.15, Severity.MAJOR: 0.50}
    )
    expect: tuple[Envelope, ...] = ()
    ignore: frozenset[str] = frozenset()
