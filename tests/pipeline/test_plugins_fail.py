"""Plug-ins that fail cost nobody else anything; they are counted, shown, and may recover."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from tests.lab.waiting import wait_until
from tests.pipeline.scripted import TOO_MUCH, guest_id, web
from trustd.model import (
    Columns,
    FeatureSpec,
    Finding,
    Gap,
    GapReason,
    HostLoad,
    Severity,
    StatGroup,
    gauge,
)
from trustd.plugins import Plugins
from trustd.spi import Probed

A, B, C = (guest_id(number) for number in range(3))
FEATURE = FeatureSpec("odd.rate", "events/s", "odd", family="odd")


class Odd:
    """A collector that does what a test says."""

    name = "odd"
    features = (FEATURE,)
    groups = StatGroup.STATE

    def __init__(self):
        self.act = self.well

    def collect(self, before, after, *, seconds):
        return self.act(len(after))

    def well(self, guests):
        return gauge(np.full(guests, 1.0))

    def raises(self, guests):
        raise KeyError("no such field")

    def exits(self, guests):
        raise SystemExit(3)

    def wrong_shape(self, guests):
        return Columns.missing(guests + 1, 1, GapReason.FIRST)

    def nothing(self, guests):
        return None

    def numbers_for_gaps(self, guests):
        return replace(gauge(np.ones(guests)), gaps=np.full((guests, 1), 3, dtype=np.int8))

    def infinite(self, guests):
        return replace(self.well(guests), values=np.full((guests, 1), np.inf))

    def unknown_reason(self, guests):
        return replace(
            Columns.missing(guests, 1, GapReason.FIRST), gaps=np.full((guests, 1), 77, np.int8)
        )


FAULTS = [name for name in vars(Odd) if name not in ("collect", "well") and name[0] != "_"]
FAULTS = [name for name in FAULTS if callable(getattr(Odd, name))]


@pytest.mark.parametrize("fault", FAULTS)
def test_collector_that_fails_costs_its_own_features(new_rig, fault):
    """Whatever a collector does, its features are gaps, it is counted and shown; the others'
    features, bands and findings are there; when it works again nothing is left of it."""
    odd = Odd()
    rig = new_rig(extra=Plugins(collectors=(odd,)))
    rig.tick(8)
    assert rig.fleet.guests[A].samples["odd.rate"] == 1.0
    odd.act = getattr(odd, fault)
    rig.hypervisor.writes[A] = TOO_MUCH
    fleet = rig.tick(2)
    assert fleet.guests[B].samples["odd.rate"] == Gap(GapReason.FAILED)
    assert fleet.guests[B].samples["disk.write.bytes"] == 0.0
    assert rig.bands() == {"web-0": "guarded", "web-1": "trusted", "web-2": "trusted"}
    assert fleet.plugins["odd"].errors == 2
    assert fleet.plugins["odd"].error
    assert not fleet.plugins["disk"].error
    odd.act = odd.well
    fleet = rig.tick()
    assert fleet.guests[A].samples["odd.rate"] == 1.0
    assert (fleet.plugins["odd"].errors, fleet.plugins["odd"].error) == (2, "")


def finding(guest=A, kind="odd-kind", **other):
    return Finding(guest, kind, Severity.MAJOR, "odd", "odd", 1_790_000_000.0, "odd", **other)


def lazily():
    yield finding()
    raise OSError("half-way")


class Ear:
    """A listener that gives what a test says."""

    name = "ear"
    kinds = frozenset({"odd-kind"})
    gives = staticmethod(lambda: ())

    def notice(self, events, guests):
        return self.gives()


@pytest.mark.parametrize(
    "gives",
    [
        lambda: 1 // 0,
        lambda: None,
        lazily,
        lambda: [finding(), "text"],
        lambda: [finding(kind="other-kind")],
        lambda: [replace(finding(), at=float("nan"))],
    ],
)
def test_listener_that_fails_costs_its_own_findings(new_rig, gives):
    """A listener that raises, also half-way, or gives what is no finding of its own is counted, and
    nothing of it reaches a guest; when it works again its findings count."""
    ear = Ear()
    rig = new_rig(extra=Plugins(listeners=(ear,)))
    rig.tick(8)
    ear.gives = gives
    fleet = rig.tick()
    assert not fleet.guests[A].findings
    assert fleet.plugins["ear"].errors == 1
    assert set(rig.bands().values()) == {"trusted"}
    ear.gives = lambda: [finding()]
    fleet = rig.tick()
    assert [each.kind for each in fleet.guests[A].findings] == ["odd-kind"]
    assert fleet.plugins["ear"].error == ""


def test_text_that_cannot_be_encoded_is_kept_readable(new_rig):
    """A finding that names bytes which are no text is shown escaped, stored and found again."""
    ear = Ear()
    rig = new_rig(extra=Plugins(listeners=(ear,)))
    rig.tick(2)
    ear.gives = lambda: [replace(finding(), summary="ran \udcff\udc80", facts={"\udcff": "\udcfe"})]
    rig.tick()
    ear.gives = lambda: ()
    rig.restart()
    (found,) = rig.tick().guests[A].findings
    assert found.summary == "ran \\udcff\\udc80"
    assert rig.fleet.store_error == ""


@pytest.mark.parametrize(
    "sense", [lambda: 1 // 0, lambda: "busy", lambda: HostLoad(cpu=float("nan"))]
)
def test_sensor_that_fails_costs_the_load(new_rig, sense):
    """A host sensor that fails leaves the host's load unknown, and every guest scored."""

    class Sensor:
        name = "sensor"

        def sense(self):
            return sense()

    rig = new_rig(extra=Plugins(sensors=(Sensor(),)))
    fleet = rig.tick(8)
    assert fleet.host is None
    assert fleet.plugins["sensor"].errors == 8
    assert set(rig.bands().values()) == {"trusted"}


class Look:
    """A probe that does at each guest what a test says."""

    name = "look"
    features = (FEATURE,)
    kinds = frozenset({"odd-kind"})
    every = 10.0
    timeout = 3.0

    def __init__(self):
        self.at = {}

    def probe(self, guest, *, at):
        return self.at.get(guest.id, lambda: Probed({"odd.rate": 1.0}))()


@pytest.fixture
def probed(new_rig):
    look = Look()
    rig = new_rig(extra=Plugins(probes=(look,)))
    # probes stamp their values with this host's own time
    rig.probing._now = lambda: rig.hypervisor.at
    rig.tick(8)
    return rig, look


@pytest.mark.parametrize(
    "fault",
    [
        lambda: 1 // 0,
        lambda: None,
        lambda: Probed({"odd.rate": "text"}),
        lambda: Probed({"odd.rate": float("inf")}),
        lambda: Probed({}, [finding(B)]),
        lambda: Probed({}, [None]),
    ],
)
def test_probe_that_fails_at_one_guest_sees_the_others(probed, fault):
    """A probe that fails at one guest costs that guest its values; the others have theirs, the
    round is counted as failed once, and it recovers."""
    rig, look = probed
    look.at[A] = fault
    rig.probing.round(look)
    fleet = rig.tick()
    assert fleet.guests[A].samples["odd.rate"] == Gap(GapReason.FAILED)
    assert fleet.guests[B].samples["odd.rate"] == 1.0
    assert not fleet.guests[B].findings
    assert fleet.plugins["look"].errors == 1
    assert "at 1 of 3 guests" in fleet.plugins["look"].error
    look.at.clear()
    rig.probing.round(look)
    fleet = rig.tick()
    assert fleet.guests[A].samples["odd.rate"] == 1.0
    assert fleet.plugins["look"].error == ""


def test_probe_that_hangs_at_one_guest_hangs_there_only(probed):
    """A probe that never comes back from a guest sees every other guest in every round, however
    many rounds there are, and the guest again as soon as it comes back."""
    rig, look = probed
    go_on = threading.Event()
    look.at[A] = lambda: go_on.wait(240) and Probed({"odd.rate": 2.0})
    for _ in range(10):
        rig.probing.round(look)
        fleet = rig.tick()
        assert fleet.guests[A].samples["odd.rate"] == Gap(GapReason.UNRESPONSIVE)
        assert fleet.guests[B].samples["odd.rate"] == 1.0
    assert rig.probing._workers["look"].abandoned == 1
    go_on.set()
    del look.at[A]

    def well():
        rig.probing.round(look)
        return not rig.tick().plugins["look"].error

    wait_until(well, "the guest is seen again", seconds=60)
    assert rig.fleet.guests[A].samples["odd.rate"] == 1.0


def test_closing_ends_a_round(probed):
    """A round that is under way ends with the guest at which it is when the daemon stops."""
    rig, look = probed
    asked = []

    def ask():
        asked.append(1)
        rig.probing.close()
        return Probed({"odd.rate": 1.0})

    look.at = dict.fromkeys((A, B, C), ask)
    rig.probing.round(look)
    assert len(asked) == 1


def test_value_of_a_probe_that_stopped_is_a_gap(probed):
    """What a probe said is no value any more after three of its periods, also where the wall clock
    was set back meanwhile."""
    rig, look = probed
    rig.probing.round(look)
    assert rig.tick().guests[A].samples["odd.rate"] == 1.0
    assert isinstance(rig.tick(16).guests[A].samples["odd.rate"], Gap)
    rig.probing.round(look)
    assert isinstance(rig.tick(step=-7200.0).guests[A].samples["odd.rate"], Gap)


def test_guests_that_do_not_run_are_not_probed(probed):
    """A probe is asked about running guests only."""
    rig, look = probed
    seen = []
    look.at = {id_: lambda id_=id_: seen.append(id_) or Probed() for id_ in (A, B, C)}
    rig.hypervisor.change(replace(web(0), state=rig.hypervisor.guests[A].state.SHUTOFF))
    rig.tick()
    rig.probing.round(look)
    assert seen == [B, C]
