"""The loop around the levers: what it costs, when it tries again, and what it survives."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.enforce.standing import MemoryLedger
from tests.lab.waiting import wait_until
from trustd.enforce import Desired, Enforcer, EnforceSettings
from trustd.errors import Refused
from trustd.model import Action, GuestId, Mode, OutcomeStatus, Setting


class OneGuest:
    """A domain that always runs; a lever keeps its state."""

    def ID(self) -> int:  # noqa: N802 - libvirt's name
        return 1


class Door:
    """A door to any number of such guests."""

    calls = 0

    def call(self, guest: GuestId, act: Callable[[Any], Any], *, timeout: float = 10.0) -> Any:
        self.calls += 1
        return act(OneGuest())


class Dial:
    """A lever on a number; raises ``error`` instead, while there is one."""

    name = "dial"

    def __init__(self) -> None:
        self.state: Setting = {"at": 9}
        self.error: Exception | None = None

    def probe(self, domain: Any) -> str:
        return ""

    def read(self, domain: Any, device: str, *, config: bool = False) -> Setting:
        return self.state

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:
        return {"at": min(int(prior["at"]), int(wanted["at"]))}

    def loosens(self, before: Setting, after: Setting) -> bool:
        return int(after["at"]) > int(before["at"])

    def facet(self, key: str) -> str:
        return key

    def write(self, domain: Any, device: str, state: Setting) -> None:
        if self.error is not None:
            raise self.error
        self.state = state


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


GUEST = GuestId("d5a3c7a0-0000-4000-8000-000000000001")
NARROW = Desired((Action(GUEST, "dial", "", {"at": 1}, "a test"),), Mode.ENFORCE)
NOTHING = Desired((), Mode.ENFORCE)


@pytest.fixture
def parts() -> Any:
    door, dial, clock = Door(), Dial(), Clock()
    settings = EnforceSettings(retry_first=1, retry_most=4, audit=60, patience=5)
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
        seconds=1,
    )
    assert dial.state == {"at": 2}
