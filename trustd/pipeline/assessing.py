"""The end of the line: everything about one guest in one tick, in one value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from trustd.model import (
    Assessment,
    Driver,
    Finding,
    Frame,
    Freshness,
    Guest,
    GuestState,
    Opinion,
    Outcome,
    Reading,
    Samples,
)
from trustd.pipeline.verdict import Verdict
from trustd.trust import Engine, Scores


@dataclass(frozen=True, slots=True)
class Tick:
    """What all guests of one tick have in common.

    Args:
        opinions, trust, clean: of the scores, in the order of their rows: one number
            of an array is dear to ask for, and all of them together cheap.
    """

    number: int
    reading: Reading
    frame: Frame
    policy: str
    opinions: Sequence[Opinion]
    trust: Sequence[float]
    clean: Sequence[bool]

    @classmethod
    def of(cls, number: int, reading: Reading, frame: Frame, scores: Scores, policy: str) -> Tick:
        """What was measured and what it was scored, side by side."""
        trust, clean = scores.trust.tolist(), scores.clean.tolist()
        return cls(number, reading, frame, policy, scores.opinions(), trust, clean)


def freshness(reading: Reading, guest: Guest) -> Freshness:
    """How much is known of a guest at this tick.

    >>> from trustd.model import GuestId, GuestReading
    >>> guest = Guest(GuestId("a"), "web-1")
    >>> freshness(Reading(1.0, 1.0, error="connection refused"), guest)
    <Freshness.STALE: 'stale'>
    >>> silent = GuestReading(guest.id, GuestState.RUNNING, 1.0, 1.0, {}, whole=False)
    >>> freshness(Reading(1.0, 1.0, {guest.id: silent}), guest)
    <Freshness.PARTIAL: 'partial'>
    """
    found = reading.guests.get(guest.id)
    if found is None:
        # one that runs and of which nothing came is silent, not off
        silent = bool(reading.error) or guest.state in _RUNS
        return Freshness.STALE if silent else Freshness.IDLE
    if found.state not in _RUNS:
        return Freshness.IDLE
    return Freshness.FRESH if found.whole else Freshness.PARTIAL


def seen(guest: Guest, state: GuestState) -> Guest:
    """The guest in the state in which it was sampled: newer than the inventory's."""
    return guest if guest.state is state else replace(guest, state=state)


_RUNS = frozenset({GuestState.RUNNING, GuestState.UNKNOWN})


def assess(
    tick: Tick,
    guest: Guest,
    *,
    row: int,
    engine: Engine,
    verdict: Verdict,
    freshness: Freshness,
    outcomes: Iterable[Outcome],
    age: float,
) -> Assessment:
    """One guest's assessment.

    Args:
        row: the guest's row in the frame and the scores.
        age: seconds since it was sampled whole; NaN if never.
    """
    drivers: tuple[Driver, ...] = ()
    findings: tuple[Finding, ...] = ()
    # most guests of most ticks have nothing to explain
    if not tick.clean[row]:
        drivers = engine.drivers(row)
        findings = tuple(each.finding for each in engine.open_findings(guest.id))
    reading = tick.reading.guests.get(guest.id)
    return Assessment(
        guest=guest if reading is None else seen(guest, reading.state),
        tick=tick.number,
        at=tick.reading.at if reading is None else reading.at,
        freshness=freshness,
        age=age,
        samples=Samples(tick.frame, row),
        findings=findings,
        opinion=tick.opinions[row],
        trust=tick.trust[row],
        drivers=drivers,
        permissions=verdict.permissions,
        since=verdict.since,
        outcomes=tuple(outcomes),
        mode=verdict.mode,
        policy=tick.policy,
        automatic=verdict.automatic,
        ordered=verdict.ordered,
    )
