"""Time what enforcement takes on a real guest: each lever put in force, read back and undone.

Everything is there as in the daemon: the repository on disk, the connection, the worker
threads, the read after the write. Wall time, from the decision until the outcome is told;
for two levers also until the guest itself feels it, measured inside.

    python -m bench.enforce [REPETITIONS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.results import write
from tests.enforce.dial import Dial, Door
from tests.enforce.standing import MemoryLedger
from tests.lab.guest import Guest as LabGuest
from tests.lab.guest import rates
from tests.lab.hypervisor import Hypervisor
from tests.lab.spec import Disk, GuestSpec
from tests.lab.waiting import wait_until
from trustd.enforce import Desired, Enforcer, EnforceSettings, standard_actuators
from trustd.hypervisor import ControlConnection, HypervisorSettings
from trustd.model import Action, Guest, GuestEvent, GuestId, Mode, OutcomeStatus, Setting
from trustd.repository import Database, IntentLedger

MOST_SECONDS = 40.0
"""After which a slow lever is repeated no more."""
SLOWEST = 60.0
IN_FORCE = frozenset({OutcomeStatus.APPLIED, OutcomeStatus.HELD})
QUARANTINE = "trustd-bench"
NETWORK = f"<network><name>{QUARANTINE}</name><bridge name='trustdbench0'/></network>"
WRITES = 8_000_000
"""Bytes a second that the guest writes when it is throttled."""
FLEET = 1000
WINDOW = 0.1
"""Seconds over which its pace is taken: a dozen of its writes."""
FELT_TIMES = 20


@dataclass(frozen=True)
class Example:
    """A setting of a lever, and the device that it is tried on."""

    device: Callable[[LabGuest], str]
    setting: Setting


def _whole(_: LabGuest) -> str:
    return ""


def _nic(guest: LabGuest) -> str:
    return guest.spec.mac(0)


def _system(_: LabGuest) -> str:
    return "vda"


def _spare(_: LabGuest) -> str:
    return "vdb"


EXAMPLES = {
    "cpu-quota": Example(_whole, {"percent": 20}),
    "disk-throttle": Example(_system, {"write_bytes_sec": 4096, "write_iops_sec": 1}),
    "isolate-port": Example(_nic, {"isolated": "yes"}),
    "nic-bandwidth": Example(_nic, {"receive_bytes_sec": 100_000, "send_bytes_sec": 100_000}),
    "nic-filter": Example(_nic, {"deny_send": True}),
    "nic-link": Example(_nic, {"link": "down"}),
    "pause": Example(_whole, {"paused": True}),
    "quarantine": Example(_nic, {"network": QUARANTINE}),
    "unplug": Example(_spare, {"attached": False}),
}


class Bench:
    """One guest, and enforcement as the daemon has it."""

    def __init__(self, guest: LabGuest, enforcer: Enforcer) -> None:
        self.guest = guest
        self.id = GuestId(guest.uuid)
        self.enforcer = enforcer

    def decide(self, lever: str | None) -> float:
        """Seconds from the decision for a lever, or for nothing at all, until it is so."""
        actions: tuple[Action, ...] = ()
        if lever is not None:
            example = EXAMPLES[lever]
            device = example.device(self.guest)
            actions = (Action(self.id, lever, device, example.setting, "bench"),)
        began = time.perf_counter()
        self.enforcer.reconcile({self.id: Desired(actions, Mode.ENFORCE)}, at=time.time())
        while not self._settled(lever):
            if time.perf_counter() - began > SLOWEST:
                raise TimeoutError(f"{lever}: {self.enforcer.outcomes(self.id)}")
            time.sleep(0.005)
            self._look()
        return time.perf_counter() - began

    def read_back(self) -> float:
        """Seconds until it is known that what is in force still is."""
        began = time.perf_counter()
        self._look()
        return time.perf_counter() - began

    def _look(self) -> None:
        self.enforcer.mark([GuestEvent(self.id, self.guest.name, "tunable", time.time())])
        self.enforcer.reconcile({}, at=time.time())

    def _settled(self, lever: str | None) -> bool:
        outcomes = self.enforcer.outcomes(self.id)
        if lever is None:
            told = {each.status for each in outcomes}
            return told <= {OutcomeStatus.RESTORED} and not self.enforcer.unsettled
        return bool(outcomes) and all(each.status in IN_FORCE for each in outcomes)


def main() -> int:
    """Measure every lever that this host can pull."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    figures: dict[str, float | int | str] = {}
    with _bench() as bench:
        why = bench.enforcer.probe(bench.id)
        for lever in sorted(why):
            if lever not in EXAMPLES:
                print(f"{lever}: left out, a guest as it comes has nothing to try it on")
            elif why[lever]:
                print(f"{lever}: left out, {why[lever]}")
            else:
                figures |= _timed(bench, lever, most)
        figures |= _felt_disk(bench) | _felt_link(bench)
    figures |= _at_rest(narrowed=False) | _at_rest(narrowed=True)
    write("enforce", figures)
    return 0


@contextmanager
def _bench() -> Iterator[Bench]:
    spec = GuestSpec("bench", disks=(Disk(), Disk(format="raw")))
    with tempfile.TemporaryDirectory() as directory, Hypervisor("bench") as hypervisor:
        with hypervisor.connection() as connection:
            connection.networkCreateXML(NETWORK)
        database = Database(Path(directory) / "trustd.db")
        control = ControlConnection(HypervisorSettings(uri=hypervisor.uri, calls=12))
        levers = standard_actuators(hypervisor.path("/sys/fs/cgroup"))
        # what does not come about at once is looked at as soon as the bench asks
        settings = EnforceSettings(patience=SLOWEST, retry_first=0.01, retry_most=0.01)
        enforcer = Enforcer(control, IntentLedger(database), levers, settings)
        try:
            (guest,) = hypervisor.start(spec)
            yield Bench(guest, enforcer)
        finally:
            enforcer.close()
            control.close()
            database.close()


def _timed(bench: Bench, lever: str, most: int) -> dict[str, float | int]:
    """Milliseconds of each step, in the median and in the hundredth-slowest."""
    steps: dict[str, list[float]] = {"apply": [], "read_back": [], "undo": []}
    end = time.perf_counter() + MOST_SECONDS
    while len(steps["apply"]) < most and time.perf_counter() < end:
        steps["apply"].append(bench.decide(lever))
        steps["read_back"].append(bench.read_back())
        steps["undo"].append(bench.decide(None))
    name = lever.replace("-", "_")
    figures: dict[str, float | int] = {f"{name}_repetitions": len(steps["apply"])}
    for step, took in steps.items():
        figures[f"{name}_{step}_ms_median"] = 1e3 * statistics.median(took)
        figures[f"{name}_{step}_ms_p99"] = 1e3 * sorted(took)[round(0.99 * (len(took) - 1))]
    print(
        f"{lever}: applied in {figures[f'{name}_apply_ms_median']:.1f} ms in the median,"
        f" undone in {figures[f'{name}_undo_ms_median']:.1f}",
        flush=True,
    )
    return figures


def _felt_disk(bench: Bench) -> dict[str, float]:
    """Milliseconds from the decision until the guest writes at under a tenth of its pace."""
    guest, took = bench.guest, []
    for _ in range(FELT_TIMES):
        guest.write(WRITES)
        wait_until(
            lambda: guest.rates(seconds=0.3).written > WRITES / 2, "the guest writes", seconds=60
        )
        began = time.perf_counter()
        bench.decide("disk-throttle")
        before, since = guest.counters(), time.perf_counter()
        while True:
            now = guest.counters()
            if now.at - before.at < WINDOW:
                continue
            if rates(before, now).written < WRITES / 10:
                break
            before, since = now, time.perf_counter()
        # it has felt it since the beginning of the window
        took.append(since - began)
        bench.decide(None)
        guest.quiet()
    return {"disk_throttle_felt_ms_median": 1e3 * statistics.median(took)}


def _felt_link(bench: Bench) -> dict[str, float]:
    """Milliseconds from the decision until the guest's kernel has no carrier."""
    guest, took = bench.guest, []
    asked = []
    for _ in range(FELT_TIMES):
        wait_until(lambda: guest.counters().carrier, "the link is up", seconds=60)
        began = time.perf_counter()
        bench.decide("nic-link")
        while guest.counters().carrier:
            pass
        took.append(time.perf_counter() - began)
        began = time.perf_counter()
        guest.counters()
        asked.append(time.perf_counter() - began)
        bench.decide(None)
    return {
        "nic_link_felt_ms_median": 1e3 * statistics.median(took),
        "asking_the_guest_ms_median": 1e3 * statistics.median(asked),
    }


def _at_rest(*, narrowed: bool) -> dict[str, float]:
    """Milliseconds of processor time of a tick in which nothing changed for any of a fleet."""
    fleet = [Guest(GuestId(f"{number}"), f"guest-{number}") for number in range(FLEET)]
    wanted = {
        guest.id: Desired((Action(guest.id, "dial", "", {"at": 1}, "bench"),), Mode.ENFORCE)
        if narrowed
        else Desired((), Mode.ENFORCE)
        for guest in fleet
    }
    enforcer = Enforcer(Door(), MemoryLedger(), [Dial()], EnforceSettings(patience=SLOWEST))
    try:
        while enforcer.reconcile(wanted, at=0.0) or enforcer.unsettled:
            pass
        took = []
        for _ in range(200):
            began = time.process_time()
            enforcer.reconcile({}, at=1.0)
            for guest in fleet:
                enforcer.undisturbed(guest)
            took.append(time.process_time() - began)
    finally:
        enforcer.close()
    state = "narrowed" if narrowed else "free"
    return {f"tick_{FLEET}_{state}_guests_at_rest_ms_median": 1e3 * statistics.median(took)}


if __name__ == "__main__":
    sys.exit(main())
