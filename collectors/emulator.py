"""Signs that a guest has broken out into its QEMU process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from math import inf
from threading import Lock
from typing import Any

from collectors.listening import Listener
from collectors.qemu_process import Emulators, OpenFile, Sight
from trustd.errors import NoData
from trustd.model import FeatureSpec, Finding, Guest, GuestId, GuestState, Severity
from trustd.spi import Probed

HOUR = 3600.0
UNTIL_ACKNOWLEDGED = float("inf")

MIGRATION_PORTS = range(49152, 49216)
"""libvirt's ports for guests that are on their way in, unless qemu.conf has others."""

SYSTEM = ("/bin/*", "/boot/*", "/etc/*", "/lib/*", "/lib64/*", "/sbin/*", "/usr/*")
"""Where no emulator writes."""

SECRETS = (
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers*",
    "/etc/ssh/*",
    "/proc/[0-9]*/mem",
    "/proc/kcore",
    "/root/.ssh/*",
    "/home/*/.ssh/*",
)
"""What no emulator opens at all."""

_NETWORK_OPTIONS = frozenset(
    ("-chardev", "-gdb", "-incoming", "-monitor", "-netdev", "-parallel", "-qmp", "-serial")
)
_PORT = re.compile(
    r"\b(?:local)?port=(\d{1,5})\b"
    r"|\b(?:listen|localaddr|mcast)=[^,]*:(\d{1,5})\b"
    r"|^(?:tcp|telnet|udp|websocket):[^,]*?:(\d{1,5})(?:[,@]|$)"
)
_SPICE_PORT = re.compile(r"\b(?:tls-)?port=(\d{1,5})\b")
_VNC_DISPLAY = re.compile(r"[^,]*:(\d{1,5})(?:,|$)")
_VNC_WEBSOCKET = re.compile(r",websocket=(?:[^,]*:)?(\d{1,5}|on)\b")
_GDB_DEFAULT = 1234


class Emulator:
    """Looks at the QEMU process of each guest, as the host sees it.

    What it reports a stock QEMU under libvirt never does: it starts no process,
    becomes no other program, listens on no port that its command line does not
    name, and writes to no file of the system.

    Args:
        emulators: finds the processes.
    """

    name = "emulator"
    features: Sequence[FeatureSpec] = ()
    kinds = frozenset(
        (
            "emulator-child",
            "emulator-executable",
            "emulator-listener",
            "emulator-file",
            "emulator-outdated",
        )
    )
    every = 10.0
    timeout = 5.0

    def __init__(self, emulators: Emulators | None = None) -> None:
        self._emulators = emulators or Emulators()
        self._first: dict[GuestId, Sight] = {}
        self._swept = -inf
        self._lock = Lock()

    def probe(self, guest: Guest, *, at: float) -> Probed:
        """Look at one running guest; blocking, called off the line.

        Raises:
            NoData: its process is not to be seen.
        """
        self._sweep(at)
        try:
            process = self._emulators.find(guest.id, at=at)
        except NoData:
            self._first.pop(guest.id, None)
            raise
        sight = self._emulators.look(process, at=at)
        first = self._first.get(guest.id)
        if first is None or (first.pid, first.started) != (sight.pid, sight.started):
            first = self._first[guest.id] = sight
        return Probed(findings=tuple(judge(guest, first, sight, at=at)))

    def _sweep(self, at: float) -> None:
        """Drop the first sights of processes that ended, once an hour.

        A guest that is gone is not asked for again. That of a process that lives stays,
        however long nobody looked: in a pause it may become another program.
        """
        with self._lock:
            if abs(at - self._swept) < HOUR:
                return
            self._swept = at
        for guest in [each for each in list(self._first) if not self._emulators.lives(each)]:
            self._first.pop(guest, None)


def judge(guest: Guest, first: Sight, sight: Sight, *, at: float) -> Iterator[Finding]:
    """What a sight of a guest's process is worth.

    Args:
        first: the first sight of the same process; its command line is the one
            that libvirt gave it.
        at: epoch seconds.
    """

    def finding(
        kind: str,
        severity: Severity,
        summary: str,
        *,
        key: str = "",
        holds: float = UNTIL_ACKNOWLEDGED,
        **facts: str | int,
    ) -> Finding:
        return Finding(
            guest=guest.id,
            kind=kind,
            severity=severity,
            family="emulator",
            source=Emulator.name,
            at=at,
            summary=f"the emulator of {guest.name} (pid {sight.pid}) {summary}",
            key=key,
            holds=holds,
            facts={"pid": sight.pid, **facts},
        )

    critical = Severity.CRITICAL
    for child in sight.children:
        yield finding(
            "emulator-child",
            critical,
            f"started a process: {child.executable} (pid {child.pid})",
            key=child.executable,
            child=child.pid,
            executable=child.executable,
        )
    if sight.identity != first.identity:
        yield finding(
            "emulator-executable",
            critical,
            f"became another program: {first.executable} is now {sight.executable}",
            key=sight.executable,
            executable=sight.executable,
            before=first.executable,
        )
    elif sight.replaced:
        yield finding(
            "emulator-outdated",
            Severity.MINOR,
            f"runs an executable that was replaced on disk since: {sight.executable}; "
            "restart or migrate the guest to get the new one",
            holds=HOUR,
            executable=sight.executable,
        )
    for listener in unexplained(guest, first.arguments, sight.listeners):
        yield finding(
            "emulator-listener",
            critical,
            f"listens on {listener.protocol} {listener.address} port {listener.port}, "
            "which its command line does not name",
            key=f"{listener.protocol}:{listener.address}:{listener.port}",
            protocol=listener.protocol,
            address=listener.address,
            port=listener.port,
        )
    for file in foreign(guest, first.arguments, sight.files):
        yield finding(
            "emulator-file",
            critical,
            f"has {file.path} open{' for writing' if file.writable else ''}",
            key=file.path,
            path=file.path,
        )


def unexplained(
    guest: Guest, arguments: Sequence[str], listeners: Sequence[Listener]
) -> Iterator[Listener]:
    """The listeners that a guest's definition does not explain.

    A guest that is on its way in listens for its memory and disks until it runs.
    A guest with a NIC that has no device on the host may have its network inside
    QEMU, which opens UDP ports of its own for what the guest sends.
    """
    ports = named_ports(arguments)
    if "-incoming" in arguments and guest.state is not GuestState.RUNNING:
        ports = ports.union(MIGRATION_PORTS)
    inside = any(not nic.tap for nic in guest.nics)
    for listener in listeners:
        if listener.port in ports or (listener.protocol == "udp" and inside):
            continue
        yield listener


def named_ports(arguments: Sequence[str]) -> frozenset[int]:
    """The ports on which a QEMU with these arguments is asked to listen.

    >>> sorted(named_ports(["-vnc", "127.0.0.1:1,websocket=5701"]))
    [5701, 5901]
    >>> sorted(named_ports(["-chardev", "socket,id=c,host=::1,port=4555,server=on"]))
    [4555]
    >>> sorted(named_ports(["-incoming", "tcp:[::]:49160", "-qmp", "tcp::4444,server=on"]))
    [4444, 49160]
    """
    ports = {_GDB_DEFAULT} if "-s" in arguments else set()
    for option, value in pairwise(arguments):
        if option == "-vnc":
            ports.update(_vnc_ports(value))
        elif option == "-spice":
            ports.update(map(int, _SPICE_PORT.findall(value)))
        elif option in _NETWORK_OPTIONS:
            ports.update(int(match[match.lastindex or 0]) for match in _PORT.finditer(_flat(value)))
    return frozenset(ports)


def _vnc_ports(value: str) -> Iterator[int]:
    display = _VNC_DISPLAY.match(value)
    websocket = _VNC_WEBSOCKET.search(value)
    if display and not value.startswith("unix:"):
        yield 5900 + int(display[1])
        if websocket and websocket[1] == "on":
            yield 5700 + int(display[1])
    if websocket and websocket[1] != "on":
        yield int(websocket[1])


def _flat(value: str) -> str:
    """An option's value as ``key=value`` pairs; newer libvirts write JSON."""
    try:
        document: Any = json.loads(value)
    except ValueError:
        return value
    return ",".join(_pairs(document))


def _pairs(document: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(document, dict):
        for key, value in document.items():
            if isinstance(value, dict):
                yield from _pairs(value)
            else:
                yield f"{key}={value}"


def foreign(
    guest: Guest, arguments: Sequence[str], files: Sequence[OpenFile]
) -> Iterator[OpenFile]:
    """The open files that no emulator has any business with.

    A file that the guest's definition or command line names is its own affair.
    """
    own = {disk.identity for disk in guest.disks}
    for file in files:
        if file.path in own or any(file.path in argument for argument in arguments):
            continue
        if _is_any(file.path, SECRETS) or (file.writable and _is_any(file.path, SYSTEM)):
            yield file


def _is_any(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
