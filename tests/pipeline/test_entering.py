"""What is done once: when a guest enters a band, and never because something was forgotten."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.lab.waiting import wait_until
from tests.pipeline.scripted import CALM, TOO_MUCH, guest_id
from trustd.enforce.actuators.unplug import NOT_LET_GO
from trustd.errors import EnforceError, StoreError
from trustd.model import Action, GuestState, Outcome, OutcomeStatus
from trustd.pipeline.defiance import Defiance
from trustd.pipeline.entering import CUT_OFF

ONCE = CALM.replace(
    "enforce:\n",
    "enforce:\n  guarded: [{do: capture}, {do: alert, severity: major}]\n",
)
BARE = ONCE.replace(
    "{name: guarded, enter: 0.38, leave: 0.30, cap: [ro, flush, wire]}",
    "{name: guarded, enter: 0.38, leave: 0.30}",
)
"""In which nothing but errands happens to a guarded guest."""


class Recording:
    """A trade that notes what it was asked for, and may be made to wait or fail."""

    at_once = 1

    def __init__(self):
        self.asked = []
        self.error = None
        self.open = threading.Event()
        self.open.set()

    def do(self, action, occasion):
        self.open.wait(60)
        self.asked.append((action.lever, occasion.guest.name, occasion.band))
        if self.error is not None:
            raise self.error
        return {"seen": len(self.asked)}


@pytest.fixture
def trade():
    return Recording()


@pytest.fixture
def trusted(new_rig, trade):
    """Makes a line over guests that are trusted; captures and alerts are recorded."""
    assert ONCE != CALM != BARE

    def make(guests=2, policy=ONCE):
        rig = new_rig(guests, policy=policy, trades={"capture": trade, "alert": trade})
        rig.tick(8)
        return rig

    return make


def fall(rig, *numbers):
    for number in numbers:
        rig.hypervisor.writes[guest_id(number)] = TOO_MUCH


def errands(rig, number=0):
    """Statuses of a guest's errands at the last tick, by lever."""
    outcomes = rig.fleet.guests[guest_id(number)].outcomes
    return {
        each.action.lever: str(each.status)
        for each in outcomes
        if each.action.lever in ("capture", "alert", "hook")
    }


def until(rig, wanted, number=0):
    def so():
        rig.tick(seconds=0.1)
        return errands(rig, number) == wanted

    wait_until(so, f"errands {wanted}", seconds=60)


DONE = {"capture": "done", "alert": "done"}


def test_each_errand_is_done_once_for_the_guest_that_fell(trusted, trade):
    """With the assessment of the tick in which it fell; the other guest is not concerned."""
    rig = trusted()
    fall(rig, 0)
    until(rig, DONE)
    rig.tick(5)
    assert sorted(trade.asked) == [("alert", "web-0", "guarded"), ("capture", "web-0", "guarded")]
    assert errands(rig, 1) == {}
    outcomes = {each.action.lever: each for each in rig.fleet.guests[guest_id(0)].outcomes}
    assert outcomes["capture"].action.because == "guarded: entered"
    assert "seen" in outcomes["capture"].action.setting


def test_it_is_journalled_once_also_over_a_restart(trusted, trade):
    """What was done stays done and on show after a restart of trustd; nothing is done again."""
    rig = trusted()
    fall(rig, 0)
    until(rig, DONE)
    rig.restart()
    fall(rig, 0)
    rig.tick(3)
    assert errands(rig) == DONE
    assert len(trade.asked) == 2
    told = [each.document for each in rig.journal(guest_id(0), "action")]
    assert [each["status"] for each in told if each["lever"] == "capture"] == ["done"]


def gone_and_back(rig):
    """The fallen guest is undefined for longer than it keeps its place, and defined again."""
    guest = rig.hypervisor.guests[guest_id(0)]
    rig.hypervisor.undefine(guest.id)
    rig.tick()
    rig.tick(2, seconds=601.0)
    rig.land()
    rig.hypervisor.change(guest)


def test_who_was_away_and_comes_back_as_it_was_enters_nothing(trusted, trade):
    """After a migration and back, or undefined for a time: still guarded, it is not captured again,
    and what was done is on show; a fall after a recovery is another occasion."""
    rig = trusted()
    fall(rig, 0)
    until(rig, DONE)
    gone_and_back(rig)
    rig.tick(3)
    assert rig.bands()["web-0"] == "guarded"
    assert errands(rig) == DONE
    assert len(trade.asked) == 2
    rig.hypervisor.writes.clear()
    wait_until(lambda: rig.tick() and rig.bands()["web-0"] == "trusted", "trusted", seconds=60)
    fall(rig, 0)
    until(rig, DONE)
    assert len(trade.asked) == 4


def test_nothing_is_done_while_the_disk_does_not_say_what_was(trusted, trade, monkeypatch):
    """Who comes while the repository cannot be read waits until it can; then it has its turn."""
    rig = trusted()
    fall(rig, 0)
    until(rig, DONE)
    store = rig.line._stages.entering._store

    def fails(_):
        raise StoreError("the disk is away")

    with monkeypatch.context() as broken:
        broken.setattr(store, "load", fails)
        gone_and_back(rig)
        rig.tick(3)
        assert errands(rig) == {}
    until(rig, DONE)
    assert len(trade.asked) == 2


def test_a_damaged_entry_has_nothing_done_again(trusted, trade):
    """Of what was done there is nothing to show, and the guest is in the band that it entered."""
    rig = trusted()
    fall(rig, 0)
    until(rig, DONE)
    rig.land()
    rig.database.submit(
        lambda connection: connection.execute("UPDATE errand SET document = '[{'")
    ).result(60)
    rig.restart()
    fall(rig, 0)
    rig.tick(3)
    assert rig.bands()["web-0"] == "guarded"
    assert errands(rig) == {}
    assert len(trade.asked) == 2


def test_a_reload_of_the_policy_does_nothing_again(trusted, trade):
    """Nor does a policy with another errand: the guest did not enter the band for it."""
    rig = trusted()
    fall(rig, 0)
    until(rig, DONE)
    rig.reload(ONCE.replace("severity: major}]", "severity: critical}]"))
    rig.tick(3)
    assert len(trade.asked) == 2


def test_who_rose_and_falls_again_has_it_done_again(trusted, trade):
    """A second fall is another occasion."""
    rig = trusted()
    fall(rig, 0)
    until(rig, DONE)
    rig.hypervisor.writes.clear()
    wait_until(lambda: rig.tick() and rig.bands()["web-0"] == "trusted", "trusted", seconds=60)
    assert errands(rig) == {}
    fall(rig, 0)
    until(rig, DONE)
    assert len(trade.asked) == 4


def test_observing_says_what_would_be_done(trusted, trade):
    """And does none of it; from then on enforced, it is done."""
    rig = trusted(policy=ONCE.replace("mode: enforce", "mode: observe"))
    fall(rig, 0)
    rig.tick(3)
    assert errands(rig) == {"capture": "would-apply", "alert": "would-apply"}
    assert not trade.asked
    rig.reload(ONCE)
    until(rig, DONE)


@pytest.mark.parametrize("policy", [ONCE, BARE], ids=["narrowing", "errands-only"])
def test_what_is_held_back_is_not_done(trusted, trade, policy):
    """Beyond the blast radius nobody is captured or alerted of one by one, also where no device
    would be touched; when the budget allows it, it is done."""
    tight = policy.replace(
        "limits: {demotions: {max: 10, percent: 100, per: 1m}}",
        "limits: {demotions: {max: 1, percent: 100, per: 1m}}",
    )
    assert tight != policy
    rig = trusted(policy=tight)
    fall(rig, 0, 1)
    wait_until(lambda: rig.tick(seconds=0.1) and len(trade.asked) == 2, "one done", seconds=60)
    spared = ({"web-0", "web-1"} - {trade.asked[0][1]}).pop()
    assert errands(rig, int(spared[-1])) == {"capture": "withheld", "alert": "withheld"}
    rig.tick(32)
    wait_until(lambda: rig.tick(seconds=0.1) and len(trade.asked) == 4, "both done", seconds=60)


def test_one_that_fails_is_told_and_costs_the_tick_nothing(trusted, trade):
    """The line goes on while an errand takes its time; what became of it is shown afterwards."""
    rig = trusted()
    trade.error = EnforceError("the disk is full")
    trade.open.clear()
    fall(rig, 0)
    rig.tick(4)
    assert errands(rig) == {}
    assert rig.bands()["web-0"] == "guarded"
    trade.open.set()
    until(rig, {"capture": "failed", "alert": "failed"})
    outcome = rig.fleet.guests[guest_id(0)].outcomes[-1]
    assert (outcome.status, outcome.error) == (OutcomeStatus.FAILED, "the disk is full")
    rig.tick(3)
    assert len(trade.asked) == 2, "it is not tried again"


def test_one_that_a_kill_cut_off_is_told_and_not_done_again(trusted, trade):
    """Whether a command ran to its end nobody knows: it is not run a second time unasked."""
    rig = trusted()
    trade.open.clear()
    fall(rig, 0)
    rig.tick(2)
    rig.restart()
    fall(rig, 0)
    rig.tick(2)
    outcomes = [
        each for each in rig.fleet.guests[guest_id(0)].outcomes if each.action.lever == "capture"
    ]
    assert [(str(each.status), each.error) for each in outcomes] == [("failed", CUT_OFF)]
    trade.open.set()
    rig.tick(3)
    assert len(trade.asked) <= 2


def test_a_paused_guest_neither_rises_nor_falls(trusted):
    """Months of standing still prove nothing: it is in the band in which it was paused."""
    rig = trusted()
    fall(rig, 0)
    rig.tick(2)
    before = {each.kind for each in rig.fleet.guests[guest_id(0)].findings}
    paused = rig.hypervisor.guests[guest_id(0)]
    rig.hypervisor.change(replace(paused, state=GuestState.PAUSED))
    rig.tick(100, seconds=86_400)
    assert rig.bands() == {"web-0": "guarded", "web-1": "trusted"}
    assert {each.kind for each in rig.fleet.guests[guest_id(0)].findings} <= before

    rig.hypervisor.writes.clear()
    rig.hypervisor.change(replace(paused, state=GuestState.RUNNING))
    rig.tick(1)
    assert rig.bands()["web-0"] == "guarded"
    wait_until(lambda: rig.tick() and rig.bands()["web-0"] == "trusted", "measured", seconds=60)


def test_a_guest_that_refuses_to_let_go_makes_one_finding(trusted):
    """Each time that it begins to refuse, and not once a tick."""
    rig = trusted()
    defiance = Defiance()
    fleet = rig.tick()
    known = fleet.guests[guest_id(0)]
    out = Action(guest_id(0), "unplug", "vdb", {"attached": False}, "isolated: a test")
    refused = replace(known, outcomes=(Outcome(out, OutcomeStatus.REFUSED, 1.0, error=NOT_LET_GO),))
    other = replace(known, outcomes=(Outcome(out, OutcomeStatus.REFUSED, 1.0, error="no driver"),))
    for times in range(3):
        defiance.heed([refused])
        found = defiance.findings()
        assert [(each.kind, each.key) for each in found] == [("detach-refused", "vdb")][times:]
    defiance.heed([other])
    assert not defiance.findings()
    defiance.heed([refused])
    assert len(defiance.findings()) == 1
