"""How evidence becomes standing: trust falls at once and rises slowly.

Good evidence grows with the time a guest was watched and fades in silence. Bad
evidence of the learned lane is latched when it crosses its threshold and fades
more slowly each time it happens again; bad evidence of findings adds up to a
bound. It fades while the guest is measured, and only then: whoever hides is not
forgiven meanwhile. Open findings hold trust under a ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trustd.trust import opinion, record
from trustd.trust.columns import Array, Column, Table
from trustd.trust.settings import Settings

FIRST_FORGETS = 14.0
"""A first offence fades this much faster than the longest half-life."""
LATCH_MOST = 1.5
ALONE = 1.2
"""The most that one resource alone may say, in units of the whole good evidence."""
TOGETHER = 4.0
"""What a second resource that agrees wholly adds to that."""
NEVER = 400 * 86400.0
"""Seconds after which trust that is not back counts as lost."""
NEWCOMER = 3.0
"""Good evidence that a newcomer's crossing is weighed against at least."""
TINY = 1e-12
COLUMNS = {
    "age": Column("guest", dtype="f8"),
    "good": Column("family", dtype="f8"),
    "bad": Column("family", dtype="f8"),
    "floor": Column("family"),
    "latch": Column("family"),
    "agreed": Column("family"),
    "blame": Column("feature"),
    "repeats": Column("guest"),
    "ceiling": Column("guest", fill=1.0, dtype="f8"),
    "hold.until": Column("guest", fill=-np.inf, dtype="f8"),
    "hold.next": Column("guest", fill=-np.inf, dtype="f8"),
    "trust": Column("guest", fill=np.nan, dtype="f8"),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Discounted evidence of all families together, shape (guests,) each."""

    good: Array
    bad: Array


def bad_half_life(table: Table) -> Array:
    """Seconds in which a guest's bad evidence halves, shape (guests,)."""
    longest = table["behaviour.bad"]
    again = np.maximum(table["repeats"].astype(float) - 1.0, 0.0)
    return np.minimum(longest, longest / FIRST_FORGETS * np.exp2(again))


def guilt(nu: Array, agree: Array) -> Array:
    """Bad evidence in units of the good: 1 where ``nu`` is 1, bounded for one witness.

    Quadratic below, so that what is half way to a crossing costs a quarter.

    >>> guilt(np.array([0.5, 1.0, 9.0, 9.0]), np.array([0.0, 0.0, 0.0, 1.0])).tolist()
    [0.25, 1.0, 1.2, 5.2]
    """
    raw = np.where(nu < 1.0, nu**2, 2.0 * nu - 1.0)
    return np.asarray(np.minimum(raw, ALONE + TOGETHER * agree))


def latch(table: Table, settings: Settings, clock: float) -> Array:
    """Take over the learned lane's judgement; which guests crossed just now."""
    before = table["latch"].max(axis=1, initial=0.0)
    nu, held, agreed = table["nu"], table["latch"], table["agreed"]
    over = nu > 1.0
    worse = over & (nu > held)
    np.copyto(held, np.minimum(nu, LATCH_MOST), where=worse)
    np.maximum(agreed, np.where(over, table["agree"], 0.0), out=agreed)
    crossing = np.asarray(over.any(axis=1))
    blamed = crossing[:, None] & (table["net"] > table["blame"])
    np.copyto(table["blame"], table["net"], where=blamed)
    crossed = crossing & (before <= 1.0)
    table["repeats"][crossed] += 1.0
    # What a guest does in its first days is its nature: there is no norm to protect.
    holds = crossed & (table["hold.next"] <= clock) & (table["age"] >= settings.hold)
    table["hold.until"][holds] = clock + settings.hold
    table["hold.next"][holds] = clock + settings.hold + settings.adapt
    record.hold(table, holds)
    return np.asarray(crossed)


def advance(table: Table, covered: Array, measured: Array, passed: float, full: float) -> None:
    """Let time pass over the evidence.

    Args:
        covered: share of each family's features that were measured, (guests, families).
        measured: seconds for which each guest was measured, shape (guests,); 0 for none.
        passed: seconds since the last step.
        full: good evidence of a guest of long standing.
    """
    target, good = full * covered, table["good"]
    grown = 1.0 - np.exp2(-measured / table["behaviour.warmup"])
    faded = 1.0 - _kept(table, passed)
    good += (target - good) * np.where(good < target, grown[:, None], faded[:, None])
    kept = np.exp2(-measured / bad_half_life(table))[:, None]
    for name in ("bad", "latch", "agreed", "blame"):
        table[name][:] *= kept
    np.maximum(table["bad"], table["floor"], out=table["bad"])
    table["repeats"][:] *= np.exp2(-measured / table["behaviour.bad"])
    table["age"][:] += measured


def unwatched(table: Table, seconds: float | Array) -> None:
    """Let time pass in which nobody looked: good evidence fades, bad stays.

    Args:
        seconds: of all guests, or of each, shape (guests,).
    """
    table["good"][:] *= _kept(table, seconds)[:, None]


def _kept(table: Table, seconds: float | Array) -> Array:
    """What silence leaves of good evidence, shape (guests,).

    Not less than there is bad: silence takes a guest down to a stranger's trust, not
    below, and one that is below it neither down nor up.
    """
    good, bad = table["good"].sum(axis=1), table["bad"].sum(axis=1)
    least = np.minimum(bad / np.maximum(good, TINY), 1.0)
    return np.asarray(np.maximum(np.exp2(-seconds / table["behaviour.good"]), least))


def weigh(table: Table) -> Evidence:
    """All families' evidence, capped, discounted and added."""
    cap, reliability = table["behaviour.cap"], table["behaviour.reliability"]
    good, bad = opinion.discount(
        np.minimum(table["good"], cap), np.minimum(table["bad"], cap), reliability
    )
    whole = good.sum(axis=1)
    held = np.where(table["latch"] > 1.0, table["latch"], 0.0)
    against = reliability * guilt(
        np.maximum(table["nu"], held), np.maximum(table["agree"], table["agreed"])
    )
    learned = against.sum(axis=1)
    strong = np.maximum(whole, NEWCOMER) * np.maximum(learned - 1.0, 0.0)
    return Evidence(whole, bad.sum(axis=1) + whole * np.minimum(learned, 1.0) + strong)


def absolve(table: Table, row: int) -> None:
    """Hold nothing against a guest any more."""
    for name in ("latch", "agreed", "nu", "agree", "bad", "net", "blame", "repeats"):
        table[name][row] = 0.0


def settle(table: Table, projected: Array, fresh: Array, seconds: float) -> Array:
    """The trust value: down at once, up at the permitted rate and only when seen.

    Args:
        projected: of the opinion, shape (guests,).
        fresh: whether the guest was measured in this step.
    """
    trust = table["trust"]
    highest = trust + np.where(fresh, table["behaviour.rise"] * seconds, 0.0)
    trust[:] = np.minimum(np.minimum(projected, table["ceiling"]), highest)
    return trust.copy()


def wait(table: Table, row: int, target: float, settings: Settings) -> float:
    """Seconds until trust can be back at a value, if nothing more is held against it.

    Open findings are taken to end now; NaN where it is never.
    """
    trust, rise = float(table["trust"][row]), float(table["behaviour.rise"][row])
    if trust >= target:
        return 0.0
    weighed = weigh(table)
    good, bad = float(weighed.good[row]), float(weighed.bad[row])
    full = max(good, settings.good)
    warmup, fade = float(table["behaviour.warmup"][row]), float(bad_half_life(table)[row])

    def reached(seconds: float) -> bool:
        better = full - (full - good) * 2.0 ** (-seconds / warmup)
        worse = bad * 2.0 ** (-seconds / fade)
        belief, _, unsure = opinion.opinion(np.array(better), np.array(worse))
        return bool(belief + settings.base_rate * unsure >= target)

    low, high = 0.0, NEVER
    if rise <= 0.0 or not reached(high):
        return float("nan")
    while high - low > 1.0:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return max((target - trust) / rise, high)
