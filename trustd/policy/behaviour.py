"""What behaviour is worth to the guests of a role: the role's word over the default's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from math import inf
from typing import TypeVar

from trustd.model import Behaviour, Envelope, FamilyWeight, Severity
from trustd.policy.references import DEFAULT
from trustd.policy.schema import BehaviourRule, Expectation

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A behaviour together with the band of guests that were never measured."""

    behaviour: Behaviour
    probation: str | None


class Behaviours:
    """The behaviour of every role of a policy.

    Args:
        rules: of the document, by role and ``default``.
        bands: names, best first.
    """

    def __init__(self, rules: Mapping[str, BehaviourRule], bands: Sequence[str]) -> None:
        self._rank = {band: rank for rank, band in enumerate(bands)}
        default = rules.get(DEFAULT, BehaviourRule())
        self._default = Newcomer(_over(default, Behaviour()), default.probation)
        self._roles = {
            role: Newcomer(
                _over(rule, self._default.behaviour), rule.probation or default.probation
            )
            for role, rule in rules.items()
            if role != DEFAULT
        }

    def of(self, roles: Iterable[str]) -> Newcomer:
        """The behaviour of a guest with these roles.

        Roles without an entry of their own say nothing. Where several have one, the
        strictest word on each point holds, so that their order does not matter.
        """
        own = [self._roles[role] for role in sorted(set(roles)) if role in self._roles]
        return reduce(self._strictest, own) if own else self._default

    def _strictest(self, one: Newcomer, two: Newcomer) -> Newcomer:
        bands = [band for band in (one.probation, two.probation) if band is not None]
        known = len(bands) == len((one, two))
        worst = max(bands, key=self._rank.__getitem__) if known else None
        return Newcomer(_both(one.behaviour, two.behaviour), worst)


def _over(rule: BehaviourRule, base: Behaviour) -> Behaviour:
    """A rule's words over a base; what it leaves out is the base's."""
    envelopes = {envelope.feature: envelope for envelope in base.expect}
    envelopes |= {feature: _envelope(feature, rule.expect[feature]) for feature in rule.expect}
    stated = {
        "warmup": rule.warmup,
        "good_half_life": rule.half_life.good,
        "bad_half_life": rule.half_life.bad,
        "rise": rule.rise,
    }
    families = {
        name: FamilyWeight(family.cap, family.reliability) for name, family in rule.families.items()
    }
    return Behaviour(
        **{name: getattr(base, name) if v is None else v for name, v in stated.items()},
        families={**base.families, **families},
        findings={**base.findings, **rule.findings},
        ceilings={**base.ceilings, **rule.ceilings},
        expect=tuple(envelopes[feature] for feature in sorted(envelopes)),
        ignore=base.ignore | frozenset(rule.ignore),
    )


def _envelope(feature: str, expect: Expectation) -> Envelope:
    return Envelope(
        feature,
        most=inf if expect.max is None else expect.max,
        least=-inf if expect.min is None else expect.min,
        sustained=expect.sustained,
        severity=expect.severity,
    )


def _both(one: Behaviour, two: Behaviour) -> Behaviour:
    """The strictest of two behaviours on each point."""
    return Behaviour(
        warmup=max(one.warmup, two.warmup),
        good_half_life=min(one.good_half_life, two.good_half_life),
        bad_half_life=max(one.bad_half_life, two.bad_half_life),
        rise=min(one.rise, two.rise),
        families=_merged(one.families, two.families, _weaker),
        findings=_merged(one.findings, two.findings, _graver),
        ceilings=_merged(one.ceilings, two.ceilings, min),
        expect=tuple(sorted({*one.expect, *two.expect}, key=_by_fields)),
        ignore=one.ignore & two.ignore,
    )


def _merged(one: Mapping[K, V], two: Mapping[K, V], choose: Callable[[V, V], V]) -> dict[K, V]:
    """Entries of both; where both have one, the chosen one."""
    return {
        key: choose(one[key], two[key]) if key in one and key in two else {**one, **two}[key]
        for key in {**one, **two}
    }


def _weaker(one: FamilyWeight, two: FamilyWeight) -> FamilyWeight:
    return FamilyWeight(min(one.cap, two.cap), min(one.reliability, two.reliability))


def _graver(one: Severity, two: Severity) -> Severity:
    return max(one, two, key=lambda severity: severity.rank)


def _by_fields(envelope: Envelope) -> tuple[str, ...]:
    return tuple(str(getattr(envelope, field.name)) for field in fields(envelope))
