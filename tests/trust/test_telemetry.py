"""Ticks of any length, gaps, clocks that step: the same telemetry, the same verdict."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trust.telemetry import CPU, FEATURES, TX, Fleet, last
from trustd.trust import Engine, FeatureSpec

DAY = 86400.0


def crossing(seconds: float) -> float:
    """Seconds from the start of a flood to its crossing, at ticks of so many seconds."""
    engine, fleet = Engine(FEATURES, 3), Fleet(3)
    steady = np.array([8.0, 40.0, 20e3, 60e3, 30e3, 25e3])
    for tick in range(round(5 * DAY / 300.0)):
        values = steady * (1.0 + 0.1 * fleet.random.standard_normal((3, 6)))
        engine.step(values, at=tick * 300.0, seconds=300.0)
    at = 5 * DAY
    for tick in range(round(3600 / seconds)):
        values = steady * (1.0 + 0.1 * fleet.random.standard_normal((3, 6)))
        values[0, [CPU, TX]] = 60.0, 11e6
        scores = engine.step(values, at=at + tick * seconds, seconds=seconds)
        if scores.trust[0] < 0.5:
            return (tick + 1) * seconds
    return float("inf")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [5.0, 7.0, 30.0, 60.0, 90.0, 150.0, 300.0])
def test_a_flood_is_seen_within_a_quarter_of_an_hour_at_any_cadence(seconds: float) -> None:
    """From 5 s to 300 s the crossing comes within fifteen minutes."""
    assert crossing(seconds) <= 900.0


@pytest.mark.slow
def test_short_ticks_are_averaged_not_judged_one_by_one() -> None:
    """One wild tick of five seconds in an hour is not evidence of anything."""
    engine, fleet = Engine(FEATURES, 3), Fleet(3)
    last(fleet.run(engine, 1500))
    for tick in range(720):
        values, at = fleet.tick(5.0)
        if tick == 100:
            values[0, CPU] = 100.0
        scores = engine.step(values, at=at, seconds=5.0)
    assert scores.evidence[0].max() == 0.0


def test_judgement_comes_once_a_stride() -> None:
    """Ticks of five seconds are judged twelve times in twelve minutes."""
    engine = Engine(FEATURES, 1)
    judged = [
        engine.step(np.ones((1, 6)), at=5.0 * tick, seconds=5.0).judged for tick in range(144)
    ]
    assert sum(judged) == 12


@pytest.mark.slow
def test_a_step_of_the_clock_changes_nothing_that_is_bad() -> None:
    """A clock that jumps a year ahead or back launders nothing and demotes nobody."""
    engine, fleet = Engine(FEATURES, 3), Fleet(3)
    last(fleet.run(engine, 2000))
    for _ in range(6):
        values, at = fleet.tick()
        values[0, [CPU, TX]] = 60.0, 11e6
        before = engine.step(values, at=at, seconds=300.0)
    for jump in (365 * DAY, -365 * DAY):
        values, at = fleet.tick()
        scores = engine.step(values, at=at + jump, seconds=300.0)
        assert scores.trust[0] <= before.trust[0] + 0.01
        assert scores.trust[1:].min() > 0.75


def test_gaps_are_not_zeroes() -> None:
    """A missing column leaves no trace in what is learned of it."""
    engine, fleet = Engine(FEATURES, 2), Fleet(2)
    last(fleet.run(engine, 600))
    for _ in range(100):
        values, at = fleet.tick()
        values[0, TX] = np.nan
        engine.step(values, at=at, seconds=300.0)
    values, at = fleet.tick()
    engine.step(values, at=at, seconds=300.0)
    sent = next(term for term in engine.explain(0).terms if term.signal == "net.tx.bytes")
    assert 5e3 < sent.expected < 100e3


@pytest.mark.parametrize("seconds", [0.0, -5.0, float("nan")])
def test_a_tick_without_time_is_a_gap(seconds: float) -> None:
    """No time passed: nothing was measured, nothing is learned."""
    engine = Engine(FEATURES, 2)
    scores = engine.step(np.ones((2, 6)), at=1e9, seconds=seconds)
    assert not scores.fresh.any()
    assert scores.trust.tolist() == [0.5, 0.5]


def test_wrong_input_is_refused_with_words() -> None:
    """Shapes, names and units that do not fit are told apart and named."""
    engine = Engine(FEATURES, 2)
    with pytest.raises(ValueError, match=r"shape \(3, 6\), expected \(2, 6\)"):
        engine.step(np.ones((3, 6)), at=0.0, seconds=1.0)
    with pytest.raises(ValueError, match="each of them once"):
        Engine([FEATURES[0], FEATURES[0]], 1)
    with pytest.raises(ValueError, match="already watched"):
        Engine(FEATURES, ["a", "a"])
    with pytest.raises(ValueError, match="furlongs"):
        FeatureSpec("x", "furlongs", "g")
