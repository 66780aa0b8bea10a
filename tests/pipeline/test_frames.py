"""Pairing two readings, and the samples that come of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trustd.model import (
    Columns,
    FeatureSpec,
    Gap,
    GapReason,
    GuestId,
    GuestReading,
    GuestState,
    Reading,
    Samples,
    counter_rate,
)
from trustd.pipeline.frames import Pairing, framed

A, B = GuestId("a"), GuestId("b")


def reading(clock, **guests):
    return Reading(
        at=1000 + clock,
        clock=clock,
        guests={
            GuestId(name): GuestReading(
                GuestId(name), state, 1000 + clock, clock, stats, whole=whole
            )
            for name, (state, stats, whole) in guests.items()
        },
    )


def running(whole=True, **stats):
    return (
        GuestState.RUNNING,
        {key.replace("_", "."): value for key, value in stats.items()},
        whole,
    )


FEATURES = [
    FeatureSpec("net.tx.bytes", "bytes/s", "network"),
    FeatureSpec("memory.used", "percent", "memory"),
]


def frame_of(pair):
    rate = counter_rate(pair.before.column("net.tx"), pair.after.column("net.tx"), pair.seconds)
    memory = pair.after.column("mem")
    gauge = Columns(memory[:, None], np.where(np.isnan(memory), 3, 0).astype(np.int8)[:, None])
    return framed(FEATURES, Columns.stack([rate, gauge]), pair)


def test_first_reading_has_no_rate_but_its_gauges():
    """A guest that is seen for the first time has no rate, and what needs one reading only."""
    pair = Pairing().pair([A], reading(0, a=running(net_tx=5, mem=30)), longest=15)
    samples = Samples(frame_of(pair), 0)
    assert samples["net.tx.bytes"] == Gap(GapReason.FIRST)
    assert samples["memory.used"] == 30.0


def test_rate_uses_each_guests_own_times():
    """Each guest's rate is over the time between its own two readings."""
    pairing = Pairing()
    pairing.pair([A, B], reading(0, a=running(net_tx=0), b=running(net_tx=0)), longest=15)
    pairing.pair([A, B], reading(5, a=running(net_tx=50)), longest=15)
    pair = pairing.pair(
        [A, B], reading(10, a=running(net_tx=150), b=running(net_tx=100)), longest=15
    )
    frame = frame_of(pair)
    assert Samples(frame, 0)["net.tx.bytes"] == 20.0
    assert Samples(frame, 1)["net.tx.bytes"] == 10.0


def test_partial_reading_does_not_cost_the_counters_their_base():
    """After an emulator's silence the next whole reading is measured from the last whole one."""
    pairing = Pairing()
    pairing.pair([A], reading(0, a=running(net_tx=0, mem=10)), longest=15)
    pair = pairing.pair([A], reading(5, a=running(whole=False)), longest=15)
    assert Samples(frame_of(pair), 0)["memory.used"] == Gap(GapReason.UNRESPONSIVE)
    pair = pairing.pair([A], reading(10, a=running(net_tx=100, mem=10)), longest=15)
    assert Samples(frame_of(pair), 0)["net.tx.bytes"] == 10.0


def test_readings_too_far_apart_make_no_rate():
    """A rate over a hole in the observation would hide what happened in it: a gap instead."""
    pairing = Pairing()
    pairing.pair([A], reading(0, a=running(net_tx=0, mem=1)), longest=15)
    samples = Samples(frame_of(pairing.pair([A], reading(60, a=running(net_tx=600, mem=1)), 15)), 0)
    assert samples["net.tx.bytes"] == Gap(GapReason.NO_TIME)
    assert samples["memory.used"] == 1.0


@pytest.mark.parametrize("state", [GuestState.PAUSED, GuestState.SHUTOFF, GuestState.CRASHED])
def test_guest_that_does_not_run_has_no_samples(state):
    """A zero of a guest that cannot act is not good behaviour: every cell is a gap."""
    pairing = Pairing()
    pairing.pair([A], reading(0, a=running(net_tx=0, mem=1)), longest=15)
    pair = pairing.pair([A], reading(5, a=(state, {"net.tx": 0, "mem": 1}, True)), longest=15)
    assert set(Samples(frame_of(pair), 0).values()) == {Gap(GapReason.NOT_RUNNING)}


def test_unreachable_hypervisor_is_its_own_reason():
    """Without a connection every guest's cells say that, and none says zero."""
    pair = Pairing().pair([A], Reading(at=1, clock=1, error="connection refused"), longest=15)
    assert set(Samples(frame_of(pair), 0).values()) == {Gap(GapReason.UNREACHABLE)}


def test_table_of_the_last_tick_is_used_again():
    """The earlier columns are those already made, as long as the rows are the same."""
    pairing = Pairing()
    first = pairing.pair([A, B], reading(0, a=running(net_tx=0), b=running(net_tx=0)), longest=15)
    second = pairing.pair([A, B], reading(5, a=running(net_tx=1), b=running(net_tx=1)), longest=15)
    assert second.before is first.after
    third = pairing.pair([B, A], reading(10, a=running(net_tx=2), b=running(net_tx=9)), longest=15)
    assert third.before is not second.after
    assert third.before.column("net.tx").tolist() == [1.0, 1.0]


def test_values_are_nan_exactly_where_there_is_a_gap():
    """No cell has both a number and a gap, or neither."""
    pairing = Pairing()
    pairing.pair([A, B], reading(0, a=running(net_tx=9)), longest=15)
    frame = frame_of(pairing.pair([A, B], reading(5, a=running(net_tx=1), b=running(mem=2)), 15))
    for row in range(2):
        for column in range(2):
            assert math.isnan(frame.values[row, column]) == bool(frame.gaps[row, column])
