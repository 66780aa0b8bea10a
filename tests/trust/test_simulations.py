"""What the trust value promises, over simulated days."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trust.telemetry import (
    CPU,
    DAY,
    FEATURES,
    GUESTS,
    RX,
    START,
    TICK,
    TX,
    WRITE,
    Fleet,
    flood,
    last,
    mine,
)
from trustd.model import Behaviour, Finding, GuestId, Severity
from trustd.trust import Engine

HOUR = 3600.0
Known = tuple[Engine, Fleet]


def finding(guest: str, severity: Severity, at: float, holds: float = 3600.0) -> Finding:
    return Finding(
        GuestId(guest), "hidden-process", severity, "agent", "test", at, "seen", holds=holds
    )


def test_known_good_guests_are_trusted_and_certain(known: Known) -> None:
    """Ten days of ordinary behaviour end near 0.92 with little uncertainty."""
    engine, fleet = known
    scores = last(fleet.run(engine, 12))
    assert scores.trust.min() > 0.88
    assert scores.uncertainty.max() < 0.2
    assert scores.clean.all()


def test_sleeper_falls_within_the_tick_of_one_critical_finding(known: Known) -> None:
    """A long good history is no armour: one critical finding bounds trust at once."""
    engine, fleet = known
    values, at = fleet.tick()
    found = [finding("3", Severity.CRITICAL, at)]
    scores = engine.step(values, at=at, seconds=TICK, findings=found)
    assert scores.trust[3] <= 0.15
    others = np.delete(scores.trust, 3)
    assert others.min() > 0.88


def test_ceiling_lasts_as_long_as_the_finding_and_trust_rises_slowly(known: Known) -> None:
    """A finding that ends frees the ceiling; trust then rises by 0.05 an hour at most."""
    engine, fleet = known
    values, at = fleet.tick()
    engine.step(values, at=at, seconds=TICK, findings=[finding("3", Severity.CRITICAL, at)])
    before = last(fleet.run(engine, 11)).trust[3]
    assert before <= 0.15
    trusts = [scores.trust[3] for scores in fleet.run(engine, 24)]
    assert trusts[-1] > 0.15
    assert max(np.diff([before, *trusts])) <= 0.05 * TICK / HOUR + 1e-9


@pytest.mark.parametrize("attack", [flood, mine])
def test_an_attack_crosses_within_half_an_hour_and_names_its_signals(
    known: Known, attack: type
) -> None:
    """A flood or a miner takes trust below one half; the others do not move."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        scores = engine.step(attack(values, 5), at=at, seconds=TICK)
        if scores.trust[5] < 0.5:
            break
    else:
        pytest.fail(f"trust is still {scores.trust[5]}")
    named = [driver.name for driver in engine.drivers(5)]
    assert named[0] == ("net.tx.bytes" if attack is flood else "cpu.usage")
    assert np.delete(scores.trust, 5).min() > 0.85


def test_on_off_attacker_with_a_period_of_five_minutes_stays_down(known: Known) -> None:
    """Pausing every other tick does not bring trust back between the attacks."""
    engine, fleet = known
    below = []
    for tick in range(12 * 12):
        values, at = fleet.tick()
        scores = engine.step(flood(values, 5) if tick % 2 else values, at=at, seconds=TICK)
        below.append(scores.trust[5] < 0.5)
    first = below.index(True)
    assert first < 12
    assert all(below[first:])


def test_repeated_offences_are_forgotten_more_slowly(known: Known) -> None:
    """The third offence keeps trust down for longer than the first did."""
    engine, fleet = known
    lengths = []
    for _ in range(3):
        for _ in range(4):
            values, at = fleet.tick()
            engine.step(flood(values, 5), at=at, seconds=TICK)
        down = 0
        for scores in fleet.run(engine, round(4 * DAY / TICK)):
            if scores.trust[5] >= 0.5:
                break
            down += 1
        lengths.append(down)
        last(fleet.run(engine, 36))
    assert lengths[2] > lengths[1] > lengths[0]


def test_a_silent_collector_raises_uncertainty_and_demotes_nobody(known: Known) -> None:
    """Without data b and d fall and u rises; trust neither rises nor collapses."""
    engine, fleet = known
    before = last(fleet.run(engine, 1))
    for _ in range(round(DAY / TICK)):
        _, at = fleet.tick()
        scores = engine.step(np.full((GUESTS, 6), np.nan), at=at, seconds=TICK)
    assert (scores.belief < before.belief).all()
    assert (scores.uncertainty > before.uncertainty).all()
    assert (scores.trust <= before.trust).all()
    assert scores.trust.min() > 0.8
    assert not scores.fresh.any()


def test_silence_does_not_launder_a_bad_guest(known: Known) -> None:
    """A guest that misbehaved and then goes silent does not rise, and is as guilty afterwards."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        low = engine.step(flood(values, 5), at=at, seconds=TICK).trust[5]
    for _ in range(round(3 * DAY / TICK)):
        values, at = fleet.tick()
        values[5] = np.nan
        scores = engine.step(values, at=at, seconds=TICK)
        assert scores.trust[5] <= low
    assert scores.disbelief[5] > 0.7


def test_a_lying_collector_moves_trust_by_at_most_one_band(known: Known) -> None:
    """One resource that is reported all bad for a day leaves trust at 0.45 or above."""
    engine, fleet = known
    lowest = 1.0
    for _ in range(round(DAY / TICK)):
        values, at = fleet.tick()
        values[4, CPU] = 100.0
        lowest = min(lowest, engine.step(values, at=at, seconds=TICK).trust[4])
    assert 0.45 <= lowest < 0.5


def test_a_lying_source_of_findings_moves_trust_by_at_most_one_band(known: Known) -> None:
    """Major findings without end from one source keep trust at 0.45 or above."""
    engine, fleet = known
    for tick in range(200):
        values, at = fleet.tick()
        one = Finding(GuestId("4"), f"kind-{tick}", Severity.MAJOR, "agent", "test", at, "lie")
        scores = engine.step(values, at=at, seconds=TICK, findings=[one])
    assert 0.45 <= scores.trust[4] <= 0.5


def test_a_newcomer_differs_from_a_guest_with_a_mixed_history() -> None:
    """New: trust one half and nothing known. Mixed: the same trust, much known."""
    engine, fleet = Engine(FEATURES, GUESTS), Fleet()
    values, at = fleet.tick(5.0)
    scores = engine.step(values, at=at, seconds=5.0)
    assert scores.trust[0] == pytest.approx(0.5, abs=0.001)
    assert scores.uncertainty[0] > 0.99
    for _ in range(40):
        values, at = fleet.tick(5.0)
        scores = engine.step(values, at=at, seconds=5.0)
    assert abs(scores.trust - 0.5).max() < 0.02
    grown = last(fleet.run(engine, round(2 * DAY / TICK)))
    assert grown.trust.min() > 0.8


def test_trust_of_a_newcomer_only_rises_while_nothing_happens() -> None:
    """Age alone raises trust, monotonically and never faster than permitted."""
    engine, fleet = Engine(FEATURES, GUESTS), Fleet()
    trusts = np.array([scores.trust for scores in fleet.run(engine, 100)])
    steps = np.diff(trusts, axis=0)
    assert steps.min() >= -0.02
    assert steps.max() <= 0.05 * TICK / HOUR + 1e-9


def test_a_fleet_wide_spike_is_nobodys_guilt(known: Known) -> None:
    """All guests get ten times the traffic for two hours: nobody falls below one half."""
    engine, fleet = known
    for _ in range(24):
        values, at = fleet.tick()
        values[:, [RX, TX, WRITE]] *= 60.0
        scores = engine.step(values, at=at, seconds=TICK)
        assert scores.trust.min() > 0.5
    assert scores.trust.min() > 0.8


def test_an_attacker_inside_a_fleet_wide_spike_is_still_seen(known: Known) -> None:
    """Common mode excuses what is common, not what one guest does beyond it."""
    engine, fleet = known
    lowest = 1.0
    for _ in range(8):
        values, at = fleet.tick()
        values[:, RX] *= 60.0
        lowest = min(lowest, engine.step(mine(values, 2), at=at, seconds=TICK).trust[2])
    assert lowest < 0.5


@pytest.mark.slow
def test_a_permanent_level_shift_is_accepted_within_the_configured_time(known: Known) -> None:
    """A new level is suspicious at first and normal within a week: no lock-out."""
    engine, fleet = known
    history = []
    for _ in range(round(12 * DAY / TICK)):
        values, at = fleet.tick()
        values[7, CPU] = 70.0 + values[7, CPU]
        history.append(engine.step(values, at=at, seconds=TICK).trust[7])
    days = np.array(history).reshape(12, -1)
    assert days[0].min() < 0.5
    assert days[7:].min() >= 0.5
    assert days[-1].min() > 0.7


@pytest.mark.slow
def test_a_new_nightly_job_costs_little_and_then_nothing(known: Known) -> None:
    """An hour of heavy disk and processor every night is normal within two weeks."""
    engine, fleet = known
    below = []
    for tick in range(round(16 * DAY / TICK)):
        values, at = fleet.tick()
        if 144 <= tick % 288 < 156:
            values[6, WRITE] = 20e6
            values[6, CPU] = 60.0
        below.append(engine.step(values, at=at, seconds=TICK).trust[6] < 0.5)
    nights = np.array(below).reshape(16, -1)
    assert nights[12:].sum() == 0
    assert nights.mean() * 16 < 5.0


@pytest.mark.slow
def test_a_job_that_always_ran_is_never_narrowed() -> None:
    """A guest with a heavy nightly job since its first day stays above one half."""
    engine, fleet = Engine(FEATURES, GUESTS), Fleet()
    trusts = []
    for tick in range(round(16 * DAY / TICK)):
        values, at = fleet.tick()
        if 24 <= tick % 288 < 36:
            values[6, WRITE] = 20e6
        trusts.append(engine.step(values, at=at, seconds=TICK).trust[6])
    assert min(trusts[288 * 3 :]) >= 0.5


@pytest.mark.slow
def test_benign_teaches_at_once_and_attack_takes_back(known: Known) -> None:
    """After "benign" the same behaviour is normal; after "attack" it is not."""
    engine, fleet = known
    for _ in range(12):
        values, at = fleet.tick()
        engine.step(mine(mine(values, 2), 3), at=at, seconds=TICK)
    engine.acknowledge(GuestId("2"), "benign", at=at)
    engine.acknowledge(GuestId("3"), "attack", at=at)
    last(fleet.run(engine, round(5 * DAY / TICK)))
    lowest = np.ones(GUESTS)
    for _ in range(12):
        values, at = fleet.tick()
        scores = engine.step(mine(mine(values, 2), 3), at=at, seconds=TICK)
        lowest = np.minimum(lowest, scores.trust)
    assert lowest[2] > 0.5
    assert lowest[3] < 0.5


@pytest.mark.slow
def test_what_nobody_called_an_attack_is_conceded_after_the_hold(known: Known) -> None:
    """An hour of load that nobody acknowledged is suspicious once, not every week."""
    engine, fleet = known
    lowest = []
    for _ in range(2):
        trusts = []
        for _ in range(12):
            values, at = fleet.tick()
            trusts.append(engine.step(mine(values, 8), at=at, seconds=TICK).trust[8])
        lowest.append(min(trusts))
        last(fleet.run(engine, round(5 * DAY / TICK)))
    assert lowest[0] < 0.5 <= lowest[1]


@pytest.mark.slow
def test_attack_takes_back_what_entered_the_record_after_the_hold(known: Known) -> None:
    """Called an attack after five days, it is not normal afterwards either."""
    engine, fleet = known
    for _ in range(round(5 * DAY / TICK)):
        values, at = fleet.tick()
        engine.step(mine(values, 8), at=at, seconds=TICK)
    engine.acknowledge(GuestId("8"), "attack", at=at)
    for scores in fleet.run(engine, round(30 * DAY / TICK)):
        if scores.trust[8] > 0.55:
            break
    lowest = 1.0
    for _ in range(36):
        values, at = fleet.tick()
        lowest = min(lowest, engine.step(mine(values, 8), at=at, seconds=TICK).trust[8])
    assert lowest < 0.5


def test_contention_ends_with_the_window(known: Known) -> None:
    """A host that was busy yesterday excuses nothing today."""
    features = [*FEATURES[:-1], type(FEATURES[0])("cpu.steal", "%", "cpu", contended=True)]
    engine, fleet = Engine(features, 4), Fleet(4)
    for tick in range(round(3 * DAY / TICK)):
        values, at = fleet.tick()
        values[:, 5] = 1.0 if tick < 850 else 90.0 * (np.arange(4) == 0)
        busy = 1.0 if tick < 840 else 0.0
        scores = engine.step(values, at=at, seconds=TICK, contention=busy)
    assert scores.trust[0] < 0.5


def test_a_busy_host_is_not_a_contended_features_guilt() -> None:
    """With the host fully contended, a contended feature says nothing."""
    features = [*FEATURES[:-1], type(FEATURES[0])("cpu.steal", "%", "cpu", contended=True)]
    trusts = {}
    for contention in (0.0, 1.0):
        engine, fleet = Engine(features, 4), Fleet(4)
        for tick in range(round(3 * DAY / TICK)):
            values, at = fleet.tick()
            values[:, 5] = 1.0
            if tick > 800:
                values[0, 5] = 90.0
            scores = engine.step(values, at=at, seconds=TICK, contention=contention)
        trusts[contention] = scores.trust[0]
    assert trusts[0.0] < 0.5 < trusts[1.0]


def test_identity_is_the_id_and_a_rename_launders_nothing(known: Known) -> None:
    """Behaviour terms may change, as after a rename; what is known of a guest stays."""
    engine, fleet = known
    for _ in range(6):
        values, at = fleet.tick()
        low = engine.step(flood(values, 5), at=at, seconds=TICK).trust[5]
    engine.behave(GuestId("5"), Behaviour(rise=0.01))
    assert last(fleet.run(engine, 1)).trust[5] <= low + 0.01


def test_low_and_slow_is_seen_within_its_twelve_hours(known: Known) -> None:
    """A steady 150 KB/s beyond the usual, for twelve hours, crosses in the slow pace."""
    engine, fleet = known
    lowest = 1.0
    for _ in range(144):
        values, at = fleet.tick()
        values[1, TX] += 150e3
        lowest = min(lowest, engine.step(values, at=at, seconds=TICK).trust[1])
    assert lowest < 0.5


def test_time_starts_at_any_epoch() -> None:
    """An offline trace that begins at zero is scored as any other."""
    fleet = Fleet(3, at=0.0)
    other = Fleet(3, at=START)
    one = last(fleet.run(Engine(FEATURES, 3), 50)).trust
    two = last(other.run(Engine(FEATURES, 3), 50)).trust
    assert np.array_equal(one, two)
