"""What the emulator probe says of real QEMUs: nothing, whatever libvirt does with them."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import libvirt
import pytest

from collectors.emulator import Emulator
from collectors.qemu_process import Emulators
from tests.lab.fixtures import StartGuests, StartHypervisor
from tests.lab.guest import Guest as LabGuest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import Disk as DiskSpec
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.errors import NoData
from trustd.model import Disk, Finding, Guest, GuestId, GuestState, Nic

pytestmark = pytest.mark.lab


class Watch:
    """A probe that looks at some guests all the time, from its own thread."""

    def __init__(self, *guests: Guest) -> None:
        self._guests = guests
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.emulator = Emulator(Emulators(rescan=0.0))
        self.findings: list[Finding] = []
        self.looks = 0

    def _look(self) -> None:
        while not self._end.is_set():
            for guest in self._guests:
                try:
                    self.findings.extend(self.emulator.probe(guest, at=time.time()).findings)
                    self.looks += 1
                except NoData:
                    continue
            self._end.wait(0.02)

    @contextmanager
    def watching(self) -> Iterator["Watch"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._end.set()
            self._thread.join()

    def more(self, looks: int = 3) -> None:
        """Wait until it has looked a few times more."""
        enough = self.looks + looks
        wait_until(lambda: self.looks >= enough, "the probe sees the guest", seconds=90)


def known(guest: LabGuest, state: GuestState = GuestState.RUNNING) -> Guest:
    with guest.domain() as domain:
        xml = domain.XMLDesc()
    source = xml.partition("<source file='")[2].partition("'")[0]
    tap = xml.partition("<target dev='vnet")[2].partition("'")[0]
    return Guest(
        GuestId(guest.uuid),
        guest.name,
        state=state,
        disks=(Disk("vda", source),),
        nics=(Nic("52:54:00:00:00:00", "default", tap=f"vnet{tap}"),),
    )


VNC = "<graphics type='vnc' port='-1' autoport='yes' websocket='-1' listen='127.0.0.1'/>"
SERIAL = (
    "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/>"
    "<protocol type='raw'/></serial>"
)
PORTS = (
    "<controller type='pci' index='0' model='pcie-root'/>",
    *(f"<controller type='pci' index='{n}' model='pcie-root-port'/>" for n in range(1, 11)),
)


def test_nothing_that_libvirt_does_with_a_guest_is_a_finding(guests: StartGuests) -> None:
    """Pause, snapshot, revert, hot-plug, reset, save and restore leave the probe silent."""
    spec = GuestSpec("watched", disks=(DiskSpec(),), devices=(VNC, SERIAL, *PORTS))
    (mine,) = guests(spec)
    guest = known(mine)
    with Watch(guest).watching() as watch, mine.domain() as domain:
        watch.more()
        domain.suspend()
        watch.more()
        domain.resume()
        snapshot = domain.snapshotCreateXML("<domainsnapshot><name>one</name></domainsnapshot>")
        watch.more()
        domain.revertToSnapshot(snapshot)
        watch.more()
        snapshot.delete()
        source = guest.disks[0].identity
        second = f"{source}.second"
        mine.hypervisor.run("qemu-img", "create", "-q", "-f", "raw", second, "8M")
        disk = (
            f"<disk type='file'><driver name='qemu' type='raw'/><source file='{second}'/>"
            "<target dev='vdb' bus='virtio'/></disk>"
        )
        domain.attachDevice(disk)
        nic = (
            "<interface type='network'><mac address='52:54:00:12:34:56'/>"
            "<source network='default'/><model type='virtio'/></interface>"
        )
        domain.attachDevice(nic)
        watch.more()
        # a guest that has not met a device yet does not hear that it is to let go of it
        wait_until(lambda: len(mine.devices()) == 4, "it has two of each", seconds=90)
        domain.detachDevice(nic)
        domain.detachDevice(disk)
        wait_until(lambda: second not in domain.XMLDesc(), "the disk is gone", seconds=90)
        overlay = (
            "<domainsnapshot><disks><disk name='vda' snapshot='external'>"
            f"<source file='{source}.overlay'/></disk></disks></domainsnapshot>"
        )
        domain.snapshotCreateXML(
            overlay,
            libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
            | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA,
        )
        watch.more()
        domain.reset()
        watch.more()
        domain.managedSave()
        domain.create()
        watch.more()
    assert watch.findings == []
    assert watch.looks >= 24


def test_a_guest_that_migrates_is_no_finding_on_either_side(
    another_hypervisor: StartHypervisor, guests: StartGuests, shared: Path
) -> None:
    """Neither the emulator that a guest leaves nor the one that it moves to is a finding."""
    there = another_hypervisor("there")
    disk = shared / "traveller.raw"
    with disk.open("wb") as empty:
        empty.truncate(8 << 20)
    (mine,) = guests(GuestSpec("traveller", disks=(DiskSpec(format="raw", path=str(disk)),)))
    sockets = shared / "sockets"
    sockets.mkdir(exist_ok=True)
    sockets.chmod(0o777)
    there.path(f"/run/lab/guests/{mine.uuid}").mkdir(parents=True)  # of its serial log
    guest = known(mine)
    arriving = replace(guest, state=GuestState.PAUSED)
    with Watch(guest, arriving).watching() as watch, mine.domain() as domain:
        watch.more()
        destination = libvirt.open(there.uri)
        try:
            domain.migrate3(
                destination,
                {libvirt.VIR_MIGRATE_PARAM_URI: f"unix://{sockets}/migration"},
                libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_UNSAFE,
            )
            watch.more()
            assert destination.lookupByUUIDString(mine.uuid).isActive()
            destination.lookupByUUIDString(mine.uuid).destroy()
        finally:
            destination.close()
    assert watch.findings == []


LOOK = """
import json, sys, time
from collectors.emulator import Emulator
from trustd.model import Guest, GuestId
from collectors.qemu_process import Emulators
emulators = Emulators()
process = emulators.find(GuestId(sys.argv[1]), at=time.time())
sight = emulators.look(process, at=time.time())
probed = Emulator(emulators).probe(Guest(GuestId(sys.argv[1]), "x"), at=time.time())
print(json.dumps([process.pid, sight.executable, len(sight.files), len(probed.findings)]))
"""


def test_on_the_host_the_process_is_the_one_of_libvirt(
    hypervisor: Hypervisor, guest: LabGuest
) -> None:
    """Where libvirt's pid files are, the guest's process is the one that they name."""
    answer = hypervisor.run(sys.executable, "-c", LOOK, guest.uuid, capture_output=True, text=True)
    pid, executable, files, findings = json.loads(answer.stdout)
    assert pid == guest.pid_inside
    assert Path(executable).name.startswith("qemu-system-")
    assert files > 3
    assert findings == 0
