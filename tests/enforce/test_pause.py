"""A guest that is paused, and goes on."""

import libvirt
import pytest

from collectors.lifecycle import Lifecycle
from tests.enforce.standing import (
    MemoryLedger,
    action,
    everything,
    reconciled,
    statuses,
)
from tests.lab.errors import LabError
from tests.lab.guest import Guest
from trustd.enforce import Enforcer
from trustd.model import GuestEvent, GuestId, Setting

pytestmark = pytest.mark.lab

PAUSED: Setting = {"paused": True}


def _stands_still(guest: Guest) -> bool:
    with guest.domain() as domain:
        return bool(domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED)


def test_a_paused_guest_answers_nobody_and_goes_on_as_it_was(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """No command is obeyed while it is paused; afterwards the same run goes on."""
    boot = subject.wait_ready()
    before = everything(subject)
    applied = reconciled(enforcer, subject, action(subject, "pause", PAUSED))
    assert statuses(applied) == ["applied"]
    assert _stands_still(subject)
    with pytest.raises(LabError):
        subject.wait_ready(seconds=2)
    subject.close()

    assert statuses(reconciled(enforcer, subject)) == ["restored"]
    assert subject.wait_ready() == boot
    assert everything(subject) == before
    assert not ledger.kept


def test_a_guest_that_an_operator_paused_stays_paused(
    subject: Guest, enforcer: Enforcer, ledger: MemoryLedger
) -> None:
    """Whom trustd did not stop it does not start."""
    with subject.domain() as domain:
        domain.suspend()
        try:
            held = reconciled(enforcer, subject, action(subject, "pause", PAUSED))
            assert statuses(held) == ["held"]
            reconciled(enforcer, subject)
            assert _stands_still(subject)
            assert not ledger.kept
        finally:
            domain.resume()
    subject.wait_ready()


def test_who_resumes_it_finds_it_paused_again(subject: Guest, enforcer: Enforcer) -> None:
    """An operator releases a guest through trustd; a resume past it does not hold."""
    identity = GuestId(subject.uuid)
    reconciled(enforcer, subject, action(subject, "pause", PAUSED))
    with subject.domain() as domain:
        domain.resume()
    enforcer.mark([GuestEvent(identity, subject.name, "lifecycle", 2.0, "resumed", "unpaused")])
    assert statuses(enforcer.reconcile({}, at=2.0)[identity]) == ["applied"]
    assert _stands_still(subject)
    reconciled(enforcer, subject)
    subject.wait_ready()


def test_a_new_run_of_a_paused_guest_is_paused_too(subject: Guest, enforcer: Enforcer) -> None:
    """Destroying and starting a guest is no way out."""
    identity = GuestId(subject.uuid)
    reconciled(enforcer, subject, action(subject, "pause", PAUSED))
    subject.destroy()
    subject.start()
    enforcer.resync()
    assert statuses(enforcer.reconcile({}, at=2.0)[identity]) == ["applied"]
    assert _stands_still(subject)
    reconciled(enforcer, subject)
    subject.wait_ready()


def test_being_paused_is_no_evidence_against_a_guest(subject: Guest) -> None:
    """What trustd does to a guest does not make the guest worse."""
    identity = GuestId(subject.uuid)
    events = [
        GuestEvent(identity, subject.name, "lifecycle", 1.0, "suspended", "paused"),
        GuestEvent(identity, subject.name, "lifecycle", 2.0, "resumed", "unpaused"),
    ]
    assert not Lifecycle().notice(events, {})
