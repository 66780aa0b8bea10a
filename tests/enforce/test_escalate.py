"""Which pause is a guest's answer to being asked, and which is a measure of its own."""

from __future__ import annotations

from trustd.enforce.actuators.unplug import NOT_LET_GO
from trustd.enforce.escalate import escalation
from trustd.model import Action, GuestId, Intent, Outcome, OutcomeStatus

GUEST = GuestId("11111111-2222-4333-8444-555555555555")
STILL = "the guest's processors stand still: it cannot let go of anything"
OUT = Action(GUEST, "unplug", "vdb", {"attached": False, "or_pause": True}, "band isolated")


def _came(status: OutcomeStatus, error: str = "") -> Outcome:
    return Outcome(OUT, status, 9.0, error=error)


def _kept(lever: str, device: str, at: float) -> Intent:
    return Intent(GUEST, lever, device, "run", {}, ({},), at)


def test_a_guest_that_refused_is_paused_and_stays_paused() -> None:
    """Paused it cannot refuse again; what it was paused for goes on to hold it."""
    refused = [_came(OutcomeStatus.REFUSED, NOT_LET_GO)]
    kept = [_kept("unplug", "vdb", 1.0)]
    pause = escalation([OUT], refused, kept)
    assert pause is not None
    assert (pause.lever, pause.setting) == ("pause", {"paused": True})

    silent = [_came(OutcomeStatus.REFUSED, STILL)]
    assert escalation([OUT], silent, [_kept("pause", "", 2.0), *kept]) == pause


def test_a_pause_from_before_the_asking_ends_with_its_own_measure() -> None:
    """The band before had the guest paused: it has refused nothing, and goes on to be asked."""
    silent = [_came(OutcomeStatus.REFUSED, STILL)]
    assert escalation([OUT], silent, [_kept("unplug", "vdb", 2.0), _kept("pause", "", 1.0)]) is None
    assert escalation([OUT], silent, [_kept("pause", "", 1.0)]) is None


def test_a_guest_without_the_device_is_not_held() -> None:
    """What let go after all, or was let go of before the pause, gives no reason to stand still."""
    kept = [_kept("pause", "", 2.0), _kept("unplug", "vdb", 1.0)]
    for status in (OutcomeStatus.APPLIED, OutcomeStatus.HELD):
        assert escalation([OUT], [_came(status)], kept) is None
    assert escalation([], [], kept) is None


def test_only_the_device_that_asks_for_it_pauses_the_guest() -> None:
    """Another device's refusal, without ``or_pause``, leaves the guest running."""
    other = Action(GUEST, "unplug", "vdc", {"attached": False}, "band isolated")
    refused = Outcome(other, OutcomeStatus.REFUSED, 9.0, error=NOT_LET_GO)
    waiting = _came(OutcomeStatus.TIMED_OUT)
    assert escalation([OUT, other], [waiting, refused], [_kept("unplug", "vdb", 1.0)]) is None
