"""Operators' orders on the line: they win over what trust says, survive, and end on time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.pipeline.orders import (
    STRANGER,
    WOULD,
    A,
    B,
    band,
    fall,
    override,
    pause,
    protect,
    statuses,
    take,
    until,
)
from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from tests.pipeline.test_blast_radius import TIGHT, spike
from trustd.errors import NoSuchGuest
from trustd.model import (
    Bound,
    Term,
)


@pytest.mark.parametrize(
    ("bound", "said", "trusted", "fallen"),
    [
        (Bound.AT_MOST, "restricted", "restricted", "restricted"),
        (Bound.AT_MOST, "trusted", "trusted", "guarded"),
        (Bound.AT_LEAST, "trusted", "trusted", "trusted"),
        (Bound.AT_LEAST, "restricted", "trusted", "guarded"),
        (Bound.PIN, "guarded", "guarded", "guarded"),
        (Bound.PIN, "isolated", "isolated", "isolated"),
    ],
)
def test_override_bounds_the_band_and_trust_goes_on(rig, bound, said, trusted, fallen):
    """A narrowing, a lift and a pin do what they say to a guest that is trusted and to one that
    falls; the band that trust makes of it is worked out and shown all the while."""
    override(rig, said, bound)
    rig.tick()
    now = rig.fleet.guests[A]
    assert (now.band, now.automatic or now.band) == (trusted, "trusted")
    assert now.permissions.band == trusted
    rig.hypervisor.writes[A] = TOO_MUCH
    rig.tick()
    now = rig.fleet.guests[A]
    assert now.trust < 0.5
    assert (now.band, now.automatic or now.band) == (fallen, "guarded")
    assert now.ordered.override.reason == "because"
    assert band(rig, B) == "trusted"


def test_what_decides_for_others_goes_by_the_override(rig):
    """The world that answers other services has the band of the override, and no other, and stops
    at its end even where no tick comes."""
    override(rig, "isolated", seconds=60)
    rig.tick()
    narrowing = rig.line._stages.narrowing
    seen, policy = narrowing.world()[A], narrowing.policy
    at, clock = rig.hypervisor.at, rig.hypervisor.clock
    assert seen.now(policy, seen.standing, at, clock)[1] == "isolated" == seen.band
    assert seen.now(policy, seen.standing, at + 59, clock)[1] == "trusted"
    assert seen.now(policy, seen.standing, at - 3600, clock + 59)[1] == "trusted"


def test_override_is_on_the_disk_when_it_is_answered_and_ends_on_time(rig):
    """Killed right after the answer, the daemon knows it when it is back, as if nothing had been;
    it ends after its time, by trust's word, and both are journalled."""
    override(rig, "isolated", seconds=20)
    rig.restart()
    rig.tick()
    assert band(rig) == "isolated"
    assert not rig.journal(A, "band")
    rig.tick(8)
    assert band(rig) == "isolated"
    rig.tick()
    assert band(rig) == "trusted"
    assert not rig.fleet.orders.overrides
    given, ended = (entry.document for entry in rig.journal(A, "override"))
    assert (given["act"], given["before"], given["after"]) == ("given", "trusted", "isolated")
    assert (given["uid"], given["by"], given["reason"]) == (1000, "ada", "because")
    assert ended["act"] == "ended"
    assert rig.journal(A, "band")[-1].document["after"] == "trusted"
    rig.restart()
    rig.tick()
    assert band(rig) == "trusted"
    assert len(rig.journal(A, "override")) == 2


def test_setting_the_clock_back_lengthens_nothing(rig):
    """A lift ends by the boot clock where the time of day was set back, over a restart too; and by
    the time of day where the boot clock began anew."""
    override(rig, "trusted", Bound.AT_LEAST, seconds=20)
    fallen = rig.hypervisor.writes
    fallen[A] = TOO_MUCH
    rig.tick(4, step=-86400.0)
    assert band(rig) == "trusted"
    rig.restart()
    rig.tick(6)
    assert band(rig) == "guarded"
    override(rig, "trusted", Bound.AT_LEAST, seconds=20)
    rig.kill()
    rig.hypervisor.clock = 3.0
    rig.hypervisor.at += 30
    rig.start()
    rig.tick(2)
    assert not rig.fleet.orders.overrides


def test_narrowing_by_hand_is_no_sign_of_a_fault(new_rig):
    """An operator narrows more guests than the blast radius allows, and it takes nothing from the
    budget of those that fall by themselves."""
    rig = new_rig(10, policy=TIGHT)
    rig.tick(8)
    for number in range(6):
        override(rig, "guarded", Bound.AT_MOST, guest=guest_id(number))
    rig.tick()
    assert len(rig.sent()) == 6
    spike(rig, 6, 7, 8, 9)
    rig.tick()
    assert len(rig.sent()) == 9
    assert len(rig.withheld()) == 1


def test_end_of_a_lift_is_limited(new_rig):
    """Guests that were lifted and fall when that ends count as any that fall."""
    rig = new_rig(10, policy=TIGHT)
    rig.tick(8)
    for number in range(10):
        override(rig, "trusted", Bound.AT_LEAST, guest=guest_id(number), seconds=20)
    spike(rig)
    rig.tick(3)
    assert not rig.sent()
    rig.tick(10)
    assert len(rig.sent()) == 3


def test_observed_guest_is_narrowed_by_nobody(new_rig):
    """In observe mode an override says what would be applied, and nothing is."""
    rig = new_rig(policy=CALM.replace("mode: enforce", "mode: observe"))
    rig.tick(8)
    (effect,) = override(rig, "isolated")
    assert effect.would
    assert not effect.applied
    rig.tick()
    assert band(rig) == "isolated"
    assert statuses(rig) == {WOULD}
    assert not rig.sent()


def test_dry_run_says_what_would_change_and_changes_nothing(rig):
    """Band, permissions and actions before and after, for a narrowing and for a lift; nothing is
    stored, journalled or in force."""
    (effect,) = override(rig, "isolated", dry_run=True)
    assert effect.bands == ("trusted", "isolated")
    assert effect.lost
    assert not effect.gained
    assert {action.lever for action in effect.applied} >= {"disk-throttle", "nic-link"}
    assert not effect.restored
    fall(rig)
    (effect,) = override(rig, "trusted", Bound.AT_LEAST, dry_run=True)
    assert effect.bands == ("guarded", "trusted")
    assert any("write" in actions for actions in effect.gained.values())
    assert {action.lever for action in effect.restored} == {"disk-throttle"}
    assert len(pause(rig, dry_run=True)) == 3
    protect(rig, dry_run=True)
    rig.restart()
    rig.tick()
    assert not rig.fleet.orders.overrides
    assert not rig.fleet.orders.protections
    assert rig.fleet.orders.pause is None
    assert band(rig) == "guarded"
    assert not rig.journal(A, "override")


def test_taking_back_restores_the_automatic(rig):
    """A cleared override leaves the guest to what trust makes of it, at the next tick; it is
    journalled who took it back; to take back what is not there changes nothing."""
    override(rig, "isolated")
    rig.tick()
    order, (effect,) = take(rig, "override", A)
    assert order.band == "isolated"
    assert effect.bands == ("isolated", "trusted")
    rig.tick()
    assert band(rig) == "trusted"
    taken = rig.journal(A, "override")[-1].document
    assert (taken["act"], taken["reason"], taken["given_by"]) == ("taken back", "enough", "ada")
    assert take(rig, "override", A) == (None, ())
    assert len(rig.journal(A, "override")) == 2


def test_stranger_is_an_error_and_a_guest_that_left_is_not_forgotten(rig):
    """Nobody is ordered about who is not watched; an order outlives its guest's absence."""
    with pytest.raises(NoSuchGuest):
        override(rig, "isolated", guest=STRANGER)
    override(rig, "isolated", seconds=3600)
    rig.hypervisor.undefine(A)
    rig.tick(8, seconds=100.0)
    assert A in rig.fleet.orders.overrides
    rig.hypervisor.change(web(0))
    rig.tick()
    assert band(rig) == "isolated"
    rig.hypervisor.undefine(A)
    rig.tick(8, seconds=100.0)
    assert take(rig, "override", A)[0] is not None


def test_protection_lifts_what_is_narrowed_at_the_next_tick(rig):
    """A protected guest is given everything back within a tick, falls as any other and is not
    narrowed; taken from the list, it is."""
    fall(rig)
    assert rig.sent() == {"web-0"}
    (effect,) = protect(rig)
    assert {action.lever for action in effect.restored} == {"disk-throttle"}
    until(rig, lambda: not rig.sent())
    now = rig.fleet.guests[A]
    assert now.band == "guarded"
    assert not any(access.lost for access in now.permissions.access)
    rig.restart()
    rig.tick()
    assert not rig.sent()
    take(rig, "protect", A)
    until(rig, lambda: rig.sent() == {"web-0"})


def test_protection_ends_on_time(rig):
    """One that was given for a time ends, and what trust says is done."""
    fall(rig)
    protect(rig, seconds=20)
    rig.tick(9)
    assert not rig.sent()
    rig.tick()
    assert rig.sent() == {"web-0"}
    assert [e.document["act"] for e in rig.journal(A, "protect")] == ["given", "ended"]


def test_protected_guest_under_another_policy_stays_so(rig):
    """A reload carries every order over; a narrowing to a band that is gone is the last band's,
    which grants nothing by accident."""
    override(rig, "restricted", Bound.AT_MOST, guest=B, seconds=3600)
    protect(rig)
    fall(rig)
    assert not rig.fleet.guests[A].outcomes
    rig.reload(CALM.replace("restricted", "narrow"))
    rig.tick()
    assert not rig.fleet.guests[A].outcomes
    assert band(rig, B) == "isolated"


def test_term_of_one_that_ends_never():
    """A protection without an end has none, by any clock."""
    assert not replace(Term(0.0, 0.0), at=-1e9).over(1e12, 1e12)
