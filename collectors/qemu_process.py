"""The QEMU process of a guest: which one it is, and what can be seen of it."""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from collectors.listening import Listener, Listening
from trustd.errors import CollectError, NoData
from trustd.model import GuestId

Identity = tuple[int, int]
"""Device and inode of a file."""

_EMULATOR = re.compile(r"qemu-system-[\w.-]+|qemu-kvm|kvm")
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_GONE = " (deleted)"


@dataclass(frozen=True, slots=True)
class Child:
    """A process that another one started."""

    pid: int
    executable: str


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that a process holds open, by the path that the kernel gives it."""

    path: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What was to be seen of a process at one moment.

    Args:
        started: epoch seconds; with ``pid`` it tells the process from a later one.
        executable: the path of what it runs, as the kernel knows it.
        identity: of that file, also where it has no path any more.
        replaced: whether the path leads elsewhere now, or nowhere.
        arguments: its command line.
    """

    pid: int
    started: float
    executable: str
    identity: Identity
    replaced: bool
    arguments: tuple[str, ...]
    children: tuple[Child, ...]
    listeners: tuple[Listener, ...]
    files: tuple[OpenFile, ...]


class Emulators:
    """Finds each guest's QEMU, and keeps what it found while the process lives.

    A process is a guest's emulator when its arguments name the guest's UUID and
    libvirt's own list of pids has it. Where there is no such list for the guest
    (another libvirt, another mount namespace) the process must run a QEMU; that
    any user could pretend, so of two that claim one guest neither is believed. A
    guest's name is never made into a path.

    Args:
        proc: where procfs is mounted.
        pids: libvirt's directory of pid files; only root writes there.
        rescan: seconds until all processes are looked through again.
    """

    def __init__(
        self,
        *,
        proc: Path = Path("/proc"),
        pids: Path = Path("/run/libvirt/qemu"),
        rescan: float = 5.0,
    ) -> None:
        self._proc = proc
        self._pids = pids
        self._rescan = rescan
        self._sockets = Listening(keep=min(rescan, 1.0))
        self._known: dict[GuestId, psutil.Process] = {}
        self._scanned = float("-inf")
        self._lock = threading.Lock()

    def find(self, guest: GuestId, *, at: float) -> psutil.Process:
        """The guest's emulator.

        Args:
            at: epoch seconds.

        Raises:
            NoData: none is running, or it cannot be told which.
        """
        with self._lock:
            known = self._known.get(guest)
            if known is None or not _lives(known):
                self._scan_if_due(at)
                known = self._known.get(guest)
        if known is None or not _lives(known):
            raise NoData(f"no single QEMU process with -uuid {guest} is to be seen")
        return known

    def lives(self, guest: GuestId) -> bool:
        """Whether the emulator that was found for a guest last still runs; none is looked for."""
        with self._lock:
            known = self._known.get(guest)
        return known is not None and _lives(known)

    def _scan_if_due(self, at: float) -> None:
        if abs(at - self._scanned) < self._rescan:
            return
        self._scanned = at
        listed = _by_guest(_listed(self._pids))
        running = _by_guest(_running_qemus())
        # A process that is known stays known, also if it has become another program. But
        # what libvirt lists wins: anybody can give a process of theirs a guest's arguments.
        alive = {guest: known for guest, known in self._known.items() if _lives(known)}
        self._known = {**running, **alive, **listed}

    def look(self, process: psutil.Process, *, at: float) -> Sight:
        """What is to be seen of a process now.

        Args:
            at: epoch seconds.

        Raises:
            NoData: it ended.
            CollectError: this user may not see it.
        """
        root = self._proc / str(process.pid)
        try:
            with process.oneshot():
                descriptors = list(_descriptors(root))
                sockets = self._sockets.seen_from(root, at=at)
                executable = str((root / "exe").readlink())
                running = (root / "exe").stat()
                sight = Sight(
                    pid=process.pid,
                    started=process.create_time(),
                    executable=executable.removesuffix(_GONE),
                    identity=(running.st_dev, running.st_ino),
                    replaced=executable.endswith(_GONE),
                    arguments=tuple(process.cmdline()),
                    children=tuple(_children(process, root)),
                    listeners=tuple(_listeners(descriptors, sockets)),
                    files=tuple(_files(descriptors)),
                )
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError) as error:
            raise NoData(f"process {process.pid} ended while it was looked at") from error
        except (psutil.AccessDenied, PermissionError) as error:
            raise CollectError(
                f"process {process.pid} may not be looked at: run as root, "
                "or give the service CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
            ) from error
        return sight


def named_guest(arguments: Sequence[str]) -> GuestId | None:
    """The guest whose UUID a command line names.

    >>> named_guest(["qemu-system-x86_64", "-uuid", "0A-1B", "-m", "64"])
    '0a-1b'
    """
    for option, value in pairwise(arguments):
        if option == "-uuid":
            return GuestId(value.lower())
    return None


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs: a reused pid is not it, and a zombie does nothing more."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _by_guest(processes: Iterable[psutil.Process]) -> Mapping[GuestId, psutil.Process]:
    """Each guest's process; a guest that several processes name is left out."""
    found: dict[GuestId, list[psutil.Process]] = {}
    for process in processes:
        with suppress(psutil.Error):
            guest = named_guest(process.cmdline())
            if guest is not None:
                found.setdefault(guest, []).append(process)
    return {guest: claims[0] for guest, claims in found.items() if len(claims) == 1}


def _listed(directory: Path) -> Iterator[psutil.Process]:
    """The processes whose pids libvirt keeps in its directory."""
    with suppress(OSError):
        for path in sorted(directory.glob("*.pid")):
            with suppress(OSError, ValueError, psutil.Error):
                yield psutil.Process(int(path.read_text()))


def _running_qemus() -> Iterator[psutil.Process]:
    # Not process_iter(): it keeps its objects, and each keeps the first executable
    # that it saw, which for a new guest can be the libvirtd that it was forked from.
    for pid in psutil.pids():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if _EMULATOR.fullmatch(Path(process.exe()).name):
                yield process


def _children(process: psutil.Process, root: Path) -> Iterator[Child]:
    """The processes that any of its threads started and that are still there."""
    for pid in _child_pids(process, root):
        with suppress(psutil.NoSuchProcess):
            child = psutil.Process(pid)
            try:
                executable = child.exe() or child.name()
            except (psutil.AccessDenied, psutil.ZombieProcess):
                executable = child.name()
            yield Child(pid, executable)


def _child_pids(process: psutil.Process, root: Path) -> Sequence[int]:
    try:
        listings = [path.read_text() for path in root.glob("task/*/children")]
    except OSError:
        # A thread ended meanwhile.
        listings = []
    if not listings:
        # The kernel has no CONFIG_PROC_CHILDREN: look through all processes.
        return [child.pid for child in process.children()]
    return [int(pid) for listing in listings for pid in listing.split()]


def _descriptors(root: Path) -> Iterator[tuple[str, bool]]:
    """What each open descriptor leads to, and whether it is a file that can be written to."""
    # Texts, not Paths: a guest has hundreds of them, and making a Path costs more than the call.
    directory = f"{root}/fd/"
    for name in os.listdir(directory):  # noqa: PTH208
        descriptor = directory + name
        with suppress(FileNotFoundError, ProcessLookupError):
            target = os.readlink(descriptor)  # noqa: PTH115
            # procfs shows the mode of opening as the permissions of the link.
            written = target.startswith("/") and os.lstat(descriptor).st_mode & stat.S_IWUSR
            yield target, bool(written)


def _listeners(
    descriptors: Sequence[tuple[str, bool]], sockets: Mapping[int, Listener]
) -> Iterator[Listener]:
    for target, _ in descriptors:
        match = _SOCKET.fullmatch(target)
        if match and int(match[1]) in sockets:
            yield sockets[int(match[1])]


def _files(descriptors: Sequence[tuple[str, bool]]) -> Iterator[OpenFile]:
    """Files, directories and device nodes; no pipes, no sockets."""
    for target, writable in descriptors:
        if target.startswith("/"):
            yield OpenFile(target.removesuffix(_GONE), writable)
