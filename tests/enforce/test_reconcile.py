"""The loop around the levers: what it costs, when it tries again, and what it survives."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.enforce.dial import Clock, Dial, Door
from tests.enforce.standing import MemoryLedger
from tests.lab.waiting import wait_until
from trustd.enforce import Desired, Enforcer, EnforceSettings
from trustd.errors import Refused, Unreachable
from trustd.model import Action, GuestEvent, GuestId, Mode, OutcomeStatus

GUEST = GuestId("d5a3c7a0-0000-4000-8000-000000000001")
NARROW = Desired((Action(GUEST, "dial", "", {"at": 1}, "a test"),), Mode.ENFORCE)
NOTHING = Desired((), Mode.ENFORCE)


@pytest.fixture
def parts() -> Any:
    door, dial, clock = Door(), Dial(), Clock()
    settings = EnforceSettings(retry_first=1, retry_most=4, audit=60, patience=60)
    enforcer = Enforcer(door, MemoryLedger(), [dial], settings, clock=clock)
    yield enforcer, door, dial, clock
    enforcer.close()


def test_guests_that_nobody_narrows_cost_no_call(parts: Any) -> None:
    """A thousand guests at peace are a thousand look-ups, tick after tick."""
    enforcer, door, _, clock = parts
    fleet = {GuestId(f"guest-{number}"): NOTHING for number in range(1000)}
    for tick in range(3):
        clock.now = tick * 100
        assert enforcer.reconcile(fleet, at=0.0) == {}
        enforcer.resync()
    assert door.calls == 0
    assert enforcer.unsettled == 0


def test_what_is_held_is_looked_at_now_and_then(parts: Any) -> None:
    """Between two audits a narrowed guest costs no call either; the audit finds what drifted."""
    enforcer, door, dial, clock = parts
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    done = door.calls
    clock.now = 59
    assert enforcer.reconcile({GUEST: NARROW}, at=59.0) == {}
    assert door.calls == done
    assert enforcer.outcomes(GUEST)[0].status is OutcomeStatus.HELD
    dial.state = {"at": 7}  # somebody else, without an event
    clock.now = 61
    told = enforcer.reconcile({}, at=61.0)
    assert told[GUEST][0].status is OutcomeStatus.APPLIED
    assert dial.state == {"at": 1}
    clock.now = 100
    enforcer.resync()
    enforcer.reconcile({}, at=100.0)
    done = door.calls
    clock.now = 122  # the audit that was due has been made already
    enforcer.reconcile({}, at=122.0)
    assert door.calls == done


def test_a_refused_action_is_tried_again_ever_more_slowly(parts: Any) -> None:
    """After 1, 2, 4 and again 4 seconds, and with its reason; then it comes about."""
    enforcer, _, dial, clock = parts
    dial.error = Refused("not now")
    tries = []
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    for second in range(1, 12):
        clock.now = second
        if enforcer.reconcile({}, at=float(second)):
            tries.append(second)
            assert enforcer.outcomes(GUEST)[0].error == "not now"
    assert tries == [1, 3, 7, 11]
    assert enforcer.unsettled == 1
    dial.error = None
    clock.now = 15
    assert enforcer.reconcile({}, at=15.0)[GUEST][0].status is OutcomeStatus.APPLIED
    assert enforcer.unsettled == 0


def test_a_levers_own_bug_is_an_outcome(parts: Any) -> None:
    """What a lever throws unforeseen fails its action and nothing else."""
    enforcer, _, dial, clock = parts
    dial.error = ZeroDivisionError("of all things")
    (outcome,) = enforcer.reconcile({GUEST: NARROW}, at=0.0)[GUEST]
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.error == "ZeroDivisionError: of all things"
    dial.error = None
    clock.now = 2
    assert enforcer.reconcile({}, at=2.0)[GUEST][0].status is OutcomeStatus.APPLIED


def test_what_was_given_back_is_told_once_and_forgotten(parts: Any) -> None:
    """After the tick in which it was restored nothing of the guest is kept."""
    enforcer, door, dial, _ = parts
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    assert enforcer.reconcile({GUEST: NOTHING}, at=1.0)[GUEST][0].status is OutcomeStatus.RESTORED
    assert dial.state == {"at": 9}
    assert enforcer.outcomes(GUEST)[0].status is OutcomeStatus.RESTORED
    enforcer.reconcile({}, at=2.0)
    assert enforcer.outcomes(GUEST) == ()
    done = door.calls
    enforcer.resync()
    enforcer.reconcile({GUEST: NOTHING}, at=3.0)
    assert door.calls == done


def test_a_change_of_mind_is_followed_at_once(parts: Any) -> None:
    """A new desired state does not wait for the pause after a failure."""
    enforcer, _, dial, _ = parts
    dial.error = Refused("not now")
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    dial.error = None
    other = Desired((Action(GUEST, "dial", "", {"at": 2}, "a test"),), Mode.ENFORCE)
    wait_until(
        lambda: enforcer.reconcile({GUEST: other}, at=0.0) != {} or dial.state == {"at": 2},
        "applied",
        seconds=30,
    )
    assert dial.state == {"at": 2}


@pytest.mark.parametrize(
    "kind",
    ["lifecycle", "tunable", "metadata", "device-added", "device-removed", "device-removal-failed"],
)
def test_a_narrowed_guest_is_read_back_after_whatever_may_have_changed_it(
    parts: Any, kind: str
) -> None:
    """After each such event, and after a reconnect, in the same tick; after others not at all."""
    enforcer, door, dial, _ = parts
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    dial.state = {"at": 7}
    enforcer.mark([GuestEvent(GUEST, "a", "agent", 1.0, "connected")])
    assert enforcer.reconcile({}, at=1.0) == {}
    enforcer.mark([GuestEvent(GUEST, "a", kind, 2.0)])
    assert enforcer.reconcile({}, at=2.0)[GUEST][0].status is OutcomeStatus.APPLIED
    dial.state = {"at": 7}
    enforcer.resync()
    assert GUEST in enforcer.reconcile({}, at=3.0)
    done = door.calls
    enforcer.mark([GuestEvent(GuestId("another"), "b", kind, 4.0)])
    enforcer.reconcile({}, at=4.0)
    assert door.calls == done, "an event of a guest that nobody narrows costs no call"


def look(enforcer: Enforcer, clock: Clock, second: float) -> Any:
    """The outcome after somebody's change was announced."""
    clock.now = second
    enforcer.mark([GuestEvent(GUEST, "a", "tunable", second)])
    enforcer.reconcile({}, at=second)
    return enforcer.outcomes(GUEST)[0]


def test_somebody_elses_change_is_told_and_put_back(parts: Any) -> None:
    """The outcome says what they changed, for as long as the action lasts; our own says nothing."""
    enforcer, _, dial, clock = parts
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    assert look(enforcer, clock, 1).foreign == "", "the event of our own write"
    dial.state = {"at": 9}
    outcome = look(enforcer, clock, 2)
    assert (outcome.status, outcome.foreign) == (OutcomeStatus.APPLIED, "at 1 -> 9")
    assert dial.state == {"at": 1}
    assert look(enforcer, clock, 3).status is OutcomeStatus.HELD
    assert enforcer.outcomes(GUEST)[0].foreign == "at 1 -> 9"
    tighter = Desired((Action(GUEST, "dial", "", {"at": 0}, "a test"),), Mode.ENFORCE)
    enforcer.reconcile({GUEST: tighter}, at=4.0)
    assert enforcer.outcomes(GUEST)[0].foreign == "", "it is another action"


def test_a_quarrel_is_answered_ever_more_slowly_and_counted(parts: Any) -> None:
    """Who undoes each answer at once gets the next after 0, 1, 2, 4 and again 4 seconds."""
    enforcer, _, dial, clock = parts
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    answered = []
    for tenth in range(10, 200):
        if dial.state == {"at": 1}:
            dial.state = {"at": 9}
        before = dial.writes
        outcome = look(enforcer, clock, tenth / 10)
        if dial.writes > before:
            answered.append(tenth / 10)
        else:
            assert outcome.status is OutcomeStatus.FAILED
            assert f"changed by somebody else {len(answered) + 1} times" in outcome.error
            assert outcome.foreign == "at 1 -> 9"
            assert tenth / 10 < outcome.again <= tenth / 10 + 4
            assert enforcer.unsettled == 1
    gaps = [round(b - a, 1) for a, b in pairwise(answered)]
    # each change is seen a tenth of a second after the answer before
    assert gaps[:4] == [1.1, 2.1, 4.1, 4.1]
    clock.now = 60.0  # peace
    enforcer.reconcile({}, at=60.0)
    dial.state = {"at": 9}
    assert look(enforcer, clock, 80).status is OutcomeStatus.APPLIED, "at once again"


def test_a_quarrel_is_answered_when_its_pause_is_over(parts: Any) -> None:
    """Without another event too, and not before, at the time that was told."""
    enforcer, door, dial, clock = parts
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    for second in (1, 2, 5):
        dial.state = {"at": 9}
        outcome = look(enforcer, clock, second)
        if outcome.status is OutcomeStatus.FAILED:
            done = door.calls
            clock.now = outcome.again - 0.1
            enforcer.reconcile({}, at=clock.now)
            assert door.calls == done
            clock.now = outcome.again
            enforcer.reconcile({}, at=clock.now)
            assert dial.state == {"at": 1}
    assert (outcome.status, outcome.again) == (OutcomeStatus.FAILED, 7.0)


def test_a_quarrel_delays_no_tightening(parts: Any) -> None:
    """What is newly decided goes out at once, in the middle of a pause."""
    enforcer, _, dial, clock = parts
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    for second in (1, 2):
        dial.state = {"at": 9}
        outcome = look(enforcer, clock, second)
    assert outcome.status is OutcomeStatus.FAILED
    tighter = Desired((Action(GUEST, "dial", "", {"at": 0}, "a test"),), Mode.ENFORCE)
    enforcer.reconcile({GUEST: tighter}, at=2.0)
    assert dial.state == {"at": 0}


def yielding(at: int) -> Desired:
    return Desired((Action(GUEST, "dial", "", {"at": at}, "a test"),), Mode.ENFORCE, yielding=True)


def test_where_the_policy_yields_the_device_is_theirs_until_something_else_is_desired(
    parts: Any,
) -> None:
    """Shown as yielded and not touched; a new wish, or a new run of the guest, ends it."""
    enforcer, door, dial, clock = parts
    enforcer.reconcile({GUEST: yielding(1)}, at=0.0)
    dial.state = {"at": 5}
    outcome = look(enforcer, clock, 1)
    assert (outcome.status, outcome.foreign) == (OutcomeStatus.YIELDED, "at 1 -> 5")
    dial.state = {"at": 6}
    outcome = look(enforcer, clock, 200)
    assert (outcome.status, outcome.at) == (OutcomeStatus.YIELDED, 1)
    assert enforcer.unsettled == 0
    assert dial.state == {"at": 6}
    enforcer.reconcile({GUEST: yielding(2)}, at=201.0)
    assert dial.state == {"at": 2}
    dial.state = {"at": 5}
    assert look(enforcer, clock, 202).status is OutcomeStatus.YIELDED
    door.domain.run = 2
    assert look(enforcer, clock, 203).status is OutcomeStatus.APPLIED
    assert dial.state == {"at": 2}


def test_what_was_yielded_stays_so_over_a_restart_and_is_theirs_afterwards() -> None:
    """The ledger knows; giving back leaves what they set."""
    door, dial, ledger = Door(), Dial(), MemoryLedger()
    for second, wanted in enumerate((yielding(1), yielding(1))):
        enforcer = Enforcer(door, ledger, [dial], EnforceSettings(patience=60))
        if second == 0:
            enforcer.reconcile({GUEST: wanted}, at=0.0)
            dial.state = {"at": 9}  # which is also what was there before
            enforcer.resync()
        (outcome,) = enforcer.reconcile({GUEST: wanted}, at=1.0)[GUEST]
        assert outcome.status is OutcomeStatus.YIELDED
        assert dial.state == {"at": 9}
        enforcer.close()
    dial.state = {"at": 8}
    enforcer = Enforcer(door, ledger, [dial], EnforceSettings(patience=60))
    enforcer.reconcile({GUEST: NOTHING}, at=2.0)
    enforcer.close()
    assert dial.state == {"at": 8}
    assert not ledger.kept


def test_what_was_cut_off_is_nobodys_change(parts: Any) -> None:
    """After a crash before the act the state of before is there, and nobody is blamed for it."""
    _, door, dial, _ = parts
    ledger = MemoryLedger()
    for present, foreign in (({"at": 9}, ""), ({"at": 4}, "at 1 -> 4")):
        dial.state = {"at": 9}
        first = Enforcer(door, ledger, [dial], EnforceSettings(patience=60))
        first.reconcile({GUEST: NARROW}, at=0.0)
        first.close()
        dial.state = present
        second = Enforcer(door, ledger, [dial], EnforceSettings(patience=60))
        (outcome,) = second.reconcile({GUEST: NARROW}, at=1.0)[GUEST]
        assert (outcome.status, outcome.foreign) == (OutcomeStatus.APPLIED, foreign)
        second.reconcile({GUEST: NOTHING}, at=2.0)
        second.close()


def test_a_failure_says_how_often_and_when_again(parts: Any) -> None:
    """Who looks at a refused action sees the number of tries and the time of the next."""
    enforcer, _, dial, clock = parts
    dial.error = Refused("not now")
    enforcer.reconcile({GUEST: NARROW}, at=100.0)
    (outcome,) = enforcer.outcomes(GUEST)
    assert (outcome.tries, outcome.again) == (1, 101.0)
    clock.now = 1
    enforcer.reconcile({}, at=101.0)
    (outcome,) = enforcer.outcomes(GUEST)
    assert (outcome.tries, outcome.again) == (2, 103.0)
    dial.error = None
    clock.now = 3
    enforcer.reconcile({}, at=103.0)
    (outcome,) = enforcer.outcomes(GUEST)
    assert (outcome.tries, outcome.again) == (0, 0.0)


def known(enforcer: Enforcer, guests: list[GuestId], clock: Clock) -> Callable[[], bool]:
    def asked() -> bool:
        clock.now += 1
        enforcer.examine(guests)
        return enforcer.health["dial"].available is not None

    return asked


def test_a_lever_that_this_host_cannot_pull_is_taken_away_until_it_can(parts: Any) -> None:
    """The plan does without it, what asks for it is refused with the reason; a reconnect asks
    again, and nobody is asked where nothing may be acted upon."""
    enforcer, door, dial, clock = parts
    assert enforcer.levers == {"dial"}
    enforcer.examine([])
    assert door.calls == 0
    dial.why = "the kernel has no dials"
    wait_until(known(enforcer, [GUEST], clock), "asked", seconds=30)
    assert not enforcer.health["dial"].available
    assert enforcer.levers == frozenset()
    (outcome,) = enforcer.reconcile({GUEST: NARROW}, at=0.0)[GUEST]
    assert outcome.status is OutcomeStatus.REFUSED
    assert "the kernel has no dials" in outcome.error
    dial.why = ""
    done = door.calls
    enforcer.examine([GUEST])
    assert door.calls == done, "once is enough"
    enforcer.resync()

    def works() -> bool:
        enforcer.examine([GUEST])
        enforcer.reconcile({}, at=1.0)
        return enforcer.outcomes(GUEST)[0].status is OutcomeStatus.HELD

    wait_until(works, "asked again, and narrowed", seconds=30)
    assert dial.state == {"at": 1}


def test_a_guest_that_does_not_answer_does_not_keep_the_levers_unknown(parts: Any) -> None:
    """Another guest is asked the next time."""
    enforcer, door, _, clock = parts
    other = GuestId("d5a3c7a0-0000-4000-8000-000000000002")
    door.error = Unreachable("gone")

    def tried() -> bool:
        enforcer.examine([GUEST, other])
        clock.now += 1
        return len(door.asked) >= 2

    wait_until(tried, "both were asked", seconds=30)
    assert set(door.asked) == {GUEST, other}
    assert enforcer.health["dial"].available is None
    assert enforcer.levers == {"dial"}, "a lever of which nothing is known is tried"
    door.error = None
    wait_until(known(enforcer, [GUEST, other], clock), "asked", seconds=30)
    assert enforcer.health["dial"].available


def test_a_held_fleet_costs_only_what_changed(parts: Any) -> None:
    """With a thousand guests held, a tick looks at none; one event makes it look at one."""
    enforcer, door, _, clock = parts
    fleet = {GuestId(f"guest-{number:04}"): None for number in range(1000)}
    wanted = {
        guest: Desired((Action(guest, "dial", "", {"at": 1}, "a test"),), Mode.ENFORCE)
        for guest in fleet
    }
    wait_until(
        lambda: enforcer.reconcile(wanted, at=0.0) == {} and not enforcer.unsettled,
        "all are held",
        seconds=30,
    )
    done = door.calls
    clock.now = 1
    assert enforcer.reconcile({}, at=1.0) == {}
    assert door.calls == done
    enforcer.mark([GuestEvent(GuestId("guest-0500"), "a", "tunable", 1.0)])
    assert set(enforcer.reconcile({}, at=2.0)) == {"guest-0500"}
    assert door.calls == done + 1
