"""What the events of real guests are worth."""

from collections.abc import Iterator

import libvirt
import pytest

from collectors.lifecycle import Lifecycle
from tests.lab.fixtures import StartGuests
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.hypervisor import HypervisorSettings, LibvirtHypervisor
from trustd.model import Finding, GuestEvent

pytestmark = pytest.mark.lab


class Ear:
    """What the collector says of one guest, from the events of a real door."""

    def __init__(self, door: LibvirtHypervisor) -> None:
        self._door = door
        self._listener = Lifecycle()
        self._events: list[GuestEvent] = []

    def until(self, uuid: str, what: str, detail: str = "") -> list[Finding]:
        """Wait for an event of a guest; the findings of all of its events up to then."""

        def heard() -> bool:
            self._events.extend(self._door.events())
            return any(
                event.guest == uuid
                and what in (event.kind, event.what)
                and detail in ("", event.detail)
                for event in self._events
            )

        wait_until(heard, f"the event {what} {detail}", seconds=90)
        events, self._events = self._events, []
        findings = self._listener.notice(events, self._door.inventory())
        return [finding for finding in findings if finding.guest == uuid]


@pytest.fixture
def ear(hypervisor: Hypervisor) -> Iterator[Ear]:
    door = LibvirtHypervisor(HypervisorSettings(uri=hypervisor.uri))
    door.start()
    try:
        wait_until(lambda: door.condition().up, "the door is open", seconds=60)
        wait_until(door.resynced, "the inventory was read", seconds=60)
        yield Ear(door)
    finally:
        door.close()


def kinds(findings: list[Finding]) -> list[str]:
    return sorted({finding.kind for finding in findings})


def test_a_revert_is_a_finding_and_a_snapshot_is_none(ear: Ear, guests: StartGuests) -> None:
    """Taking a snapshot says nothing, also one that stops the guest; going back to it does."""
    (guest,) = guests(GuestSpec("reverted"))
    ear.until(guest.uuid, "started", "booted")
    with guest.domain() as domain:
        snapshot = domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
        try:
            assert ear.until(guest.uuid, "resumed") == []
            domain.revertToSnapshot(snapshot)
            found = ear.until(guest.uuid, "resumed", "from-snapshot")
            assert kinds(found) == ["snapshot-revert"]
            domain.suspend()
            domain.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
            assert kinds(ear.until(guest.uuid, "suspended", "from-snapshot")) == ["snapshot-revert"]
            domain.snapshotCreateXML(
                "<domainsnapshot><name>h</name></domainsnapshot>",
                libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_HALT,
            )
            assert ear.until(guest.uuid, "stopped", "from-snapshot") == []
            domain.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)
            assert kinds(ear.until(guest.uuid, "started", "from-snapshot")) == ["snapshot-revert"]
        finally:
            for taken in domain.listAllSnapshots():
                taken.delete()


def test_reboot_crash_save_and_rename_of_a_guest(ear: Ear, guests: StartGuests) -> None:
    """What a guest and its administrator really do is told apart."""
    (guest,) = guests(GuestSpec("busy"))
    assert ear.until(guest.uuid, "started", "booted") == []
    with guest.domain() as domain:
        domain.managedSave()
        assert ear.until(guest.uuid, "stopped", "saved") == []
        domain.create()
        assert kinds(ear.until(guest.uuid, "started", "restored")) == ["restored-from-save"]
        guest.wait_ready()
    guest.crash()
    assert kinds(ear.until(guest.uuid, "crashed", "panicked")) == ["guest-crash"]
    with guest.domain() as domain:
        domain.destroy()
        assert ear.until(guest.uuid, "stopped", "destroyed") == []
        domain.rename("busier")
        found = ear.until(guest.uuid, "defined", "renamed")
        domain.rename("busy")
        domain.create()
        domain.reset()
        assert kinds(ear.until(guest.uuid, "reboot")) == ["guest-reboot", "renamed"]
    assert kinds(found) == ["renamed"]
    assert "busier" in found[0].summary
