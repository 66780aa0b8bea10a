"""A device that was plugged in again is watched until it stays, however long all else takes."""

from typing import Any

from tests.enforce.dial import Clock, Dial, Door
from tests.enforce.standing import MemoryLedger, statuses
from trustd.enforce import Desired, Enforcer, EnforceSettings
from trustd.model import Action, GuestId, Mode, Setting

GUEST = GuestId("d5a3c7a0-0000-4000-8000-000000000001")
WATCHED = 15


class _Plug(Dial):
    """A device that is there (9) or is not (1)."""

    name = "plug"
    removing = True


class _Lasting(Dial):
    """Each change takes a second."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def write(self, domain: Any, device: str, state: Setting) -> None:
        self._clock.now += 1
        super().write(domain, device, state)


def _wanted(*levers: str) -> dict[GuestId, Desired]:
    actions = tuple(Action(GUEST, each, "", {"at": 1}, "a test") for each in levers)
    return {GUEST: Desired(actions, Mode.ENFORCE)}


def test_a_device_that_has_stayed_while_something_else_was_done_is_forgotten() -> None:
    """Its time ends in the middle of a tick: it is looked at in the next one, at no audit."""
    clock, ledger = Clock(), MemoryLedger()
    levers = [_Plug(), _Lasting(clock)]
    settings = EnforceSettings(audit=3600, patience=60, returned=WATCHED)
    enforcer = Enforcer(Door(), ledger, levers, settings, clock=clock)
    enforcer.reconcile(_wanted("plug", "dial"), at=0.0)
    told = enforcer.reconcile(_wanted("dial"), at=1.0)[GUEST]
    assert sorted(statuses(told)) == ["held", "restored"]
    plugged_in = clock.now
    clock.now = plugged_in + WATCHED - 0.1
    assert statuses(enforcer.reconcile(_wanted(), at=2.0)[GUEST]) == ["restored"]
    assert clock.now > plugged_in + WATCHED
    assert ledger.kept, "when it was looked at its time was not over"
    clock.now += 0.1
    enforcer.reconcile({}, at=3.0)
    enforcer.close()
    assert not ledger.kept
