"""The stored terms of a score, in words and real units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trustd.model import Driver, Envelope, FeatureSpec, Unit
from trustd.trust import standing
from trustd.trust.columns import Array, Table
from trustd.trust.ledger import OpenFinding, weight_of
from trustd.trust.settings import Settings

NEGLIGIBLE = 0.02
"""Disbelief below which a guest counts as clean."""
NOTABLE = 0.1
"""The share from which a signal is worth a word on what would restore trust."""
RESTORED = 0.8
"""The trust of which it is told when it can be back."""


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
        reached: the same for each value of trust that was asked about.
    """

    terms: tuple[Term, ...]
    findings: tuple[OpenFinding, ...]
    ceiling: float
    trust: float
    repeats: float
    restore: tuple[str, ...]
    earliest: float
    reached: tuple[float, ...] = ()


def drivers(
    table: Table,
    row: int,
    features: Sequence[FeatureSpec],
    found: Sequence[OpenFinding],
    most: int,
    *,
    ended: OpenFinding | None = None,
) -> tuple[Driver, ...]:
    """The largest terms against a guest, of signals and findings together.

    Args:
        ended: the finding that ended last: what is fading now.
    """
    shares = _shares(table, row, found)
    # those without a share are the last ones: most guests with a finding have no other
    speaking = int(np.count_nonzero(shares.signals > 0))
    entries = [
        Driver(each.finding.kind, share, each.finding.summary)
        for share, each in zip(shares.findings, found, strict=True)
    ]
    entries += [
        Driver(term.signal, term.share, f"{term.signal} at {term.text}")
        for term in _terms(table, row, features, shares, min(most, speaking))
    ]
    if shares.past > NEGLIGIBLE:
        what = "what was found before" if ended is None else ended.finding.summary
        entries.append(Driver("past", shares.past, f"over and fading: {what}"))
    entries.sort(key=lambda driver: -driver.share)
    return tuple(entries[:most])


def explain(
    table: Table,
    row: int,
    features: Sequence[FeatureSpec],
    found: Sequence[OpenFinding],
    *,
    at: float | None,
    settings: Settings,
    goals: Sequence[float] = (),
) -> Explanation:
    """Everything that is known of why a guest stands where it stands.

    Args:
        found: its open findings.
        at: epoch seconds of the last step; None before the first.
        goals: values of trust of which it is asked when they can be reached.
    """
    listed = _terms(table, row, features, _shares(table, row, found), len(features))
    restore = [
        f"{each.finding.kind} ends" + ("" if np.isfinite(each.until) else " or is acknowledged")
        for each in found
    ]
    restore += [
        f"{term.signal} returns towards {quantity(term.expected, term.unit)}"
        for term in listed
        if term.share >= NOTABLE
    ]
    now = at if at is not None else np.nan
    earliest, *reached = (
        now + standing.wait(table, row, goal, settings) for goal in (RESTORED, *goals)
    )
    return Explanation(
        terms=listed,
        findings=tuple(found),
        ceiling=float(table["ceiling"][row]),
        trust=float(table["trust"][row]),
        repeats=float(table["repeats"][row]),
        restore=tuple(restore),
        earliest=earliest,
        reached=tuple(reached),
    )


@dataclass(frozen=True, slots=True)
class _Shares:
    """What is held against a guest, in parts that add up to 1, or are all 0.

    Args:
        signals: of each feature.
        findings: of each open finding.
        past: of findings that are no longer open.
    """

    signals: Array
    findings: tuple[float, ...]
    past: float


def _shares(table: Table, row: int, found: Sequence[OpenFinding]) -> _Shares:
    open_now = [weight_of(each.finding, each.severity) for each in found]
    against = np.maximum(table["net"][row], table["blame"][row]).astype(float)
    held = np.maximum(table["nu"][row], table["latch"][row])
    agree = np.maximum(table["agree"][row], table["agreed"][row])
    good = max(float(table["good"][row].sum()), standing.NEWCOMER)
    learned = float(standing.guilt(held, agree).sum()) * good
    whole = float(against.sum())
    signals = against * (learned / whole if whole > 0 else 0.0)
    past = max(float(table["bad"][row].sum()) - sum(open_now), 0.0)
    total = float(signals.sum()) + sum(open_now) + past
    if total <= 0:
        return _Shares(signals, tuple(open_now), 0.0)
    return _Shares(signals / total, tuple(each / total for each in open_now), past / total)


def _terms(
    table: Table, row: int, features: Sequence[FeatureSpec], shares: _Shares, most: int
) -> tuple[Term, ...]:
    """The learned lane's terms of a guest, the largest share first."""
    places = map(int, np.argsort(-shares.signals, kind="stable")[:most])
    return tuple(
        Term(
            signal=features[place].name,
            unit=features[place].unit,
            value=float(table["shown.value"][row, place]),
            expected=float(table["shown.expected"][row, place]),
            rarity=float(table["shown.own"][row, place]),
            fleet_rarity=float(table["shown.fleet"][row, place]),
            evidence=float(max(table["net"][row, place], table["blame"][row, place])),
            record=float(table["peak"][row, place]),
            since=float(table["since"][row, place]),
            share=float(shares.signals[place]),
        )
        for place in places
    )


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
