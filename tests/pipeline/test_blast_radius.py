"""The blast radius: a fall of many guests at once is held, and told."""

from __future__ import annotations

import pytest

from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id, web
from trustd.model import Intent, OutcomeStatus
from trustd.repository import IntentLedger

TIGHT = CALM.replace(
    "limits: {demotions: {max: 10, percent: 100, per: 1m}}",
    "limits: {demotions: {max: 3, percent: 50, per: 1m}}",
)
OBSERVING = TIGHT.replace("mode: enforce", "mode: observe")
NAMES = [f"web-{number}" for number in range(10)]


@pytest.fixture
def rig(new_rig):
    """Ten guests that are trusted; at most three may be narrowed in a minute."""
    assert TIGHT != CALM
    rig = new_rig(10, policy=TIGHT)
    rig.tick(8)
    return rig


def spike(rig, *numbers):
    for number in numbers or range(10):
        rig.hypervisor.writes[guest_id(number)] = TOO_MUCH


def test_fleet_wide_fall_is_held(rig):
    """Of ten guests that fall in one tick three are narrowed; the others are withheld, each with
    the reason, and their bands and what the decisions say are as the policy wants them."""
    spike(rig)
    fleet = rig.tick()
    assert set(rig.bands().values()) == {"guarded"}
    assert len(rig.sent()) == 3
    assert rig.withheld() == set(NAMES) - rig.sent()
    held = next(each for each in fleet.guests.values() if each.guest.name in rig.withheld())
    assert {outcome.status for outcome in held.outcomes} == {OutcomeStatus.WITHHELD}
    assert all("too many guests" in outcome.error for outcome in held.outcomes)


def test_share_of_the_running_guests_bounds_it_too(new_rig):
    """Of four guests half may be narrowed although the number would allow three; off guests are
    no part of it."""
    rig = new_rig(4, policy=TIGHT)
    rig.tick(8)
    spike(rig, 0, 1, 2, 3)
    rig.tick()
    assert len(rig.sent()) == 2


def test_budget_frees_as_time_passes(rig):
    """What was held is narrowed when the time is over, three at a time and never more."""
    spike(rig)
    rig.tick()
    first = rig.sent()
    rig.tick(29)
    assert rig.sent() == first
    rig.tick(2)
    assert len(rig.sent()) == 6
    assert first < rig.sent()


def test_held_guest_that_recovers_is_held_no_more(rig):
    """A guest that behaves again is withheld nothing, and was never touched."""
    spike(rig)
    rig.tick()
    spared = rig.withheld()
    rig.hypervisor.writes.clear()
    rig.tick(20)
    assert not rig.withheld()
    assert not rig.sent() & spared


def test_worst_go_first(new_rig):
    """What is left of the budget goes to the guests that fell furthest."""
    policy = TIGHT.replace(
        "disk.write.bytes: {max: 64MiB/s, severity: major}",
        "disk.write.bytes: {max: 4MiB/s, severity: critical}",
    )
    worst = [web(number, labels={"app": "db"}) for number in (7, 8, 9)]
    rig = new_rig([*map(web, range(7)), *worst], policy=policy)
    rig.tick(8)
    spike(rig)
    rig.tick()
    assert {name for name, band in rig.bands().items() if band == "isolated"} == rig.sent()
    assert rig.sent() == {"web-7", "web-8", "web-9"}


def test_protected_guest_is_never_narrowed(new_rig):
    """A guest on the protect list falls as any other and nothing is done to it, nor counted."""
    policy = TIGHT + "\nprotect:\n  - {id: " + guest_id(0) + "}\n"
    rig = new_rig(10, policy=policy)
    rig.tick(8)
    spike(rig, 0, 1, 2, 3)
    rig.tick()
    assert rig.sent() == {"web-1", "web-2", "web-3"}
    assert rig.bands()["web-0"] == "guarded"
    assert not rig.fleet.guests[guest_id(0)].outcomes


@pytest.mark.parametrize("restarted", [False, True])
def test_switch_to_enforcing_is_limited(new_rig, restarted):
    """Going from observe to enforce with ten low guests narrows three, by reload or by restart."""
    rig = new_rig(10, policy=OBSERVING)
    rig.tick(8)
    spike(rig)
    rig.tick(2)
    assert not rig.sent()
    assert not rig.withheld()
    if restarted:
        rig.policy = TIGHT
        rig.restart()
    else:
        rig.reload(TIGHT)
    rig.tick()
    assert len(rig.sent()) == 3
    assert len(rig.withheld()) == 7


def test_restart_renews_no_budget(rig):
    """Guests that are narrowed already stay so after a restart whatever their number, and those
    that were held stay held."""
    spike(rig)
    rig.tick()
    narrowed = sorted(rig.sent())
    ledger = IntentLedger(rig.database)
    for name in narrowed:  # nothing can be reached here, so what would be recorded is written
        number = int(name.removeprefix("web-"))
        ledger.record(
            Intent(guest_id(number), "disk-throttle", "vda", "b/1", {}, ({},), rig.hypervisor.at)
        )
    rig.restart()
    rig.tick()
    assert sorted(rig.sent()) == narrowed
    assert rig.withheld() == set(NAMES) - set(narrowed)
    rig.restart()
    rig.tick(32)
    assert len(rig.sent()) == 6


def test_many_narrowed_guests_survive_a_restart(rig):
    """A restart with more narrowed guests than the budget takes all of them over at once."""
    spike(rig)
    rig.tick(100)
    assert len(rig.sent()) == 10
    ledger = IntentLedger(rig.database)
    for number in range(10):
        ledger.record(
            Intent(guest_id(number), "disk-throttle", "vda", "b/1", {}, ({},), rig.hypervisor.at)
        )
    rig.restart()
    rig.tick()
    assert len(rig.sent()) == 10


def test_policy_that_narrows_everybody_is_held(rig):
    """A reload with a policy that takes something from every guest narrows three of them."""
    rig.reload(
        TIGHT.replace("enforce:\n", "enforce:\n  trusted: [{do: cpu-quota, percent: 20%}]\n")
    )
    rig.tick()
    assert len(rig.sent()) == 3
    assert len(rig.withheld()) == 7


def test_new_devices_of_a_narrowed_guest_are_narrowed_at_once(rig):
    """A disk that is added to a narrowed guest is no second fall, whatever is left."""
    spike(rig)
    rig.tick()
    name = min(rig.sent())
    number = int(name.removeprefix("web-"))
    known = web(number)
    more = (*known.disks, type(known.disks[0])("vdb", "/images/other.qcow2"))
    rig.hypervisor.change(web(number, disks=more))
    rig.tick()
    devices = {each.action.device for each in rig.fleet.guests[guest_id(number)].outcomes}
    assert {"vda", "vdb"} <= devices
    assert name not in rig.withheld()
