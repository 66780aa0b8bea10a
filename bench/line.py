"""One tick of the whole line, from the hypervisor's reply to published assessments and metrics.

The replies are those of stock guests (two disks, two NICs, a balloon), made once and with counters
that move; nothing else is stood in for. CPU time of the process, not of the wall.
"""

from __future__ import annotations

import gc
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.results import write
from trustd import __version__
from trustd.config import Settings
from trustd.daemon.build import DATABASE, read_policy, wire
from trustd.enforce import Enforcer, EnforceSettings, standard_actuators
from trustd.hypervisor import ControlConnection, HypervisorSettings
from trustd.metrics import Exposition, Meters
from trustd.model import (
    Disk,
    Guest,
    GuestEvent,
    GuestId,
    GuestReading,
    GuestState,
    HypervisorCondition,
    Nic,
    Reading,
)
from trustd.plugins import discover
from trustd.repository import Database, IntentLedger

POLICY = Path(__file__).parents[1] / "policies/default.yaml"
INTERVAL = 5.0
SIZES = (100, 1_000, 10_000)
TICKS = {100: 60, 1_000: 30, 10_000: 8}
WARM = 3


class Counters:
    """A hypervisor of so many guests; every reply is new, as libvirt's is."""

    def __init__(self, guests: int) -> None:
        self._at = 1_790_000_000.0
        self._clock = 1_000.0
        self._random = np.random.default_rng(1)
        self._guests = {guest.id: guest for guest in map(stock_guest, range(guests))}
        self._base: dict[GuestId, dict[str, Any]] = {
            guest: self._reply(guest) for guest in self._guests
        }

    def start(self) -> None: ...

    def close(self) -> None: ...

    def resynced(self) -> bool:
        return False

    def events(self) -> Sequence[GuestEvent]:
        return ()

    def inventory(self) -> Mapping[GuestId, Guest]:
        return self._guests

    def condition(self) -> HypervisorCondition:
        return HypervisorCondition(up=True, since=self._at)

    def sample(self) -> Reading:
        self._at += INTERVAL
        self._clock += INTERVAL
        steps = iter(self._random.gamma(2.0, 500.0, len(self._base)).astype(int).tolist())
        readings = {}
        for guest, stats in self._base.items():
            step = next(steps)
            for field in COUNTERS:
                stats[field] += step
            stats["cpu.time"] += step * 10**5
            readings[guest] = GuestReading(
                guest, GuestState.RUNNING, self._at, self._clock, dict(stats)
            )
        return Reading(self._at, self._clock, readings)

    def _reply(self, guest: GuestId) -> dict[str, Any]:
        stats: dict[str, Any] = {
            "state.state": 1, "state.reason": 1, "cpu.time": 10**12, "cpu.user": 10**11,
            "cpu.system": 10**11, "balloon.current": 4194304, "balloon.maximum": 4194304,
            "balloon.swap_in": 0, "balloon.swap_out": 0, "balloon.major_fault": 100,
            "balloon.minor_fault": 10**6, "balloon.unused": 10**6, "balloon.available": 4 * 10**6,
            "balloon.usable": 2 * 10**6, "balloon.last-update": 1_790_000_000,
            "balloon.disk_caches": 10**5, "balloon.rss": 10**6, "vcpu.current": 2,
            "vcpu.maximum": 2, "net.count": 2, "block.count": 2,
        }  # fmt: skip
        for index in range(2):
            stats |= {f"vcpu.{index}.{name}": 10**10 for name in ("time", "wait", "delay")}
            stats[f"vcpu.{index}.state"] = 1
            stats |= {
                f"net.{index}.{way}.{what}": 10**6
                for way in ("rx", "tx")
                for what in ("bytes", "pkts", "errs", "drop")
            }
            stats[f"net.{index}.name"] = f"vnet{guest[-4:]}{index}"
            stats |= {
                f"block.{index}.{way}.{what}": 10**6
                for way in ("rd", "wr", "fl")
                for what in ("reqs", "bytes", "times")
            }
            stats[f"block.{index}.name"] = f"vd{'ab'[index]}"
        return stats


COUNTERS = tuple(
    f"{kind}.{index}.{way}.{what}"
    for kind, ways, whats in (
        ("net", ("rx", "tx"), ("bytes", "pkts")),
        ("block", ("rd", "wr"), ("bytes", "reqs")),
    )
    for index in range(2)
    for way in ways
    for what in whats
)


def stock_guest(number: int) -> Guest:
    identity = GuestId(f"00000000-0000-4000-8000-{number:012d}")
    return Guest(
        identity,
        f"guest-{number}",
        GuestState.RUNNING,
        {"app": "web" if number % 2 else "db"},
        vcpus=2,
        memory=4 * 2**30,
        balloon_period=5,
        disks=tuple(Disk(f"vd{name}", f"/images/{number}-{name}.qcow2") for name in "ab"),
        nics=tuple(Nic(f"52:54:00:00:{number % 256:02x}:{each:02x}", "default") for each in (0, 1)),
    )


def measure(guests: int) -> dict[str, float]:
    """CPU milliseconds a tick, and megabytes that the guests cost."""
    plugins = discover(["emulator", "host"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as directory:
        database = Database(Path(directory) / DATABASE)
        control = ControlConnection(HypervisorSettings())
        enforcer = Enforcer(
            control, IntentLedger(database), standard_actuators(), EnforceSettings()
        )
        hypervisor = Counters(guests)
        wired = wire(
            plugins,
            hypervisor,
            read_policy(POLICY, plugins),
            enforcer=enforcer,
            database=database,
            path=POLICY,
            interval=Settings().interval,
        )
        meters = Meters(__version__)
        exposition = Exposition(wired.measuring.features)
        lines, pages = [], []
        gc.collect()
        for _ in range(WARM + TICKS[guests]):
            reading = hypervisor.sample()
            hypervisor.sample = lambda reading=reading: reading  # type: ignore[method-assign]
            began = time.process_time()
            fleet = wired.line.tick()
            middle = time.process_time()
            meters.observe(fleet)
            exposition.render(fleet, meters)
            lines.append(middle - began)
            pages.append(time.process_time() - middle)
            del hypervisor.sample  # the class's own again
        enforcer.close()
        control.close()
        database.close()
    return {
        f"line_{guests}_guests_cpu_ms": 1000 * median(lines[WARM:]),
        f"metrics_page_{guests}_guests_cpu_ms": 1000 * median(pages[WARM:]),
        f"peak_growth_{guests}_guests_mb": (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        )
        / 1024,
    }


def main() -> None:
    figures: dict[str, float] = {}
    for guests in SIZES:
        figures |= measure(guests)
    figures["line_cost_10000_over_1000"] = (
        figures["line_10000_guests_cpu_ms"] / figures["line_1000_guests_cpu_ms"]
    )
    write("line", figures)


if __name__ == "__main__":
    main()
