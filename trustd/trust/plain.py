"""Findings, behaviour and settings as plain values that JSON can carry, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import inf, isinf, isnan, nan
from typing import Any

import numpy as np

from trustd.errors import StoreError
from trustd.model import (
    Behaviour,
    Envelope,
    FamilyWeight,
    FeatureSpec,
    Finding,
    GuestId,
    Severity,
    Unit,
)
from trustd.trust.columns import Array
from trustd.trust.ledger import OpenFinding
from trustd.trust.settings import Pace, Range, Settings
from trustd.trust.windows import Clock

Plain = dict[str, Any]


def number(value: float) -> float | str | None:
    """A number that JSON can carry.

    >>> number(1.5), number(float("nan")), number(-inf)
    (1.5, None, '-inf')
    """
    if isnan(value):
        return None
    if isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(value)


def as_number(value: object) -> float:
    """The inverse of :func:`number`.

    Raises:
        StoreError: it is no number.
    """
    if value is None:
        return nan
    if value in ("inf", "-inf"):
        return inf if value == "inf" else -inf
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise StoreError(f"{value!r} stands where a number should; the document is damaged")
    return float(value)


def array(values: Array) -> list[Any]:
    """An array as nested lists of plain numbers."""
    flat = [number(float(each)) for each in values.ravel()]
    depth = list(values.shape)
    while len(depth) > 1:
        width = depth.pop()
        flat = [flat[start : start + width] for start in range(0, len(flat), width)]  # type: ignore[misc]
    return flat


def as_array(values: object, shape: tuple[int, ...]) -> Array:
    """The inverse of :func:`array`.

    Raises:
        StoreError: it has another shape, or something in it is no number.
    """
    flat: list[object] = [values]
    for width in shape:
        if not all(isinstance(each, list) and len(each) == width for each in flat):
            raise StoreError(f"a list has not the shape {shape}; the document is damaged")
        flat = [each for part in flat for each in part]  # type: ignore[attr-defined]
    return np.array([as_number(each) for each in flat], dtype=float).reshape(shape)


def feature(spec: FeatureSpec) -> Plain:
    """A feature as plain values."""
    return {
        "name": spec.name,
        "unit": spec.unit.value,
        "group": spec.group,
        "family": spec.family,
        "contended": spec.contended,
    }


def as_feature(plain: Mapping[str, Any]) -> FeatureSpec:
    """The inverse of :func:`feature`."""
    return FeatureSpec(
        plain["name"], Unit(plain["unit"]), plain["group"], plain["family"], plain["contended"]
    )


def open_finding(entry: OpenFinding, now: float) -> Plain:
    """An open finding; its end is counted from now."""
    finding = entry.finding
    return {
        "guest": finding.guest,
        "kind": finding.kind,
        "key": finding.key,
        "reported": finding.severity.value,
        "family": finding.family,
        "source": finding.source,
        "at": finding.at,
        "summary": finding.summary,
        "holds": number(finding.holds),
        "facts": {
            name: number(fact) if isinstance(fact, float) else fact
            for name, fact in finding.facts.items()
        },
        "confidence": finding.confidence,
        "severity": entry.severity.value,
        "ceiling": entry.ceiling,
        "opened": entry.opened,
        "left": number(entry.until - now),
    }


def as_open_finding(plain: Mapping[str, Any], guest: GuestId, now: float) -> OpenFinding:
    """The inverse of :func:`open_finding`."""
    return OpenFinding(
        finding=Finding(
            guest=guest,
            kind=str(plain["kind"]),
            severity=Severity(plain["reported"]),
            family=str(plain["family"]),
            source=str(plain["source"]),
            at=as_number(plain["at"]),
            summary=str(plain["summary"]),
            key=str(plain["key"]),
            holds=as_number(plain["holds"]),
            facts=dict(plain["facts"]),
            # none was kept before findings could be doubted
            confidence=as_number(plain.get("confidence", 1.0)),
        ),
        severity=Severity(plain["severity"]),
        ceiling=as_number(plain["ceiling"]),
        opened=as_number(plain["opened"]),
        until=now + as_number(plain["left"]),
    )


def envelope(stated: Envelope) -> Plain:
    """An envelope as plain values."""
    return {
        "feature": stated.feature,
        "most": number(stated.most),
        "least": number(stated.least),
        "sustained": stated.sustained,
        "severity": stated.severity.value,
    }


def as_envelope(plain: Mapping[str, Any]) -> Envelope:
    """The inverse of :func:`envelope`."""
    return Envelope(
        plain["feature"],
        as_number(plain["most"]),
        as_number(plain["least"]),
        plain["sustained"],
        Severity(plain["severity"]),
    )


def behaviour(terms: Behaviour) -> Plain:
    """A role's behaviour as plain values."""
    return {
        "warmup": terms.warmup,
        "good_half_life": terms.good_half_life,
        "bad_half_life": terms.bad_half_life,
        "rise": terms.rise,
        "families": {
            name: [weight.cap, weight.reliability] for name, weight in terms.families.items()
        },
        "findings": {kind: severity.value for kind, severity in terms.findings.items()},
        "ceilings": {severity.value: bound for severity, bound in terms.ceilings.items()},
        "expect": [envelope(each) for each in terms.expect],
        "ignore": sorted(terms.ignore),
    }


def as_behaviour(plain: Mapping[str, Any]) -> Behaviour:
    """The inverse of :func:`behaviour`."""
    return Behaviour(
        warmup=plain["warmup"],
        good_half_life=plain["good_half_life"],
        bad_half_life=plain["bad_half_life"],
        rise=plain["rise"],
        families={name: FamilyWeight(*pair) for name, pair in plain["families"].items()},
        findings={kind: Severity(value) for kind, value in plain["findings"].items()},
        ceilings={Severity(value): bound for value, bound in plain["ceilings"].items()},
        expect=tuple(as_envelope(each) for each in plain["expect"]),
        ignore=frozenset(plain["ignore"]),
    )


def settings(chosen: Settings) -> Plain:
    """Settings as plain values."""
    return asdict(chosen)


def as_settings(plain: Mapping[str, Any]) -> Settings:
    """The inverse of :func:`settings`."""
    ranged = ("bytes", "events", "percent")
    paces = tuple(
        Pace(**{**pace, **{unit: Range(**pace[unit]) for unit in ranged}})
        for pace in plain["paces"]
    )
    return Settings(**{**plain, "paces": paces})


def clock(present: Clock) -> Plain:
    """Where a window stands, as plain values."""
    return {**asdict(present), "spans": present.spans.tolist()}


def as_clock(plain: Mapping[str, Any]) -> Clock:
    """The inverse of :func:`clock`."""
    return Clock(**{**plain, "spans": np.array(plain["spans"], dtype=float)})
