"""Telemetry from two replies, in numbers."""

import numpy as np
import pytest

from collectors.cpu import Cpu
from collectors.disk import Disk
from collectors.memory import Memory
from collectors.network import Network
from trustd.model import GapReason, ReplyTable, Stats
from trustd.spi import Collector

RUNNING = {"state.state": 1}
MEMORY = RUNNING | {
    "balloon.available": 1000, "balloon.usable": 750, "balloon.unused": 500,
    "balloon.last-update": 1_700_000_000, "balloon.swap_in": 0, "balloon.swap_out": 0,
    "balloon.major_fault": 0,
}  # fmt: skip


def measure(
    collector: Collector, before: Stats, after: Stats, seconds: float = 2.0
) -> dict[str, float | GapReason]:
    columns = collector.collect(
        ReplyTable([before]), ReplyTable([after]), seconds=np.array([seconds])
    )
    return {
        feature.name: float(columns.values[0, place])
        if columns.gaps[0, place] == 0
        else GapReason(columns.gaps[0, place])
        for place, feature in enumerate(collector.features)
    }


def test_use_and_steal_are_of_all_present_vcpus() -> None:
    """1 s of processor time in 2 s on 2 vCPUs is 25 percent; waiting is not added to it."""
    before = RUNNING | {"cpu.time": 0, "vcpu.current": 2, "vcpu.maximum": 4}
    for n in (0, 1):
        before |= {f"vcpu.{n}.state": 1, f"vcpu.{n}.delay": 0, f"vcpu.{n}.wait": 0}
    after = before | {"cpu.time": 10**9, "vcpu.0.delay": 10**8, "vcpu.1.delay": 3 * 10**8}
    after |= {"vcpu.0.wait": 10**9}
    found = measure(Cpu(), before, after)
    assert found == {"cpu.usage": pytest.approx(25.0), "cpu.steal": pytest.approx(10.0)}


def test_the_emulators_own_threads_may_exceed_the_vcpus() -> None:
    """More than 100 percent is shown as it is."""
    before = RUNNING | {"cpu.time": 0, "vcpu.current": 1, "vcpu.0.state": 1, "vcpu.0.delay": 0}
    assert measure(Cpu(), before, before | {"cpu.time": 3 * 10**9})["cpu.usage"] == 150.0


def test_memory_rates_are_over_the_drivers_own_interval() -> None:
    """Replies 2 s apart can carry what the driver told 5 s apart: 5 s it is."""
    after = MEMORY | {
        "balloon.last-update": 1_700_000_005, "balloon.swap_in": 30, "balloon.swap_out": 20,
        "balloon.major_fault": 100,
    }  # fmt: skip
    assert measure(Memory(), MEMORY, after) == {
        "memory.used": 25.0,
        "memory.swap": 10 * 1024.0,
        "memory.faults": 20.0,
    }


def test_an_old_driver_tells_only_unused_memory() -> None:
    """Without usable memory, what is not unused is used."""
    before = {name: value for name, value in MEMORY.items() if name != "balloon.usable"}
    after = before | {"balloon.last-update": 1_700_000_002}
    assert measure(Memory(), before, after)["memory.used"] == 50.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"balloon.last-update": 1_700_000_000}, GapReason.NO_TIME),
        ({"balloon.last-update": 0}, GapReason.NOT_REPORTED),
        ({"balloon.usable": 1001}, GapReason.NOT_REPORTED),
        ({"balloon.available": 0}, GapReason.NOT_REPORTED),
    ],
)
def test_memory_that_nobody_told_is_unknown(change: dict[str, int], reason: GapReason) -> None:
    """A repetition, a silent driver and an impossible claim are gaps, never zeros."""
    after = MEMORY | {"balloon.last-update": 1_700_000_002} | change
    assert measure(Memory(), MEMORY, after)["memory.used"] is reason


def test_disks_are_added_up_and_an_empty_drive_is_nothing_missing() -> None:
    """Two disks' counters are summed; a CD-ROM drive without a medium does not matter."""
    before = RUNNING | {"block.count": 3, "block.2.name": "sda"}
    for n, name in ((0, "vda"), (1, "vdb")):
        before[f"block.{n}.name"] = name  # type: ignore[assignment]
        for what in ("rd.bytes", "wr.bytes", "rd.reqs", "wr.reqs", "fl.reqs"):
            before[f"block.{n}.{what}"] = 1000
    after = dict(before)
    for k, what in enumerate(("rd.bytes", "wr.bytes", "rd.reqs", "wr.reqs", "fl.reqs"), 1):
        after[f"block.0.{what}"] += 2 * k
        after[f"block.1.{what}"] += 20 * k
    assert list(measure(Disk(), before, after).values()) == [11.0, 22.0, 33.0, 44.0, 55.0]


def test_each_direction_is_its_own_and_losses_are_one() -> None:
    """rx is what libvirt calls rx, which is the guest's; drops and errors are added up."""
    fields = {
        "rx.bytes": 2, "tx.bytes": 4, "rx.pkts": 6, "tx.pkts": 8,
        "rx.drop": 20, "tx.drop": 40, "rx.errs": 60, "tx.errs": 80,
    }  # fmt: skip
    before = RUNNING | {"net.count": 1} | {f"net.0.{name}": 7 for name in fields}
    after = before | {f"net.0.{name}": 7 + more for name, more in fields.items()}
    assert list(measure(Network(), before, after).values()) == [1.0, 2.0, 3.0, 4.0, 100.0]
