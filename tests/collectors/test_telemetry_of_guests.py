"""What the telemetry says of real guests that were told what to do."""

import time
from collections.abc import Callable, Iterator

import libvirt
import numpy as np
import pytest

from collectors.cpu import Cpu
from collectors.disk import Disk
from collectors.memory import Memory
from collectors.network import Network
from tests.lab.fixtures import StartGuests
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import Disk as DiskSpec
from tests.lab.spec import GuestSpec
from tests.lab.waiting import wait_until
from trustd.model import GapReason, ReplyTable, StatGroup
from trustd.spi import Collector

pytestmark = pytest.mark.lab

COLLECTORS: tuple[Collector, ...] = (Cpu(), Memory(), Disk(), Network())
GROUPS = int(StatGroup(sum(StatGroup)))
WINDOW = 1.5

Samples = dict[str, float | GapReason]
Ask = Callable[[Guest], tuple[float, dict[str, int]]]


@pytest.fixture(scope="module")
def ask(hypervisor: Hypervisor) -> Iterator[Ask]:
    connection = libvirt.openReadOnly(hypervisor.uri_readonly)

    def reply(guest: Guest) -> tuple[float, dict[str, int]]:
        domain = connection.lookupByUUIDString(guest.uuid)
        at = time.monotonic()
        ((_, stats),) = connection.domainListGetStats([domain], GROUPS)
        return at, stats

    yield reply
    connection.close()


class Meter:
    """Samples of one guest over windows that follow each other."""

    def __init__(self, ask: Ask, guest: Guest) -> None:
        self._ask = ask
        self._guest = guest
        self._at, self._stats = ask(guest)

    def next(self) -> Samples:
        time.sleep(max(0.0, self._at + WINDOW - time.monotonic()))
        at, stats = self._ask(self._guest)
        before, after = ReplyTable([self._stats]), ReplyTable([stats])
        seconds = np.array([at - self._at])
        self._at, self._stats = at, stats
        samples: Samples = {}
        for collector in COLLECTORS:
            columns = collector.collect(before, after, seconds=seconds)
            for place, feature in enumerate(collector.features):
                gap = GapReason(columns.gaps[0, place])
                samples[feature.name] = float(columns.values[0, place]) if gap == 0 else gap
        return samples

    def settles(self, **bounds: tuple[float, float]) -> Samples:
        """Wait for a window in which every named feature lies within its bounds.

        A name of several, joined by ``plus``, is their sum.
        """
        seen: list[Samples] = []

        def settled() -> bool:
            seen.append(self.next())
            return all(
                low <= _sum(seen[-1], features.replace("_", ".").split(".plus.")) <= high
                for features, (low, high) in bounds.items()
            )

        try:
            wait_until(settled, f"samples within {bounds}", seconds=120)
        except Exception as error:
            error.add_note(f"samples: {seen}")
            raise
        return seen[-1]


def _sum(samples: Samples, features: list[str]) -> float:
    """What they come to; not a number where one of them is a gap."""
    found = [samples[feature] for feature in features]
    return sum(each if isinstance(each, float) else float("nan") for each in found)


def test_a_guest_that_writes_a_megabyte_a_second_shows_it(ask: Ask, guest: Guest) -> None:
    """1 MB/s of writes is 1 MB/s in disk.write.bytes, and nothing in disk.read.bytes."""
    guest.write(1_000_000)
    samples = Meter(ask, guest).settles(disk_write_bytes=(0.85e6, 1.15e6))
    assert samples["disk.read.bytes"] < 50_000
    assert samples["disk.write.requests"] == pytest.approx(1_000_000 / 65536, rel=0.25)


def test_a_guest_that_reads_shows_it(ask: Ask, guest: Guest) -> None:
    """2 MB/s of reads is 2 MB/s in disk.read.bytes, and nothing in disk.write.bytes."""
    guest.read(2_000_000)
    samples = Meter(ask, guest).settles(disk_read_bytes=(1.7e6, 2.3e6))
    assert samples["disk.write.bytes"] < 50_000


def test_a_guest_that_burns_its_cpu_shows_it(ask: Ask, guest: Guest) -> None:
    """A vCPU at full duty is near 100 percent, less what the host kept; a quiet one near 0."""
    meter = Meter(ask, guest)
    meter.settles(cpu_usage=(0.0, 15.0))
    guest.burn(1.0)
    meter.settles(cpu_usage_plus_cpu_steal=(75.0, 135.0), cpu_usage=(1.0, 115.0))


def test_what_a_guest_sends_is_its_tx(ask: Ask, guests: StartGuests) -> None:
    """A flood counts as tx at the sender and as rx at the receiver: the guest's own view."""
    sender, receiver = guests(GuestSpec("sender"), GuestSpec("receiver"))
    sender.flood(60, size=500, to=receiver.address)
    # a busy machine lets it send less than it was told, and never more
    sent = Meter(ask, sender).settles(net_tx_packets=(15, 70), net_rx_packets=(0, 7))
    received = Meter(ask, receiver).settles(net_rx_packets=(15, 70), net_tx_packets=(0, 7))
    for samples, way in ((sent, "tx"), (received, "rx")):
        bytes_, packets = samples[f"net.{way}.bytes"], samples[f"net.{way}.packets"]
        assert bytes_ == pytest.approx(packets * 542, rel=0.25)


def test_memory_that_a_guest_takes_is_in_use(ask: Ask, guest: Guest) -> None:
    """Holding 24 MB of a guest of 96 MiB raises memory.used by about a quarter."""
    meter = Meter(ask, guest)
    quiet = meter.settles(memory_used=(5.0, 60.0))["memory.used"]
    guest.hold(24)
    held = meter.settles(memory_used=(quiet + 20.0, quiet + 45.0))
    assert held["memory.swap"] == 0.0


def test_memory_is_unknown_between_two_tellings_of_the_driver(ask: Ask, guest: Guest) -> None:
    """The driver tells every 2 s; of two replies in between the second has nothing new."""
    told: list[dict[str, int]] = []

    def between() -> bool:
        told[:] = [ask(guest)[1], ask(guest)[1]]
        first, second = (each["balloon.last-update"] for each in told)
        return first == second > 0

    wait_until(between, "two replies in between", seconds=90)
    before, after = (ReplyTable([each]) for each in told)
    columns = Memory().collect(before, after, seconds=np.array([0.5]))
    assert columns.gaps[0].tolist() == [GapReason.NO_TIME] * 3


def test_a_guest_without_a_balloon_driver_has_no_memory_numbers(
    ask: Ask, guests: StartGuests
) -> None:
    """A driver that does not answer, no disk and no NIC are gaps, never zeros."""
    (bare,) = guests(GuestSpec("bare", balloon_driver=False, disks=(), nics=0))
    samples = Meter(ask, bare).next()
    assert {samples[f] for f in samples if f.startswith("memory.")} == {GapReason.NOT_REPORTED}
    assert {samples[f] for f in samples if f.startswith(("disk.", "net."))} == {GapReason.NO_DEVICE}
    assert samples["cpu.usage"] >= 0.0


def test_a_paused_guest_is_not_an_idle_one(ask: Ask, guest: Guest) -> None:
    """While a guest is paused, and over the window in which it resumes, there are no rates."""
    meter = Meter(ask, guest)
    with guest.domain() as domain:
        domain.suspend()
        try:
            assert set(meter.next().values()) == {GapReason.NOT_RUNNING}
        finally:
            domain.resume()
    assert set(meter.next().values()) <= {GapReason.NOT_RUNNING, GapReason.NO_TIME}
    assert meter.next()["cpu.usage"] >= 0.0


def test_a_reset_and_a_plugged_disk_make_no_spike(ask: Ask, guests: StartGuests) -> None:
    """New counters after a restart are a gap, and a disk plugged in does not stop the others."""
    spec = GuestSpec("plugged", disks=(DiskSpec(),))
    (mine,) = guests(spec)
    mine.write(1_000_000)
    meter = Meter(ask, mine)
    meter.settles(disk_write_bytes=(0.85e6, 1.15e6))
    with mine.domain() as domain:
        second = domain.XMLDesc().partition("<source file='")[2].partition("'")[0] + ".second"
        volume = mine.hypervisor.run(
            "qemu-img", "create", "-q", "-f", "raw", second, "8M", check=False
        )
        assert volume.returncode == 0, volume.stderr
        domain.attachDevice(
            f"<disk type='file'><driver name='qemu' type='raw'/><source file='{second}'/>"
            "<target dev='vdb' bus='virtio'/></disk>"
        )
    # a busy machine lets the guest write less in one window, but never more
    assert 0 < meter.next()["disk.write.bytes"] < 2e6
    meter.settles(disk_write_bytes=(0.85e6, 1.15e6))
    mine.destroy()
    mine.start()
    mine.wait_ready(seconds=240)
    assert meter.next()["disk.write.bytes"] is GapReason.RESET
