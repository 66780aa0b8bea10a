"""The line: one tick, one direction, whatever the hypervisor says."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import pytest

from tests.pipeline.scripted import TOO_MUCH, guest_id, web
from trustd.model import Freshness, Gap, GuestState

A, B, C = (guest_id(number) for number in range(3))


def test_calm_guests_are_trusted(rig):
    """Guests that behave come to be trusted, and nothing is done to them."""
    assert set(rig.bands().values()) == {"trusted"}
    assert all(each.trust > 0.85 for each in rig.fleet.guests.values())
    assert not rig.sent()


def test_one_that_misbehaves_falls_alone(rig):
    """A guest beyond its envelope falls in the tick that shows it; the others' trust stays."""
    before = {id_: each.trust for id_, each in rig.fleet.guests.items()}
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick()
    assert rig.bands() == {"web-0": "guarded", "web-1": "trusted", "web-2": "trusted"}
    assert rig.sent() == {"web-0"}
    for id_ in (B, C):
        assert rig.fleet.guests[id_].trust == pytest.approx(before[id_], abs=0.02)
    assert any("disk.write.bytes" in each.name for each in rig.fleet.guests[A].drivers) or any(
        "disk.write.bytes" in each.text for each in rig.fleet.guests[A].drivers
    )


def test_no_guest_at_all(new_rig):
    """A host without guests has its ticks, and the first guest that comes is watched."""
    rig = new_rig(0)
    assert rig.tick(3).guests == {}
    rig.hypervisor.change(web(1))
    assert rig.tick(8).guests[guest_id(1)].band == "trusted"


def test_unreachable_hypervisor_is_nobodys_fault(rig):
    """While the hypervisor cannot be reached every guest is stale with its age, trust never rises,
    bands are capped as the policy says, nothing is done; the first tick after restores them."""
    trust = {id_: each.trust for id_, each in rig.fleet.guests.items()}
    rig.hypervisor.error = "connection refused"
    for number in range(1, 13):
        fleet = rig.tick()
        assert not fleet.hypervisor.up
        for id_, each in fleet.guests.items():
            assert each.freshness is Freshness.STALE
            assert each.age == pytest.approx(2.0 * number)
            assert each.trust <= trust[id_]
            assert each.band == ("trusted" if 2 * number <= 10 else "guarded")
            trust[id_] = each.trust
        assert not rig.sent()
    assert rig.withheld() == {"web-0", "web-1", "web-2"}
    assert all(
        "cannot be reached" in outcome.error
        for each in rig.fleet.guests.values()
        for outcome in each.outcomes
    )
    rig.hypervisor.error = ""
    fleet = rig.tick()
    assert set(rig.bands().values()) == {"trusted"}
    assert {each.freshness for each in fleet.guests.values()} == {Freshness.FRESH}
    assert not rig.sent()
    assert not rig.withheld()


def test_guest_that_was_off_is_not_stale_when_the_hypervisor_goes(rig):
    """A guest that was off for a day is not a day old in its silence when libvirt restarts."""
    rig.hypervisor.change(web(0, state=GuestState.SHUTOFF))
    rig.tick(4, seconds=20_000.0)
    rig.hypervisor.error = "connection refused"
    rig.tick()
    assert rig.bands()["web-0"] == "trusted"


def test_partial_samples_are_shown_and_not_scored(rig):
    """Of a guest whose emulator is silent the partial samples are shown; none reaches the scoring,
    and the others stay as they are."""
    rig.hypervisor.partial = {A}
    rig.hypervisor.writes[A] = TOO_MUCH
    before = rig.fleet.guests[A].trust
    for _ in range(3):
        fleet = rig.tick()
        assert fleet.guests[A].freshness is Freshness.PARTIAL
        assert fleet.guests[A].samples["disk.write.bytes"] == TOO_MUCH
        assert fleet.guests[A].trust <= before
        assert not fleet.guests[A].findings
        assert fleet.guests[B].freshness is Freshness.FRESH
    assert rig.bands() == dict.fromkeys(("web-0", "web-1", "web-2"), "trusted")
    rig.hypervisor.partial = set()
    rig.tick(2)  # the first is too far from the last whole one for a rate
    assert rig.bands()["web-0"] == "guarded"


def test_running_guest_without_a_word_is_stale(rig):
    """A guest that runs and of which the hypervisor says nothing is stale, not off."""
    rig.hypervisor.missing = {A}
    fleet = rig.tick(7)
    assert fleet.guests[A].freshness is Freshness.STALE
    assert fleet.guests[A].age == pytest.approx(14.0)
    assert rig.bands() == {"web-0": "guarded", "web-1": "trusted", "web-2": "trusted"}


def test_off_guests_earn_nothing(rig):
    """A guest that is off is idle: its trust does not rise, and no dwell passes meanwhile."""
    rig.reload(rig.policy.replace("dwell: {up: 3s}", "dwell: {up: 60s}"))
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    rig.hypervisor.writes.clear()
    fleet = rig.tick(15)
    assert fleet.guests[A].trust > 0.48
    low = fleet.guests[A].band
    assert low != "trusted"
    rig.hypervisor.change(web(0, state=GuestState.SHUTOFF))
    before = fleet.guests[A].trust
    for _ in range(40):
        now = rig.tick().guests[A]
        assert now.freshness is Freshness.IDLE
        assert now.trust <= before
        assert now.band == low
        before = now.trust
    rig.hypervisor.change(web(0))
    rig.tick(3)
    assert rig.bands()["web-0"] == low


def test_wall_clock_steps_change_no_band(rig):
    """Setting the wall clock by hours, either way, makes no rate wrong and narrows nobody."""
    for hours in (5, -9, 4):
        rig.tick(step=3600.0 * hours)
        assert set(rig.bands().values()) == {"trusted"}
        fleet = rig.tick(3)
        assert {each.age for each in fleet.guests.values()} == {0.0}
        assert set(rig.bands().values()) == {"trusted"}
        assert not fleet.guests[A].findings


def test_late_and_repeated_ticks_say_nothing(rig):
    """A tick that comes far too late has gaps instead of rates, one with the same clock as well;
    neither narrows anybody."""
    rig.hypervisor.writes[A] = TOO_MUCH
    fleet = rig.tick(seconds=400.0)
    assert isinstance(fleet.guests[A].samples["disk.write.bytes"], Gap)
    fleet = rig.tick(seconds=0.0)
    assert isinstance(fleet.guests[A].samples["disk.write.bytes"], Gap)
    assert set(rig.bands().values()) == {"trusted"}


def test_guest_that_answers_seldom_is_measured_all_the_same(rig):
    """A guest that answers every half a minute only is judged by the whole time between: being
    slow to answer hides nothing."""
    rig.hypervisor.writes[A] = TOO_MUCH
    fleet = rig.tick(seconds=30.0)
    assert fleet.guests[A].samples["disk.write.bytes"] > 0
    assert fleet.guests[A].findings


def test_two_guests_of_one_name_are_two_guests(new_rig):
    """A guest is its UUID: two of one name are judged apart."""
    rig = new_rig([web(0, name="twin"), web(1, name="twin")])
    rig.tick(8)
    rig.hypervisor.writes[A] = TOO_MUCH
    fleet = rig.tick()
    assert (fleet.guests[A].band, fleet.guests[B].band) == ("guarded", "trusted")


def test_rename_keeps_everything(rig):
    """A guest that is renamed, and for a moment undefined, keeps its low band."""
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    fallen = rig.fleet.guests[A]
    rig.hypervisor.undefine(A)
    assert A not in rig.tick().guests
    rig.hypervisor.change(replace(web(0), name="innocent"))
    now = rig.tick().guests[A]
    assert now.guest.name == "innocent"
    assert now.band == fallen.band
    assert now.trust <= fallen.trust + 0.25


def test_guest_that_is_gone_for_long_returns_as_it_was(rig):
    """After the grace a guest is forgotten by the line and found again in the repository."""
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    fallen = rig.fleet.guests[A]
    rig.hypervisor.undefine(A)
    rig.tick(4, seconds=250.0)
    assert A not in rig.line._stages.engine.guests
    assert A not in rig.line._news._known
    rig.hypervisor.change(web(0))
    rig.hypervisor.writes.clear()
    now = rig.tick().guests[A]
    bands = rig.fleet.bands
    assert bands.index(now.band) >= bands.index(fallen.band)
    assert now.trust <= fallen.trust
    assert now.findings


def test_guest_undefined_while_nobody_watched_is_retired(rig):
    """A guest that went while the daemon was down costs nothing for ever, and is not lost."""
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick(2)
    rig.stop()
    rig.hypervisor.undefine(A)
    rig.start()
    rig.tick(4, seconds=250.0)
    assert A not in rig.line._stages.engine.guests
    rig.hypervisor.change(web(0))
    rig.hypervisor.writes.clear()
    assert rig.tick().guests[A].band != "trusted"


def test_new_guest_between_ticks(rig):
    """A guest that starts between two ticks is on probation, with the age of its first sample."""
    rig.hypervisor.change(web(7))
    now = rig.tick().guests[guest_id(7)]
    assert now.freshness is Freshness.FRESH
    assert now.age == 0.0
    assert now.trust == pytest.approx(0.5, abs=0.1)


def test_guest_that_never_ran_has_no_age(new_rig):
    """A guest that was never measured has no age, and no trust earns it a band."""
    rig = new_rig([web(0, state=GuestState.SHUTOFF)])
    for _ in range(5):
        now = rig.tick().guests[A]
        assert isnan(now.age)
        assert now.freshness is Freshness.IDLE
        assert now.band == "trusted"  # the policy's probation
