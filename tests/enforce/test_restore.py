"""Giving everything back before trustd ends, also where that does not come about."""

import time

from tests.enforce.dial import Dial, Door
from tests.enforce.standing import MemoryLedger, statuses
from trustd.enforce import Desired, Enforcer, EnforceSettings
from trustd.errors import Refused
from trustd.model import Action, GuestId, Mode

GUEST = GuestId("d5a3c7a0-0000-4000-8000-000000000001")
NARROW = Desired((Action(GUEST, "dial", "", {"at": 1}, "a test"),), Mode.ENFORCE)


def test_waiting_for_another_try_costs_next_to_nothing() -> None:
    """Between two tries there is nothing to wait for, and no processor is kept busy until then."""
    dial, ledger, looks = Dial(), MemoryLedger(), [0]

    def clock() -> float:
        looks[0] += 1
        return time.monotonic()

    settings = EnforceSettings(retry_first=60, patience=60)
    enforcer = Enforcer(Door(), ledger, [dial], settings, clock=clock)
    enforcer.reconcile({GUEST: NARROW}, at=0.0)
    dial.error, looks[0] = Refused("not now"), 0
    told = enforcer.restore_all(at=1.0, within=0.5)
    enforcer.close()
    assert statuses(told[GUEST]) == ["refused"]
    assert ledger.kept, "the next run of trustd gives it back"
    assert looks[0] < 200
