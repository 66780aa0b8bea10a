"""Operators' orders on the line: they win over what trust says, survive, and end on time."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from tests.pipeline.test_blast_radius import TIGHT, spike
from trustd.errors import NoSuchGuest, StoreError
from trustd.model import (
    Author,
    Bound,
    Intent,
    Mode,
    OutcomeStatus,
    Override,
    Pause,
    Protection,
    Term,
)
from trustd.repository import IntentLedger, Journal

A, B, C = (guest_id(number) for number in range(3))
STRANGER = guest_id(99)
ADA = Author(1000, 42, "ada")
WOULD = OutcomeStatus.WOULD_APPLY


def term(rig, seconds):
    return Term(rig.hypervisor.at, rig.hypervisor.clock, seconds)


def give(rig, order, **options):
    return rig.line.overriding.give(order, at=rig.hypervisor.at, **options)


def override(rig, band, bound=Bound.PIN, *, guest=A, seconds=60.0, **options):
    return give(rig, Override(guest, band, bound, term(rig, seconds), ADA, "because"), **options)


def protect(rig, guest=A, seconds=inf, **options):
    return give(rig, Protection(guest, term(rig, seconds), ADA, "because"), **options)


def pause(rig, seconds=60.0, *, keep=False, **options):
    return give(rig, Pause(keep, term(rig, seconds), ADA, "because"), **options)


def take(rig, kind, guest="", **options):
    return rig.line.overriding.take((kind, guest), ADA, "enough", at=rig.hypervisor.at, **options)


def band(rig, guest=A):
    return rig.fleet.guests[guest].band


def until(rig, condition):
    """Ticks until a condition holds: an attempt that is under way ends when it ends."""
    for _ in range(20):
        rig.tick()
        if condition():
            return
    raise AssertionError(rig.fleet.guests)


def statuses(rig, guest=A):
    return {outcome.status for outcome in rig.fleet.guests[guest].outcomes}


def fall(rig, guest=A):
    rig.hypervisor.writes[guest] = TOO_MUCH
    rig.tick()
    assert band(rig, guest) == "guarded"


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
    rig.tick(310)
    assert A in rig.fleet.orders.overrides
    rig.hypervisor.change(web(0))
    rig.tick()
    assert band(rig) == "isolated"
    rig.hypervisor.undefine(A)
    rig.tick(310)
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


def test_pause_gives_everything_back_and_resume_narrows_again(rig):
    """While paused every guest is observed: what narrowed it would be applied and is not, and trust
    goes on; after it, it is narrowed as before. Others' questions are answered in that mode."""
    fall(rig)
    (effect, *_) = pause(rig, 3600)
    assert effect.restored
    until(rig, lambda: statuses(rig) == {WOULD})
    now = rig.fleet.guests[A]
    assert (now.mode, now.band) == (Mode.OBSERVE, "guarded")
    seen = rig.line._stages.narrowing.world()[A]
    assert set(seen.subject.modes) == {Mode.OBSERVE}
    fall(rig, B)
    assert not rig.sent()
    rig.restart()
    rig.tick()
    assert not rig.sent()
    take(rig, "pause")
    until(rig, lambda: rig.sent() == {"web-0", "web-1"})


def test_pause_ends_on_time(rig):
    """It ends by itself, and what is low is narrowed."""
    fall(rig)
    pause(rig, 20)
    rig.tick(9)
    assert not rig.sent()
    rig.tick()
    assert rig.fleet.orders.pause is None
    assert rig.sent() == {"web-0"}


def test_resume_narrows_again_whom_the_pause_released_and_limits_the_others(new_rig):
    """Guests that the pause released are narrowed again whatever is left of the budget; those that
    fell meanwhile are too many, as ever."""
    rig = new_rig(10, policy=TIGHT)
    rig.tick(8)
    spike(rig, 0, 1, 2)
    rig.tick(35)
    spike(rig, 3, 4)
    rig.tick()
    assert len(rig.sent()) == 5
    pause(rig, 3600)
    spike(rig)
    rig.tick(40)
    assert not rig.sent()
    take(rig, "pause")
    rig.tick()
    assert len(rig.sent()) == 8
    assert len(rig.withheld()) == 2


def test_kept_pause_changes_nothing_in_either_way(rig):
    """What is narrowed stays so and nobody else is narrowed, answers included, over a restart; what
    trust makes of them is shown."""
    fall(rig)
    assert not pause(rig, 3600, keep=True)
    rig.hypervisor.writes = {B: TOO_MUCH}
    rig.tick(100)
    assert (band(rig), rig.fleet.guests[A].automatic) == ("guarded", "trusted")
    assert (band(rig, B), rig.fleet.guests[B].automatic) == ("trusted", "guarded")
    assert rig.sent() == {"web-0"}
    ledger = IntentLedger(rig.database)
    ledger.record(Intent(A, "disk-throttle", "vda", "b/1", {}, ({},), rig.hypervisor.at))
    rig.restart()
    rig.tick(2)
    assert (band(rig), band(rig, B)) == ("guarded", "trusted")
    assert rig.sent() == {"web-0"}
    rig.hypervisor.change(web(7))
    rig.hypervisor.writes[guest_id(7)] = TOO_MUCH
    rig.tick(10)
    assert rig.fleet.guests[guest_id(7)].mode is Mode.OBSERVE
    assert rig.sent() == {"web-0"}
    take(rig, "pause")
    rig.tick()
    assert (band(rig), band(rig, B)) == ("trusted", "guarded")


def test_operators_order_goes_through_a_kept_pause(rig):
    """Whoever keeps things as they are can still narrow and release by hand."""
    fall(rig)
    pause(rig, 3600, keep=True)
    override(rig, "isolated", Bound.AT_MOST, guest=B)
    override(rig, "trusted", Bound.AT_LEAST, guest=A)
    rig.tick()
    assert rig.sent() == {"web-1"}


def test_policy_that_narrows_further_is_held_by_a_kept_pause(rig):
    """A reload while things are kept narrows nobody, and says why."""
    pause(rig, 3600, keep=True)
    rig.reload(CALM.replace("enforce:\n", "enforce:\n  trusted: [{do: cpu-quota, percent: 20%}]\n"))
    rig.tick()
    assert not rig.sent()
    assert set(rig.fleet.held.values()) == {"paused"}
    take(rig, "pause")
    rig.tick()
    assert len(rig.sent()) == 3


def test_hold_can_be_let_go_once(new_rig):
    """What was held because it was too many is narrowed by an operator's word, which is journalled;
    whoever falls later is held again."""
    rig = new_rig(10, policy=TIGHT)
    rig.tick(8)
    spike(rig, *range(7))
    rig.tick()
    assert len(rig.sent()) == 3
    assert set(rig.fleet.held.values()) == {"too-many"}
    overriding = rig.line.overriding
    assert len(overriding.accept(ADA, "seen", at=1.0, dry_run=True)) == 4
    rig.tick()
    assert len(rig.sent()) == 3
    effects = overriding.accept(ADA, "an attack", at=1.0)
    assert {effect.guest.name for effect in effects} == rig.withheld()
    spike(rig)
    rig.tick()
    assert len(rig.sent()) == 7
    assert len(rig.fleet.held) == 3
    (entry,) = Journal(rig.database).of("")[:1]
    assert (entry.kind, entry.document["reason"]) == ("hold", "an attack")
    rig.tick(10)
    assert len(rig.sent()) == 7


def full(*_):
    raise OSError(28, "No space left on device")


def test_store_that_fails_lets_only_narrowing_through(rig, monkeypatch):
    """While nothing can be stored, lifts, protections and pauses are refused and change nothing;
    a narrowing counts, and says that it is not stored."""
    fall(rig)
    with monkeypatch.context() as patch:
        patch.setattr("trustd.repository.overrides.journalled", full)
        for order in (
            lambda: override(rig, "trusted", Bound.AT_LEAST),
            lambda: override(rig, "trusted"),
            lambda: protect(rig),
            lambda: pause(rig),
        ):
            with pytest.raises(StoreError, match=r"nothing was changed.*No space left"):
                order()
        with pytest.raises(StoreError, match=r"in force and not stored.*No space left"):
            override(rig, "isolated", Bound.AT_MOST, guest=B)
    rig.tick()
    assert (band(rig), band(rig, B)) == ("guarded", "isolated")
    assert rig.fleet.orders.pause is None
    rig.restart()
    rig.tick()
    assert band(rig, B) == "trusted"


def test_end_is_tried_again_until_it_is_stored(rig, monkeypatch):
    """A lift ends on time whatever the disk says; when it takes writes, a restart knows it too and
    the journal has it once. An order given meanwhile is not lost by that."""
    override(rig, "isolated", seconds=10)
    override(rig, "isolated", seconds=10, guest=B)
    with monkeypatch.context() as patch:
        patch.setattr("trustd.repository.overrides.journalled", full)
        rig.tick(6)
        assert band(rig) == "trusted"
        rig.settle()
        rig.tick(2)
        rig.settle()
    override(rig, "guarded", seconds=3600, guest=B)
    rig.tick(2)
    rig.settle()
    rig.tick(2)
    rig.restart()
    rig.hypervisor.at -= 3600
    rig.tick()
    assert (band(rig), band(rig, B)) == ("trusted", "guarded")
    assert [e.document["act"] for e in rig.journal(A, "override")] == ["given", "ended"]


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
