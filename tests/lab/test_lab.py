"""Guests of the lab behave as told, libvirt sees it, and limits are felt inside."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from xml.etree import ElementTree as ET

import libvirt
import pytest

from tests.lab.errors import LabError
from tests.lab.fixtures import StartGuests, StartHypervisor
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import LABELS, MIB, Disk, GuestSpec
from tests.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


def per_second(guest: Guest, counter: str, *, seconds: float = 3.0) -> float:
    """What libvirt counts for a guest, a second."""

    def read() -> tuple[float, int]:
        before = time.monotonic()
        with guest.domain() as domain:
            ((_, stats),) = domain.connect().domainListGetStats([domain])
        return before, stats[counter]

    began, first = read()
    time.sleep(seconds)
    ended, last = read()
    return (last - first) / (ended - began)


def state(guest: Guest) -> int:
    with guest.domain() as domain:
        return int(domain.state()[0])


def set_link(guest: Guest, link: str) -> None:
    """Change the link of its only interface, whatever that says of a link now."""
    with guest.domain() as domain:
        interface = ET.fromstring(domain.XMLDesc()).find("devices/interface")  # noqa: S314 - libvirt's
        assert interface is not None
        for said in interface.findall("link"):
            interface.remove(said)
        ET.SubElement(interface, "link", state=link)
        domain.updateDeviceFlags(ET.tostring(interface, encoding="unicode"), LIVE)


def test_libvirt_answers_outside_on_both_sockets(hypervisor: Hypervisor) -> None:
    """Both sockets answer outside; the read-only one refuses changes; the network is up."""
    with hypervisor.connection() as connection:
        assert connection.networkLookupByName("default").isActive()
        assert connection.nwfilterLookupByName("clean-traffic")
    readonly = libvirt.openReadOnly(hypervisor.uri_readonly)
    try:
        assert readonly.getHostname() == hypervisor.name
        with pytest.raises(libvirt.libvirtError, match="read only access"):
            readonly.defineXML("<domain/>")
    finally:
        readonly.close()


def test_labels_are_in_the_metadata(guest: Guest) -> None:
    """A guest's labels are where trustd looks for them."""
    with guest.domain() as domain:
        labels = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, LABELS)
    assert re.search(r'<(\w+:)?label key="app">web<', labels)


def test_a_quiet_guest_is_calm(guest: Guest) -> None:
    """A guest without a behaviour costs next to nothing and touches nothing."""
    wait_until(lambda: per_second(guest, "cpu.time", seconds=2) < 0.05e9, "calm", seconds=60)
    wait_until(lambda: per_second(guest, "block.0.wr.bytes") == 0, "nothing written", seconds=60)
    wait_until(lambda: per_second(guest, "net.0.tx.pkts") < 3, "nothing sent", seconds=60)


@pytest.mark.parametrize(
    ("behave", "counter", "expected"),
    [
        (lambda guest: guest.burn(0.1), "cpu.time", 0.1e9),
        (lambda guest: guest.write(1_000_000), "block.0.wr.bytes", 1_000_000),
        (lambda guest: guest.read(500_000, block=4096), "block.0.rd.bytes", 500_000),
        (lambda guest: guest.flood(200, size=500), "net.0.tx.pkts", 200),
        (lambda guest: guest.scan("ports", tries=30), "net.0.tx.pkts", 30),
    ],
    ids=["burn", "write", "read", "flood", "scan"],
)
def test_libvirt_sees_the_behaviour_at_its_rate(
    guest: Guest, behave: Callable[[Guest], None], counter: str, expected: float
) -> None:
    """A commanded rate is what libvirt counts, and it ends with ``quiet``."""
    behave(guest)
    # More than one look, as a busy machine takes its share of the guest's time.
    wait_until(
        lambda: per_second(guest, counter, seconds=2) == pytest.approx(expected, rel=0.4),
        f"{counter} grows by about {expected:g} a second",
        seconds=120,
    )
    guest.quiet()
    wait_until(  # what was under way may end after the answer
        lambda: per_second(guest, counter, seconds=1) < expected / 2, "it ends", seconds=60
    )


def test_a_scan_of_hosts_asks_for_addresses_that_nobody_has(guest: Guest) -> None:
    """The scan of hosts is seen as a stream of small packets."""
    guest.scan("hosts", tries=20)
    wait_until(lambda: per_second(guest, "net.0.tx.pkts") > 10, "ten a second", seconds=60)


def test_held_memory_is_seen_by_the_balloon(guest: Guest) -> None:
    """Memory that the guest fills is gone from what its balloon reports usable."""

    def usable() -> int:
        with guest.domain() as domain:
            return int(domain.memoryStats()["usable"])

    wait_until(lambda: usable() > 25 * 1024, "the balloon reports", seconds=60)
    guest.hold(20)
    wait_until(lambda: usable() < 20 * 1024, "20 MiB fewer are usable", seconds=60)
    guest.quiet("hold")
    wait_until(lambda: usable() > 25 * 1024, "they are usable again", seconds=60)


def test_the_guest_feels_a_disk_throttle(guest: Guest) -> None:
    """Throttled writes are slow inside, do not block commands, and recover without a burst."""
    guest.write(1_000_000)
    with guest.domain() as domain:
        domain.setBlockIoTune("vda", {"write_bytes_sec": 100_000}, LIVE)
        try:
            wait_until(lambda: guest.rates().written < 200_000, "the throttle is felt", seconds=60)
        finally:
            domain.setBlockIoTune("vda", {"write_bytes_sec": 0}, LIVE)
    wait_until(lambda: guest.rates().written > 700_000, "it is gone", seconds=60)
    # what it could not write meanwhile is many times that; its clock stands still at times
    assert guest.rates(seconds=2).written < 2_000_000


def test_the_guest_feels_its_link(guest: Guest) -> None:
    """With the link down there is no carrier inside and no way to the gateway; up again, both."""
    wait_until(guest.reaches, "it reaches the gateway", seconds=60)
    try:
        set_link(guest, "down")
        wait_until(lambda: not guest.counters().carrier, "no carrier", seconds=60)
        assert not guest.reaches()
    finally:
        set_link(guest, "up")
    wait_until(lambda: guest.counters().carrier, "a carrier", seconds=60)
    wait_until(guest.reaches, "it reaches the gateway again", seconds=60)


def test_the_guest_feels_a_cpu_quota(guest: Guest) -> None:
    """Under a quota of a fiftieth of a CPU the guest is slow inside, and fast again after it."""

    def fastest() -> float:
        return max(guest.speed() for _ in range(3))  # a busy machine gives now more, now less

    free = fastest()
    with guest.domain() as domain:
        domain.setSchedulerParametersFlags({"vcpu_quota": 2_000}, LIVE)
        try:
            wait_until(lambda: fastest() < free / 3, "it is slow inside", seconds=60)
            guest.burn()
            wait_until(lambda: per_second(guest, "vcpu.0.time") < 0.03e9, "it is held", seconds=60)
        finally:
            domain.setSchedulerParametersFlags({"vcpu_quota": -1}, LIVE)
        guest.quiet()
    wait_until(lambda: fastest() > free / 2, "it is fast again", seconds=60)


def test_a_frozen_guest_is_silent_until_thawed(guest: Guest) -> None:
    """SIGSTOP to its QEMU silences a guest; SIGCONT brings it back."""
    guest.freeze()
    try:
        with pytest.raises(LabError, match="no answer to 'hello'"):
            guest.wait_ready(seconds=2)
    finally:
        guest.thaw()
    assert guest.wait_ready()


def test_a_guest_reboots_crashes_and_powers_off(guests: StartGuests) -> None:
    """Each end of a guest's life, caused from inside, is what libvirt says it is."""
    (guest,) = guests(GuestSpec("mortal", memory=80 * MIB))
    boot = guest.wait_ready()
    guest.reboot()
    assert guest.wait_ready() != boot
    guest.crash()
    wait_until(lambda: state(guest) == libvirt.VIR_DOMAIN_CRASHED, "it has crashed", seconds=60)
    with pytest.raises(LabError, match=r"(?s)'mortal' not ready .*sysrq_handle_crash"):
        guest.wait_ready(seconds=2)  # and the error carries the guest's console
    guest.destroy()
    guest.start()
    guest.wait_ready()
    guest.power_off()
    wait_until(lambda: state(guest) == libvirt.VIR_DOMAIN_SHUTOFF, "it is off", seconds=60)


def test_odd_guests_start(guests: StartGuests) -> None:
    """Guests without disk, NIC, balloon or its driver, or with a hostile name, are real too."""
    name = "a b;$(id)<&'\"ü%s{}\\"
    bare, odd = guests(
        GuestSpec("bare", disks=(), nics=0, balloon=False),
        GuestSpec(
            name,
            labels={"<&\"'": "\U0001f600 ]]>"},
            balloon_driver=False,
            disks=(Disk(format="raw"), Disk(size=8 * MIB)),
            nics=2,
        ),
    )
    assert bare.counters().carrier is False
    odd.write(100_000)
    wait_until(lambda: odd.counters().written > 50_000, "it writes", seconds=60)
    with odd.domain() as domain:
        assert domain.name() == name
        ((_, stats),) = domain.connect().domainListGetStats([domain])
    assert (stats["block.count"], stats["net.count"]) == (2, 2)
    assert stats["balloon.last-update"] == 0
    assert odd.pid_inside > 1


def test_guests_outlive_libvirtd(hypervisor: Hypervisor, guest: Guest) -> None:
    """libvirtd may end, be killed and come late: its guests run on, and it finds them."""
    pid = guest.pid
    hypervisor.stop_libvirtd()
    try:
        with pytest.raises(libvirt.libvirtError):
            libvirt.open(hypervisor.uri)
        assert guest.counters().at > 0
    finally:
        hypervisor.start_libvirtd()
    hypervisor.restart_libvirtd(kill=True)
    assert state(guest) == libvirt.VIR_DOMAIN_RUNNING
    assert guest.pid == pid


def test_processes_inside_see_the_inside(hypervisor: Hypervisor, guest: Guest) -> None:
    """A command inside sees QEMU's processes and libvirt's own sockets, and gets our signals."""
    program = (
        "import json, libvirt, socket, time;"
        "names = [d.name() for d in libvirt.open('qemu:///system').listAllDomains()];"
        f"seen = open('/proc/{guest.pid_inside}/comm').read();"
        "print(json.dumps([names, seen, [link for _, link in socket.if_nameindex()]]), flush=True);"
        "time.sleep(600)"
    )
    process = hypervisor.popen(sys.executable, "-c", program, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout
            names, seen, links = json.loads(process.stdout.readline())
        finally:
            process.terminate()
        assert process.wait(60) == -signal.SIGTERM
    assert guest.name in names
    assert seen.startswith("qemu-system")
    assert {"lo", "virbr0"} < set(links)
    assert all(link in {"lo", "virbr0"} or link.startswith("vnet") for link in links)


def test_hypervisors_are_apart_but_share_a_directory(
    hypervisor: Hypervisor, another_hypervisor: StartHypervisor, guest: Guest
) -> None:
    """A second hypervisor knows nothing of the first one's guests, and sees the shared files."""
    second = another_hypervisor("second")
    (shared,) = [path for path in second.shared if path.name.startswith("shared")]
    (shared / "note").write_text("from outside", "utf-8")
    assert second.run("cat", shared / "note").stdout == "from outside"
    assert hypervisor.run("cat", shared / "note").stdout == "from outside"
    # Twins: the same name and UUID, and yet a CPU quota of one is no business of the other.
    twin = GuestSpec(guest.name, memory=64 * MIB, channel=False, uuid=guest.uuid)
    with second.guest(twin) as other, other.domain() as there, guest.domain() as here:
        there.setSchedulerParametersFlags({"vcpu_quota": 5_000}, LIVE)
        assert there.schedulerParametersFlags(LIVE)["vcpu_quota"] == 5_000
        assert here.schedulerParametersFlags(LIVE)["vcpu_quota"] != 5_000
        assert other.pid != guest.pid
