"""What holds for the bands of every policy, whatever trust does."""

from collections import Counter

import pytest
from generated_policies import BANDS
from hypothesis import given, settings
from hypothesis import strategies as st

from trustd.policy.bands import Relays
from trustd.policy.schema import Trust

pytestmark = pytest.mark.slow

traces = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(0, 1)),
        st.floats(0, 1),
        st.sampled_from([1.0, 5.0, 20.0, 40.0]),
        st.sampled_from([0.0, 0.0, 10.0, 60.0, 700.0]),
    ),
    min_size=1,
    max_size=40,
)

BAND_LIST = [
    {"name": "best", "enter": 0.8, "leave": 0.7},
    {"name": "good", "enter": 0.6, "leave": 0.5},
    {"name": "poor", "enter": 0.4, "leave": 0.3},
    {"name": "worst"},
]
STALE = [
    {"then": "bottom"},
    {"then": "cap", "band": "poor"},
    {"then": "cap", "band": "good", "give_up": "10m"},
    {"then": "hold", "give_up": "10m"},
]


def relays(dwell, stale):
    trust = {"bands": BAND_LIST, "dwell": {"up": dwell}, "stale": stale}
    return Relays(Trust.model_validate(trust))


def test_bands_keep_the_order_of_trust():
    """Where one trace is never above another, its band is never better. Dwell included."""
    seen = Counter()

    @settings(max_examples=1000, deadline=None)
    @given(traces, st.sampled_from([0, 15, 30]), st.sampled_from(STALE), st.sampled_from(BANDS))
    def run(trace, dwell, stale, start):
        both = relays(dwell, stale)
        low = high = both.start(start, at=0.0)
        clock = 0.0
        for trust, share, seconds, stale_for in trace:
            clock += seconds
            lower = None if trust is None else trust * share
            low = both.step(low, lower, at=clock, clock=clock, stale_for=stale_for)
            high = both.step(high, trust, at=clock, clock=clock, stale_for=stale_for)
            assert BANDS.index(low.band) >= BANDS.index(high.band)
            assert BANDS.index(low.relay) >= BANDS.index(high.relay)
            seen[low.band != high.band, high.band] += 1

    run()
    assert seen[True, "best"] > 100
    assert seen[True, "poor"] > 100


def test_stale_or_unknown_never_improves_the_band():
    """A tick without fresh telemetry never leaves a guest better off than before it."""
    seen = Counter()

    @settings(max_examples=1000, deadline=None)
    @given(traces, st.sampled_from([0, 15]), st.sampled_from(STALE), st.sampled_from(BANDS))
    def run(trace, dwell, stale, start):
        guest = relays(dwell, stale)
        standing = guest.start(start, at=0.0)
        clock = 0.0
        for trust, _, seconds, stale_for in trace:
            clock += seconds
            before = standing
            standing = guest.step(standing, trust, at=clock, clock=clock, stale_for=stale_for)
            fresh = guest.step(before, trust, at=clock, clock=clock)
            assert BANDS.index(standing.band) >= BANDS.index(fresh.band)
            if trust is None or stale_for > 30:
                assert BANDS.index(standing.relay) >= BANDS.index(before.relay)
                if not before.stale:
                    assert BANDS.index(standing.band) >= BANDS.index(before.band)
                seen[standing.band != before.band] += 1

    run()
    assert seen[True] > 100
