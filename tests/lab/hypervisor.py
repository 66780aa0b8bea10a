"""A hypervisor of its own: libvirt and QEMU in fresh namespaces, seen from outside."""

import contextlib
import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.guest import Guest
from tests.lab.image import image
from tests.lab.namespaces import CLEAN, Namespaces
from tests.lab.spec import IMAGES, GuestSpec, domain_xml
from tests.lab.waiting import tail, wait_until

if TYPE_CHECKING:
    import libvirt

KERNEL = f"{IMAGES}/kernel"
INITRAMFS = f"{IMAGES}/initramfs"


class Hypervisor(Namespaces):
    """A context manager; inside it libvirt answers at ``uri`` and guests can be started."""

    def __init__(self, name: str = "lab", *, shared: Sequence[Path] = ()) -> None:
        super().__init__(name, shared=shared)
        self.guests: list[Guest] = []
        self._addresses = itertools.count(10)

    def started(self) -> None:
        """Wait until libvirt answers, and give the guests something to boot."""
        super().started()
        built = image()
        # Copies, as libvirt changes the owner of what it boots.
        shutil.copyfile(built.kernel, self.path(KERNEL))
        shutil.copyfile(built.initramfs, self.path(INITRAMFS))

    def stop(self) -> None:
        """Kill everything inside, at once; return when nothing of it is left."""
        for guest in self.guests:
            guest.close()
        super().stop()

    # libvirt, from outside

    @property
    def uri(self) -> str:
        """Return the address of this hypervisor's libvirt, for any process of the machine."""
        return f"qemu+unix:///system?socket={self.path('/run/libvirt/libvirt-sock')}"

    @property
    def uri_readonly(self) -> str:
        """Return the address for ``libvirt.openReadOnly``."""
        return f"qemu+unix:///system?socket={self.path('/run/libvirt/libvirt-sock-ro')}"

    @contextlib.contextmanager
    def connection(self) -> Iterator["libvirt.virConnect"]:
        """Open a read-write libvirt connection for one piece of work."""
        import libvirt  # noqa: PLC0415 - the lab can be asked what it lacks without it

        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def logs(self) -> list[tuple[str, str]]:
        """Return what guests and libvirt have to say, as (title, text), for a report."""
        told = [(f"console of {guest.name!r}", guest.console()) for guest in self.guests]
        log = self.path("/var/log/libvirt/libvirtd.log")
        return [*told, (f"libvirtd of {self.name}", tail(log, lines=20))]

    # Its faults

    def stop_libvirtd(self, *, kill: bool = False) -> None:
        """End libvirtd (``kill``: by SIGKILL) and wait until it has gone. Guests run on."""
        pid = self.path("/run/libvirtd.pid").read_text("utf-8").strip()
        self.run("kill", "-KILL" if kill else "-TERM", pid)
        process = self.path(f"/proc/{pid}")
        wait_until(lambda: not process.exists(), "libvirtd has gone", seconds=60)

    def start_libvirtd(self) -> None:
        """Start libvirtd; it answers when this returns."""
        self.run("libvirtd", "-d", env=CLEAN)
        self.run("virsh", "-q", "list")

    def restart_libvirtd(self, *, kill: bool = False) -> None:
        """Stop and start libvirtd."""
        self.stop_libvirtd(kill=kill)
        self.start_libvirtd()

    # Guests

    def start(self, *specs: GuestSpec, seconds: float = 180.0) -> list[Guest]:
        """Define and start guests side by side; return them when all obey commands."""
        deadline = time.monotonic() + seconds
        guests = [self._define(spec) for spec in specs]
        for guest in guests:
            guest.start()
        for guest in guests:
            if guest.spec.channel:
                guest.wait_ready(seconds=deadline - time.monotonic())
        return guests

    @contextlib.contextmanager
    def guest(self, spec: GuestSpec) -> Iterator[Guest]:
        """Start one guest; remove it at the end."""
        guest = self._define(spec)
        try:
            guest.start()
            if spec.channel:
                guest.wait_ready()
            yield guest
        finally:
            guest.remove()

    def define(self, spec: GuestSpec) -> Guest:
        """Define a guest, which does not run; the test starts it, and removes it."""
        return self._define(spec)

    def _define(self, spec: GuestSpec) -> Guest:
        directory = self.path(spec.directory)
        directory.mkdir(parents=True)
        shutil.chown(directory, "libvirt-qemu")
        for index, disk in enumerate(spec.disks):
            if disk.path is None:
                file = self.path(spec.disk_path(index))
                create = ["qemu-img", "create", "-q", "-f", disk.format, str(file), str(disk.size)]
                subprocess.run(create, check=True)
        address = f"192.168.122.{next(self._addresses)}"
        document = domain_xml(spec, kernel=KERNEL, initramfs=INITRAMFS, address=address)
        with self.connection() as connection:
            connection.defineXML(document)
        guest = Guest(self, spec, address)
        self.guests.append(guest)
        return guest
