"""What holds for every telemetry: bounds, order, replay, and saving in the middle."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trustd.model import Behaviour, Envelope, Finding, GuestId, Severity
from trustd.trust import Engine, FeatureSpec, standing
from trustd.trust.opinion import discount, opinion

FEATURES = (
    FeatureSpec("cpu.usage", "%", "cpu"),
    FeatureSpec("net.tx.bytes", "B/s", "network"),
    FeatureSpec("agent.events", "1/s", "agent", family="agent"),
)
GUESTS = 3
EVIDENCE = st.floats(0.0, 1e6)
SMALL = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CELLS = st.one_of(
    st.floats(0.0, 1e9),
    st.sampled_from([float("nan"), float("inf"), -1.0, 0.0]),
)
TICKS = st.lists(
    st.tuples(
        arrays.arrays(float, (GUESTS, len(FEATURES)), elements=CELLS),
        st.sampled_from([1.0, 5.0, 60.0, 300.0, 1000.0, 0.0, float("nan")]),
        st.sampled_from([*Severity, None]),
    ),
    min_size=1,
    max_size=30,
)


def start() -> Engine:
    engine = Engine(FEATURES, GUESTS)
    terms = Behaviour(expect=(Envelope("net.tx.bytes", most=1e6, sustained=10.0),))
    engine.behave(GuestId("1"), terms)
    return engine


def feed(engine: Engine, ticks, at: float = 1e9):
    found = []
    for values, seconds, severity in ticks:
        at += 300.0
        findings = []
        if severity is not None:
            findings = [Finding(GuestId("2"), "odd", severity, "test", "test", at, "odd")]
        found.append(engine.step(values, at=at, seconds=seconds, findings=findings))
    return found


@given(EVIDENCE, EVIDENCE)
def test_opinion_adds_up_to_one(good: float, bad: float) -> None:
    """b + d + u = 1 for any evidence, and each is in [0, 1]."""
    parts = opinion(np.array(good), np.array(bad))
    assert sum(map(float, parts)) == pytest.approx(1.0)
    assert all(0.0 <= float(part) <= 1.0 for part in parts)


@given(EVIDENCE, EVIDENCE, st.floats(0.0, 1.0))
def test_discounting_is_the_opinion_times_its_reliability(
    good: float, bad: float, reliability: float
) -> None:
    """The discounted evidence has the opinion b' = p b, d' = p d."""
    belief, disbelief, _ = opinion(np.array(good), np.array(bad))
    less, worse, _ = opinion(*discount(np.array(good), np.array(bad), np.array(reliability)))
    assert float(less) == pytest.approx(reliability * float(belief), abs=1e-9)
    assert float(worse) == pytest.approx(reliability * float(disbelief), abs=1e-9)


@given(EVIDENCE, EVIDENCE, st.floats(0.0, 100.0))
def test_trust_is_monotone_in_good_and_antitone_in_bad(
    good: float, bad: float, more: float
) -> None:
    """More good evidence never lowers the projection, more bad never raises it."""

    def projected(r: float, s: float) -> float:
        belief, _, unsure = opinion(np.array(r), np.array(s))
        return float(belief + 0.5 * unsure)

    assert projected(good + more, bad) >= projected(good, bad) - 1e-12
    assert projected(good, bad + more) <= projected(good, bad) + 1e-12


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 1), st.floats(0, 1))
def test_guilt_is_monotone_and_bounded_for_one_witness(
    one: float, other: float, agree: float, more: float
) -> None:
    """More evidence or more agreement is never less guilt; alone it is at most 1.2."""
    low, high = sorted((one, other))
    less, full = sorted((agree, more))

    def guilt(nu: float, agrees: float) -> float:
        return float(standing.guilt(np.array(nu), np.array(agrees)))

    assert guilt(low, less) <= guilt(high, less) <= guilt(high, full)
    assert guilt(high, 0.0) <= standing.ALONE


@SMALL
@given(TICKS)
def test_scores_stay_in_bounds_whatever_comes(ticks) -> None:
    """Trust in [0, 1] and under its ceiling, b + d + u = 1, evidence finite and not negative."""
    for scores in feed(start(), ticks):
        assert ((scores.trust >= 0) & (scores.trust <= 1)).all()
        assert (scores.trust <= scores.ceiling + 1e-12).all()
        assert np.allclose(scores.belief + scores.disbelief + scores.uncertainty, 1.0)
        assert np.isfinite(scores.evidence).all()
        assert (scores.evidence >= 0).all()


@SMALL
@given(TICKS)
def test_replaying_gives_identical_results(ticks) -> None:
    """The same telemetry twice gives the same bits."""
    one, two = start(), start()
    for first, second in zip(feed(one, ticks), feed(two, ticks), strict=True):
        assert np.array_equal(first.trust, second.trust)
        assert np.array_equal(first.evidence, second.evidence)
    assert one.dump() == two.dump()


@SMALL
@given(TICKS, st.integers(0, 30))
def test_saving_and_loading_in_the_middle_changes_nothing(ticks, cut: int) -> None:
    """An engine that was dumped and loaded goes on as if nothing had been."""
    straight = start()
    whole = feed(straight, ticks)
    engine = start()
    feed(engine, ticks[:cut])
    engine = Engine.load(engine.dump())
    rest = feed(engine, ticks[cut:], at=1e9 + 300.0 * len(ticks[:cut]))
    for first, second in zip(whole[cut:], rest, strict=True):
        assert np.array_equal(first.trust, second.trust)
        assert np.array_equal(first.evidence, second.evidence)
        assert np.array_equal(first.uncertainty, second.uncertainty)
    assert engine.dump() == straight.dump()


def test_the_order_of_independent_findings_does_not_matter() -> None:
    """Findings of one tick give the same opinion and trust in every order."""
    found = [
        Finding(GuestId("0"), "a", Severity.MAJOR, "one", "test", 1e9, "a"),
        Finding(GuestId("0"), "b", Severity.MINOR, "two", "test", 1e9, "b"),
        Finding(GuestId("0"), "c", Severity.CRITICAL, "one", "test", 1e9, "c"),
    ]
    seen = set()
    for order in permutations(found):
        engine = Engine(FEATURES, 1)
        for tick in range(3):
            scores = engine.step(
                [[1.0, 1.0, 1.0]], at=1e9 + tick, seconds=1.0, findings=order if tick else ()
            )
        seen.add((round(float(scores.trust[0]), 12), round(float(scores.disbelief[0]), 12)))
    assert len(seen) == 1


@SMALL
@given(TICKS)
def test_a_finding_more_never_raises_trust(ticks) -> None:
    """The same telemetry with findings is never trusted more than without them."""
    without = feed(start(), [(values, seconds, None) for values, seconds, _ in ticks])
    for bare, scores in zip(without, feed(start(), ticks), strict=True):
        assert (scores.trust <= bare.trust + 1e-12).all()


def test_the_rows_of_others_do_not_matter_to_findings() -> None:
    """A guest that is retired takes its row with it and leaves the others as they were."""
    engine = start()
    values = np.tile([5.0, 1e4, 1.0], (GUESTS, 1))
    bad = Finding(GuestId("2"), "odd", Severity.CRITICAL, "test", "test", 1e9, "odd")
    for tick in range(20):
        engine.step(values, at=1e9 + 300 * tick, seconds=300.0, findings=[bad])
    before = {guest: engine.export(guest)["columns"]["trust"] for guest in engine.guests}
    engine.retire(GuestId("0"))
    assert engine.guests == ("2", "1")
    scores = engine.step(values[:2], at=1e9 + 6300, seconds=300.0)
    assert scores.trust[0] <= 0.15
    assert engine.export(GuestId("1"))["columns"]["trust"][2][0] >= before["1"][2][0]


def test_a_guest_takes_at_most_eight_thousand_bytes() -> None:
    """The state of a guest with 16 features, as it is saved, is below 8 kB."""
    features = [FeatureSpec(f"f{i}", "B/s", f"g{i % 4}") for i in range(16)]
    sizes = [len(Engine(features, guests).dump()) for guests in (100, 200)]
    assert (sizes[1] - sizes[0]) / 100 <= 8000
