"""The pause, the hold, and what goes on through them."""

from __future__ import annotations

from tests.pipeline.orders import (
    ADA,
    WOULD,
    A,
    B,
    band,
    fall,
    override,
    pause,
    statuses,
    take,
    until,
)
from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from tests.pipeline.test_blast_radius import TIGHT, spike
from trustd.model import (
    Bound,
    Intent,
    Mode,
)
from trustd.repository import IntentLedger, Journal


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
