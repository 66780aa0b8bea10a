"""The stored terms of a score, in words and real units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trustd.model import Driver, Envelope, FeatureSpec, Unit
from trustd.trust import opinion, standing
from trustd.trust.columns import Table
from trustd.trust.ledger import WEIGHTS, OpenFinding

NEGLIGIBLE = 0.02
"""Disbelief below which a guest counts as clean."""


@dataclass(frozen=True, slots=True)
class Term:
    """What one signal says against a guest.

    Args:
        signal: the feature's name.
        value, expected: in the feature's unit, of the window that said most.
        rarity: how often this guest deviates so far, in (0, 1].
        fleet_rarity: how often a guest of the fleet does.
        evidence: accumulated, in units of which one crosses the threshold.
        record: the highest value of this guest that counts as its own way, in
            the feature's unit.
        since: epoch seconds since when; NaN where nothing has.
        share: of all that is held against the guest, in [0, 1].
    """

    signal: str
    unit: Unit
    value: float
    expected: float
    rarity: float
    fleet_rarity: float
    evidence: float
    record: float
    since: float
    share: float

    @property
    def text(self) -> str:
        """One sentence for a person."""
        return (
            f"{quantity(self.value, self.unit)}, expected {quantity(self.expected, self.unit)};"
            f" {often(self.rarity)} of this guest's windows, {often(self.fleet_rarity)} of all"
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a guest stands where it stands.

    Args:
        terms: one a feature, the largest share first.
        findings: open ones, the gravest first.
        ceiling: the most that they allow; 1 without any.
        trust: the value.
        repeats: offences that are remembered.
        restore: what has to happen for trust to return.
        earliest: epoch seconds at which trust can be back at 0.8 if the guest
            gives no further cause; NaN where that cannot be said.
    """

    terms: tuple[Term, ...]
    findings: tuple[OpenFinding, ...]
    ceiling: float
    trust: float
    repeats: float
    restore: tuple[str, ...]
    earliest: float


def terms(
    table: Table, row: int, features: Sequence[FeatureSpec], found: Sequence[OpenFinding]
) -> tuple[Term, ...]:
    """The learned lane's terms of a guest, the largest share first."""
    against = np.maximum(table["net"][row], table["blame"][row]).astype(float)
    weights, _ = _weights(table, row, against, found)
    order = np.argsort(-weights, kind="stable")
    return tuple(
        Term(
            signal=features[place].name,
            unit=features[place].unit,
            value=float(table["shown.value"][row, place]),
            expected=float(table["shown.expected"][row, place]),
            rarity=float(table["shown.own"][row, place]),
            fleet_rarity=float(table["shown.fleet"][row, place]),
            evidence=float(against[place]),
            record=float(table["peak"][row, place]),
            since=float(table["since"][row, place]),
            share=float(weights[place]),
        )
        for place in map(int, order)
    )


def drivers(
    table: Table,
    row: int,
    features: Sequence[FeatureSpec],
    found: Sequence[OpenFinding],
    most: int,
) -> tuple[Driver, ...]:
    """The largest terms against a guest, of signals and findings together."""
    against = np.maximum(table["net"][row], table["blame"][row]).astype(float)
    weights, of_findings = _weights(table, row, against, found)
    entries = [
        (share, each.finding.kind, each.finding.summary)
        for share, each in zip(of_findings, found, strict=True)
    ]
    for place in np.argsort(-weights, kind="stable")[:most]:
        if weights[place] > 0:
            spec = features[place]
            value = quantity(float(table["shown.value"][row, place]), spec.unit)
            usual = quantity(float(table["shown.expected"][row, place]), spec.unit)
            rare = often(float(table["shown.own"][row, place]))
            text = f"{value}, expected {usual}; {rare} of this guest's windows"
            entries.append((float(weights[place]), spec.name, text))
    past = 1.0 - sum(share for share, _, _ in entries)
    if past > NEGLIGIBLE:
        entries.append((past, "past", "no present cause; what was found before is fading"))
    entries.sort(key=lambda entry: -entry[0])
    return tuple(Driver(name, share, text) for share, name, text in entries[:most])


def explain(
    table: Table,
    row: int,
    features: Sequence[FeatureSpec],
    found: Sequence[OpenFinding],
    at: float | None,
) -> Explanation:
    """Everything that is known of why a guest stands where it stands."""
    listed = terms(table, row, features, found)
    restore = [
        f"{each.finding.kind} ends" + ("" if np.isfinite(each.until) else " or is acknowledged")
        for each in found
    ]
    restore += [
        f"{term.signal} returns towards {quantity(term.expected, term.unit)}"
        for term in listed
        if term.share >= 0.1  # noqa: PLR2004 - a tenth is worth saying
    ]
    seconds = wait(table, row, 0.8)
    return Explanation(
        terms=listed,
        findings=tuple(found),
        ceiling=float(table["ceiling"][row]),
        trust=float(table["trust"][row]),
        repeats=float(table["repeats"][row]),
        restore=tuple(restore),
        earliest=seconds + (at if at is not None else np.nan),
    )


def wait(table: Table, row: int, target: float) -> float:
    """Seconds until trust can be back at a value, if nothing more is held against it.

    Open findings are taken to end now; NaN where it is never.
    """
    trust = float(table["trust"][row])
    if trust >= target:
        return 0.0
    rise = float(table["behaviour.rise"][row])
    if rise <= 0:
        return float("nan")
    shortest, longest = (target - trust) / rise, 400 * 86400.0
    fade = float(standing.bad_half_life(table)[row])
    weighed = standing.weigh(table)
    good, bad = float(weighed.good[row]), float(weighed.bad[row])
    warmup = float(table["behaviour.warmup"][row])
    full = max(good, 10.0)

    def reached(seconds: float) -> bool:
        better = full - (full - good) * 2.0 ** (-seconds / warmup)
        belief, _, unsure = opinion.opinion(
            np.array(better), np.array(bad * 2.0 ** (-seconds / fade))
        )
        return bool(belief + unsure / 2 >= target)

    if not reached(longest):
        return float("nan")
    low, high = 0.0, longest
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return max(shortest, high)


def _weights(
    table: Table, row: int, against: np.ndarray, found: Sequence[OpenFinding]
) -> tuple[np.ndarray, list[float]]:
    """Shares of the signals and of the findings; together 1, or all 0."""
    of_findings = [WEIGHTS[each.severity] for each in found]
    held = np.maximum(table["nu"][row], table["latch"][row])
    guilt = float(standing.guilt(held, np.maximum(table["agree"], table["agreed"])[row]).sum())
    whole = float(against.sum())
    good = max(float(table["good"][row].sum()), standing.NEWCOMER)
    signals = against * (guilt * good / whole if whole > 0 else 0.0)
    ended = max(float(table["bad"][row].sum()) - sum(of_findings), 0.0)
    total = float(signals.sum()) + sum(of_findings) + ended
    if total <= 0:
        return np.zeros(len(against)), [0.0] * len(of_findings)
    return signals / total, [weight / total for weight in of_findings]


def quantity(value: float, unit: Unit) -> str:
    """A number with its unit, for a person.

    >>> quantity(11_200_000.0, Unit.BYTES_PER_SECOND), quantity(97.4, Unit.PERCENT)
    ('11.2 MB/s', '97 %')
    """
    if not np.isfinite(value):
        return "unknown"
    if unit is Unit.PERCENT:
        return f"{value:.0f} %"
    name = "B/s" if unit is Unit.BYTES_PER_SECOND else "/s"
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{name}"
    return f"{value:.3g} {name}"


def often(probability: float) -> str:
    """A probability for a person.

    >>> often(0.002), often(1e-6)
    ('1 in 500', 'fewer than 1 in 100,000')
    """
    if probability < 1e-5:  # noqa: PLR2004 - beyond what a memory of a week can tell
        return "fewer than 1 in 100,000"
    return f"1 in {1 / probability:,.0f}"


def crossed(envelope: Envelope, value: float, unit: Unit) -> str:
    """One sentence on a crossing."""
    over = value > envelope.most
    bound = envelope.most if over else envelope.least
    side = "above" if over else "below"
    held = f" for {envelope.sustained:g} s" if envelope.sustained else ""
    return (
        f"{envelope.feature} at {quantity(value, unit)}, {side} the stated"
        f" {quantity(bound, unit)}{held}"
    )
