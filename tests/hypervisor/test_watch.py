"""The inventory and the events follow what really happens to guests."""

from __future__ import annotations

from collections.abc import Callable

import libvirt
import pytest

from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import LABELS
from tests.lab.waiting import wait_until
from trustd.hypervisor import LibvirtHypervisor
from trustd.model import Guest, GuestEvent, GuestState

pytestmark = pytest.mark.lab

Heard = list[GuestEvent]
HOSTILE = "<b>\"'&amp; ../../etc $(reboot) \N{RIGHT-TO-LEFT OVERRIDE}"


@pytest.fixture
def connected(door: LibvirtHypervisor, fleet: Hypervisor) -> LibvirtHypervisor:
    wait_until(door.resynced, "the inventory was read", seconds=60)
    assert not door.resynced()
    assert set(door.inventory()) == {guest.uuid for guest in fleet.guests}
    return door


def test_the_first_tick_finds_every_guest(door, fleet):
    """Beginning to connect ends with the first inventory, so that no guest appears a tick late."""
    assert set(door.inventory()) == {guest.uuid for guest in fleet.guests}


@pytest.fixture
def heard(connected: LibvirtHypervisor) -> Callable[..., Heard]:
    """Collects events until one is of this kind, and tells them all."""
    events: Heard = []

    def until(kind: str, what: str = "", detail: str = "") -> Heard:
        def found() -> bool:
            events.extend(connected.events())
            return any(
                event.kind == kind and what in ("", event.what) and detail in ("", event.detail)
                for event in events
            )

        wait_until(found, f"an event {kind} {what} {detail}", seconds=60)
        return events

    return until


def definition(name: str, metadata: str = "") -> str:
    escaped = name.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f"<domain type='qemu'><name>{escaped}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>"
        f"<metadata>{metadata}</metadata><os><type machine='q35'>hvm</type></os></domain>"
    )


def test_an_inventory_holds_devices_and_labels(connected, fleet):
    """Every disk has its identity, every interface its tap, every label its value."""
    known = connected.inventory()[fleet.guests[1].uuid]
    assert known.name == "g0"
    assert known.state is GuestState.RUNNING
    assert known.labels == {"app": "web"}
    assert known.memory == 96 * 1024 * 1024
    assert known.balloon_period == 2
    assert [disk.identity for disk in known.disks] == [fleet.guests[1].spec.disk_path(0)]
    (nic,) = known.nics
    assert nic.network == "default"
    assert nic.mac == fleet.guests[1].spec.mac(0)
    assert nic.tap.startswith("vnet")
    assert nic.link


def test_a_guest_without_devices_is_known(connected, fleet):
    """No disk, no interface, no balloon: still a guest."""
    known = connected.inventory()[fleet.guests[0].uuid]
    assert known.name == "bare"
    assert (known.disks, known.nics, known.balloon_period) == ((), (), 0)


def test_stop_and_start_are_heard_and_the_inventory_agrees(connected, heard, fleet):
    """When an event is given out, the inventory already holds what it announced."""
    guest = fleet.guests[7]
    guest.destroy()
    try:
        (stopped,) = [e for e in heard("lifecycle", "stopped") if e.what == "stopped"]
        told = (stopped.guest, stopped.name, stopped.detail)
        assert told == (guest.uuid, guest.name, "destroyed")
        assert connected.inventory()[guest.uuid].state is GuestState.SHUTOFF
        assert connected.inventory()[guest.uuid].nics[0].tap == ""
    finally:
        guest.start()
    heard("lifecycle", "started", "booted")
    assert connected.inventory()[guest.uuid].state is GuestState.RUNNING
    assert connected.inventory()[guest.uuid].nics[0].tap.startswith("vnet")
    guest.wait_ready(seconds=240)


def test_a_guest_keeps_its_identity_through_a_rename_and_goes_when_undefined(
    connected, heard, fleet
):
    """A rename is heard as undefined and defined of one UUID; only undefining forgets it."""
    with fleet.connection() as rw:
        domain = rw.defineXML(definition("before"))
        try:
            uuid = domain.UUIDString()
            heard("lifecycle", "defined", "added")
            assert connected.inventory()[uuid].name == "before"
            domain.rename("after")
            heard("lifecycle", "defined", "renamed")
            assert connected.inventory()[uuid].name == "after"
        finally:
            domain.undefine()
    events = heard("lifecycle", "undefined", "removed")
    assert {event.guest for event in events} == {uuid}
    assert uuid not in connected.inventory()


def test_hostile_names_and_metadata_stay_data(connected, heard, fleet):
    """Markup, shell and direction marks in a name, and oversized labels, change nothing else."""
    labels = "".join(
        f"<t:label key='{key}'>{value}</t:label>"
        for key, value in [
            ("name", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("long", "x" * 5000),
            ("k" * 200, "long key"),
            ("name", "second"),
            *((f"n{number}", "v") for number in range(200)),
        ]
    )
    metadata = f"<t:guest xmlns:t='{LABELS}'>{labels}</t:guest><o:x xmlns:o='urn:o'/>"
    with fleet.connection() as rw:
        # A slash is the one character that libvirt does not take in a name.
        name = HOSTILE.replace("/", "|")
        domain = rw.defineXML(definition(name, metadata))
        uuid = domain.UUIDString()
        try:
            heard("lifecycle", "defined", "added")
            known = connected.inventory()[uuid]
            assert known.name == name
            assert known.labels["name"] == "<script>alert(1)</script>"
            assert "long" not in known.labels
            assert len(known.labels) == 64
            assert door_sees(connected, uuid) is GuestState.SHUTOFF
        finally:
            domain.undefine()


def door_sees(door: LibvirtHypervisor, uuid: str) -> GuestState:
    return door.sample().guests[uuid].state


def test_labels_follow_their_metadata(connected, heard, fleet):
    """A label that the host sets on a running guest is known when the change is heard."""
    guest = fleet.guests[2]
    document = f"<t:guest xmlns:t='{LABELS}'><t:label key='app'>{{}}</t:label></t:guest>"
    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    with guest.domain() as domain:
        domain.setMetadata(kind, document.format("db"), "trustd", LABELS, flags)
        try:
            (event,) = [e for e in heard("metadata", "element") if e.kind == "metadata"]
            assert event.facts == {"namespace": LABELS}
            assert connected.inventory()[guest.uuid].labels == {"app": "db"}
        finally:
            domain.setMetadata(kind, document.format("web"), "trustd", LABELS, flags)


def test_hot_plugged_devices_come_and_go(connected, heard, fleet):
    """A disk and an interface plugged into a running guest are in the inventory, and leave it."""
    guest = fleet.guests[3]
    fleet.run("truncate", "-s", "1M", "/var/lib/libvirt/images/extra.raw")
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        "<source file='/var/lib/libvirt/images/extra.raw'/><target dev='vdx' bus='virtio'/>"
        "<alias name='ua-extra-disk'/></disk>"
    )
    nic = (
        "<interface type='network'><source network='default'/><mac address='52:54:00:AA:BB:CC'/>"
        "<model type='virtio'/><alias name='ua-extra-nic'/></interface>"
    )

    def known() -> Guest:
        return connected.inventory()[guest.uuid]

    def both_in() -> bool:
        return len(known().disks) == 2 and len(known().nics) == 2

    def both_out() -> bool:
        return len(known().disks) == 1 and len(known().nics) == 1

    before = guest.devices()
    with guest.domain() as domain:
        for device in (disk, nic):
            domain.attachDeviceFlags(device, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        wait_until(both_in, "both devices are in the inventory", seconds=60)
        assert known().disks[1].identity == "/var/lib/libvirt/images/extra.raw"
        assert known().disks[1].alias == "ua-extra-disk"
        assert known().nics[1].mac == "52:54:00:aa:bb:cc"
        events = heard("device-added")
        assert {e.guest for e in events if e.kind == "device-added"} == {guest.uuid}
        # a guest that has not met a device yet does not hear that it is to let go of it
        wait_until(
            lambda: len(guest.devices()) == len(before) + 2, "the guest has both", seconds=90
        )
        for alias in ("ua-extra-disk", "ua-extra-nic"):
            domain.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait_until(both_out, "both devices left the inventory", seconds=90)

    def removed() -> set[str | int]:
        return {e.facts["alias"] for e in heard("device-removed") if e.kind == "device-removed"}

    wait_until(lambda: "ua-extra-disk" in removed(), "the disk's removal is heard", seconds=60)


def test_a_changed_limit_says_which(connected, heard, fleet):
    """Whoever touches a guest's limits is heard, with the keys that changed."""
    guest = fleet.guests[4]
    with guest.domain() as domain:
        domain.setBlockIoTune("vda", {"write_iops_sec": 5000}, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        try:
            event = next(e for e in heard("tunable") if e.kind == "tunable")
            assert event.facts["blkdeviotune.disk"] == "vda"
            assert event.facts["blkdeviotune.write_iops_sec"] == 5000
        finally:
            domain.setBlockIoTune("vda", {"write_iops_sec": 0}, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def test_a_reboot_is_heard(connected, heard, fleet):
    """A guest that reboots itself is heard."""
    fleet.guests[5].reboot()
    assert fleet.guests[5].uuid in {e.guest for e in heard("reboot") if e.kind == "reboot"}


def test_a_revert_to_a_snapshot_is_heard_as_such(connected, heard, fleet):
    """A revert emits nothing but lifecycle events, and they say what it was."""
    guest = fleet.guests[6]
    with guest.domain() as domain:
        domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
        snapshot = domain.snapshotLookupByName("s")
        domain.revertToSnapshot(snapshot)
        try:
            events = heard("lifecycle", detail="from-snapshot")
        finally:
            snapshot.delete()
            del snapshot
    assert {event.guest for event in events if event.detail == "from-snapshot"} == {guest.uuid}


def test_a_flood_of_events_is_told_as_a_resync(connected, heard, fleet):
    """Who does not fetch events in time loses the flooding guest's, knows it, and no other's."""
    noisy, quiet = fleet.guests[2], fleet.guests[4]
    live, title = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_METADATA_TITLE
    with noisy.domain() as domain:
        for number in range(300):
            domain.setMetadata(title, f"title {number}", None, None, live)
        domain.setMetadata(title, None, None, None, live)
    with quiet.domain() as domain:
        domain.suspend()
        domain.resume()
    # each of them has arrived, and none was fetched meanwhile
    lost = 301 - 256
    wait_until(lambda: connected.events_dropped >= lost, "the loss is counted", seconds=60)
    wait_until(connected.resynced, "the loss is told", seconds=60)
    events = heard("lifecycle", "resumed")
    assert sum(event.guest == noisy.uuid for event in events) == 256
    assert connected.events_dropped == lost
    assert {event.guest for event in events} == {noisy.uuid, quiet.uuid}
