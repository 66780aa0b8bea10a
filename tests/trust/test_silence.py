"""Silence is neither good nor bad: what fades in it, by which clock, and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trust.telemetry import DAY, FEATURES, GUESTS, TICK, TX, Fleet, flood, last
from trustd.model import Finding, GuestId, Severity
from trustd.trust import Engine

Known = tuple[Engine, Fleet]
BAD, WATCHED = 5, 6
DAYS = 3


def crash(guest: int, at: float, kind: str = "guest-crash") -> Finding:
    return Finding(
        GuestId(str(guest)), kind, Severity.MAJOR, "lifecycle", "test", at, "seen", holds=TICK
    )


def absent(engine: Engine, fleet: Fleet, days: float, guest: int = BAD) -> None:
    """The fleet goes on, and one guest is off."""
    for _ in range(round(days * DAY / TICK)):
        values, at = fleet.tick()
        values[guest] = np.nan
        engine.step(values, at=at, seconds=TICK)


def test_three_days_off_forgive_nothing(known: Known) -> None:
    """Of two guests that did the same, the one that was off for three days has as much held against
    it as at first, when it is back; the one that was watched has served most of it."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        engine.step(flood(flood(values, BAD), WATCHED), at=at, seconds=TICK)
    latch = engine._roster.table["latch"]
    before = latch[BAD].copy()
    absent(engine, fleet, DAYS)
    assert latch[BAD] == pytest.approx(before)
    assert latch[WATCHED].max() < before.max() / 2
    scores = last(fleet.run(engine, 12))
    assert scores.disbelief[BAD] > 0.5 > scores.disbelief[WATCHED]
    assert scores.trust[BAD] < 0.4
    assert scores.trust[WATCHED] > 0.6


@pytest.mark.slow
def test_watched_time_forgives(known: Known) -> None:
    """Being off only puts off what is served: after the same time of being watched it is back."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        engine.step(flood(values, BAD), at=at, seconds=TICK)
    absent(engine, fleet, DAYS)
    assert last(fleet.run(engine, round(4 * DAY / TICK))).trust[BAD] > 0.8


@pytest.mark.slow
def test_a_repeated_offender_is_remembered_over_a_silence(known: Known) -> None:
    """Repetitions, and what was found, are forgotten in watched time only."""
    engine, fleet = known
    for number in range(3):
        values, at = fleet.tick()
        engine.step(values, at=at, seconds=TICK, findings=[crash(BAD, at, f"kind-{number}")])
    repeats = engine._roster.table["repeats"]
    bad = engine._roster.table["bad"]
    before, held = float(repeats[BAD]), bad[BAD].copy()
    absent(engine, fleet, 30)
    assert float(repeats[BAD]) == pytest.approx(before)
    assert held.max() > 0
    assert bad[BAD] == pytest.approx(held)


@pytest.mark.slow
def test_silence_takes_nobody_below_a_stranger(known: Known) -> None:
    """Whoever has one grave finding behind it and is then off for a month is trusted no more than a
    stranger, and no less: what is held against it outlasts the good, and does not outweigh it."""
    engine, fleet = known
    values, at = fleet.tick()
    before = engine.step(values, at=at, seconds=TICK, findings=[crash(BAD, at)])
    absent(engine, fleet, 30)
    values, at = fleet.tick()
    scores = engine.step(values, at=at, seconds=TICK)
    assert scores.trust[BAD] == pytest.approx(0.5, abs=0.01)
    assert scores.belief[BAD] < before.belief[BAD]


@pytest.mark.parametrize("step", [-40 * 3600.0, 40 * 3600.0])
def test_a_step_of_the_clock_fades_nothing(known: Known, step: float) -> None:
    """With a clock that never steps, setting the time of day moves nobody's trust."""
    engine, fleet = known
    before = last(fleet.run(engine, 1))
    fleet.at += step
    values, at = fleet.tick()
    scores = engine.step(values, at=at, seconds=TICK, elapsed=TICK)
    assert scores.trust == pytest.approx(before.trust, abs=0.005)
    assert scores.belief == pytest.approx(before.belief, abs=0.005)


def test_time_that_really_passed_fades_what_was_good(known: Known) -> None:
    """A week in which nobody looked, by a clock that never steps, leaves little of the good."""
    engine, fleet = known
    fleet.at += 7 * DAY
    values, at = fleet.tick()
    scores = engine.step(values, at=at, seconds=TICK, elapsed=7 * DAY + TICK)
    assert scores.belief.max() < 0.35
    assert scores.trust.max() < 0.7


def test_without_a_steady_clock_a_gap_costs_a_half_life_at_most(known: Known) -> None:
    """Where only the time of day is known, it may have stepped: not more than half is lost."""
    engine, fleet = known
    good = engine._roster.table["good"].copy()
    fleet.at += 30 * DAY
    values, at = fleet.tick()
    engine.step(values, at=at, seconds=TICK)
    assert engine._roster.table["good"].min() >= good.min() / 2


def test_what_gathers_does_not_fade_unseen() -> None:
    """Evidence on its way to a crossing waits for a guest that hides between two bursts."""
    heaps = []
    for hides in (False, True):
        engine, fleet = Engine(FEATURES, GUESTS), Fleet()
        last(fleet.run(engine, round(2 * DAY / TICK)))
        for _ in range(3):
            values, at = fleet.tick()
            engine.step(flood(values, BAD), at=at, seconds=TICK)
        before = engine._roster.table["heap"][:, BAD].copy()
        for _ in range(36):
            values, at = fleet.tick()
            if hides:
                values[BAD] = np.nan
            engine.step(values, at=at, seconds=TICK)
        heaps.append(engine._roster.table["heap"][:, BAD, TX] / before[:, TX])
    watched, hid = heaps
    assert hid == pytest.approx(1.0)
    assert watched.max() < 0.9
