"""A running guest that behaves as told, and measures itself from inside."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.lab.channel import Channel
from tests.lab.errors import LabError
from tests.lab.namespaces import Process, processes
from tests.lab.spec import GuestSpec
from tests.lab.waiting import tail

if TYPE_CHECKING:
    import libvirt

    from tests.lab.hypervisor import Hypervisor

NOWHERE = "192.0.2.1"
GATEWAY = "192.168.122.1"


@dataclass(frozen=True, slots=True)
class Counters:
    """What the guest's kernel has counted since boot, in bytes; ``at`` is its clock in seconds."""

    at: float
    read: int
    written: int
    received: int
    sent: int
    free: int
    carrier: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """What a guest did between two Counters, in bytes a second."""

    read: float
    written: float
    received: float
    sent: float


def rates(before: Counters, after: Counters) -> Rates:
    """Return the rates between two readings of one boot.

    >>> first = Counters(10.0, 0, 1000, 0, 0, 0, True)
    >>> rates(first, Counters(12.0, 0, 5000, 0, 300, 0, True))
    Rates(read=0.0, written=2000.0, received=0.0, sent=150.0)
    """
    seconds = after.at - before.at
    return Rates(
        read=(after.read - before.read) / seconds,
        written=(after.written - before.written) / seconds,
        received=(after.received - before.received) / seconds,
        sent=(after.sent - before.sent) / seconds,
    )


class Guest:
    """A defined guest. Behaviours run side by side until ``quiet``; rates are a second's."""

    def __init__(self, hypervisor: "Hypervisor", spec: GuestSpec, address: str) -> None:
        self.hypervisor = hypervisor
        self.spec = spec
        self.name = spec.name
        self.uuid = spec.uuid
        self.address = address
        self._channel = Channel(hypervisor.path(f"{spec.directory}/channel"))

    # Its life

    @contextlib.contextmanager
    def domain(self) -> Iterator["libvirt.virDomain"]:
        """Open a read-write libvirt connection for one piece of work on this guest."""
        with self.hypervisor.connection() as connection:
            yield connection.lookupByUUIDString(self.uuid)

    def start(self) -> None:
        """Start it; it is not ready before ``wait_ready`` says so."""
        with self.domain() as domain:
            domain.create()

    def wait_ready(self, *, seconds: float = 120.0, since: str = "") -> str:
        """Wait until it obeys; return its boot id, which is another than ``since``."""
        deadline = time.monotonic() + seconds
        last: LabError | None = None
        while time.monotonic() < deadline:
            try:
                boot = self._ask("hello", seconds=min(2.0, deadline - time.monotonic()))["boot"]
                if boot != since:
                    return boot
            except LabError as error:  # it boots still, or is on its way down
                last = error
        raise LabError(
            f"guest {self.name!r} not ready within {seconds:.3g} s ({last}); its console ends:\n"
            f"{self.console()}"
        ) from last

    def destroy(self) -> None:
        """Pull the plug; it stays defined."""
        self.close()
        with self.domain() as domain:
            domain.destroy()

    def remove(self) -> None:
        """Stop it if it runs, and forget it with its disks."""
        self.close()
        with self.domain() as domain:
            if domain.isActive():
                domain.destroy()
            domain.undefine()
        for index, disk in enumerate(self.spec.disks):
            if disk.path is None:
                self.hypervisor.path(self.spec.disk_path(index)).unlink()
        self.hypervisor.guests.remove(self)

    def close(self) -> None:
        """Hang up the line of commands, for somebody else to use."""
        self._channel.close()

    def console(self, *, lines: int = 40) -> str:
        """Return the end of what it wrote on its serial console."""
        return tail(self.hypervisor.path(f"{self.spec.directory}/serial.log"), lines=lines)

    # Its QEMU

    @property
    def pid_inside(self) -> int:
        """Return its QEMU's process id as a process inside sees it."""
        return self._process().inside

    @property
    def pid(self) -> int:
        """Return its QEMU's process id as the outside sees it."""
        return self._process().pid

    def _process(self) -> Process:
        for process in processes(self.hypervisor.pid):
            if "-uuid" in process.arguments and self.uuid in process.arguments:
                return process
        raise LabError(f"guest {self.name!r} does not run")

    def freeze(self) -> None:
        """Stop its QEMU (SIGSTOP), as a hung process would be."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let its QEMU go on."""
        os.kill(self.pid, signal.SIGCONT)

    # Behaviour

    def burn(self, duty: float = 1.0, *, workers: int = 1) -> None:
        """Keep ``workers`` vCPUs busy for this share of the time."""
        self._ask(f"burn {round(duty * 100)} {workers}")

    def write(self, rate: float, *, block: int = 65536) -> None:
        """Write ``rate`` bytes a second to its first disk, past its own cache."""
        self._ask(f"write {round(rate)} {block}")

    def read(self, rate: float, *, block: int = 65536) -> None:
        """Read ``rate`` bytes a second from its first disk, past its own cache."""
        self._ask(f"read {round(rate)} {block}")

    def flood(self, packets: float, *, size: int = 1000, to: str = NOWHERE) -> None:
        """Send ``packets`` UDP packets a second of ``size`` bytes; by default to nobody."""
        self._ask(f"flood {round(packets)} {size} {to}")

    def scan(self, what: Literal["ports", "hosts"], *, tries: float = 20) -> None:
        """Try the gateway's TCP ports, or the network's addresses, one after the other."""
        self._ask(f"scan {what} {round(tries)}")

    def hold(self, megabytes: int) -> None:
        """Fill this much of its memory, and keep it."""
        self._ask(f"hold {megabytes}")

    def quiet(self, behaviour: str = "") -> None:
        """End a behaviour (by its method's name), or all of them."""
        self._ask(f"stop {behaviour}".rstrip())

    def stubborn(self, *, on: bool) -> None:
        """Turn a deaf ear to requests to let go of a device, as a guest's root can; or hear them.

        What was asked meanwhile is heard afterwards.
        """
        self._ask(f"stubborn {'on' if on else 'off'}")

    def reboot(self) -> None:
        """Reboot from inside; return when it is ready again."""
        boot = self.wait_ready()
        self._ask("reboot")
        self.wait_ready(since=boot)

    def power_off(self) -> None:
        """Power off from inside; returns at once."""
        self._ask("poweroff")

    def crash(self) -> None:
        """Panic its kernel; returns at once. libvirt then says *crashed*."""
        self._ask("crash")

    # Measured from inside

    def counters(self) -> Counters:
        """Return what its kernel has counted."""
        answer = self._ask("counters")
        counted = {key: int(answer[key]) for key in ("read", "written", "received", "sent", "free")}
        return Counters(at=int(answer["at"]) / 1e6, carrier=answer["carrier"] == "1", **counted)

    def rates(self, *, seconds: float = 1.0) -> Rates:
        """Return what it does over the next ``seconds``."""
        before = self.counters()
        time.sleep(seconds)
        return rates(before, self.counters())

    def devices(self) -> set[str]:
        """Return the disks and network interfaces that its kernel knows, by their names."""
        return set(filter(None, self._ask("devices")["devices"].split(",")))

    def speed(self, *, seconds: float = 0.5) -> float:
        """Return how many turns of a loop its vCPU makes a second."""
        answer = self._ask(f"speed {round(seconds * 1000)}", seconds=60.0 + seconds)
        return int(answer["loops"]) / seconds

    def reaches(self, address: str = GATEWAY) -> bool:
        """Say whether it gets an answer to a ping within a second."""
        return self._ask(f"ping {address}")["reached"] == "1"

    def attempt(
        self, what: Literal["read", "write"], *, block: int = 0, seconds: float = 60.0
    ) -> str:
        """Read or write 4 KiB of its first disk; "" where that went well, else the error (EIO).

        One that stalls for longer than ``seconds`` is a LabError.
        """
        answer = self._ask(f"attempt {what} {block}", seconds=seconds)
        return "" if answer["done"] == "1" else answer["error"]

    def _ask(self, command: str, *, seconds: float = 60.0) -> dict[str, str]:
        return self._channel.ask(command, seconds=seconds)
