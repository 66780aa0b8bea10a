"""Whether gates are served, and who starts their servers.

Where systemd runs, it does: each gate is an instance of ``trustd-gate@.service``, outside
trustd's control group and before the guests. Elsewhere trustd starts servers that outlive
it, and starts them again when they ended.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from math import inf
from pathlib import Path

import structlog

from trustd.errors import TimedOut
from trustd.gate.definition import Gate
from trustd.gate.gates import Gates
from trustd.gate.serve import LOCK

log = structlog.get_logger()

SYSTEMD = Path("/run/systemd/system")
"""There where systemd is the host's first process (sd_booted(3))."""
_LOG = "log"
_PAUSE = 0.02
_STARTING = 10.0
"""Seconds that a server may take to begin before another is started."""


def unit_of(gate: Gate, systemd: Path = SYSTEMD) -> str:
    """The unit that serves a gate; empty where trustd itself starts the server."""
    return unit_named(gate.id) if systemd.is_dir() else ""


def unit_named(gate: str) -> str:
    """The unit of a gate of this name.

    >>> unit_named("b1946ac9-2492-4d23-8476-5e7f0a9c3d11-vda")
    'trustd-gate@b1946ac9-2492-4d23-8476-5e7f0a9c3d11-vda.service'
    """
    return f"trustd-gate@{gate}.service"


def serving(place: Path) -> int:
    """The process that serves the gate of a directory; 0 for none."""
    try:
        lock = os.open(place / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        told = os.read(lock, 20).strip()
        return int(told) if told.isdigit() else 0
    finally:
        os.close(lock)
    return 0


def _end(place: Path, *, within: float = 5.0) -> None:
    """End the server of a gate that trustd itself started.

    Raises:
        TimedOut: it lives on.
    """
    until = time.monotonic() + within
    while process := serving(place):
        # again and again: one that is just beginning has no name yet, and hears nothing
        with suppress(ProcessLookupError, FileNotFoundError):
            _terminate(process, place)
        if time.monotonic() > until:
            raise TimedOut(f"process {process}, which serves {place.name}, does not end")
        time.sleep(_PAUSE)


def _terminate(process: int, place: Path) -> None:
    held = os.pidfd_open(process)
    try:
        # so that it is not another one that has this number now
        if str(place) in Path(f"/proc/{process}/cmdline").read_text("utf-8", "replace"):
            signal.pidfd_send_signal(held, signal.SIGTERM)
    finally:
        os.close(held)


class Keeper:
    """Starts the servers that are not there, where systemd does not.

    Args:
        systemd: what is there only where systemd runs.
    """

    def __init__(self, gates: Gates, systemd: Path = SYSTEMD) -> None:
        self._gates = gates
        self._systemd = systemd
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}
        self._served: set[str] = set()
        self._starting: list[int] = []

    def keep(self) -> None:
        """Look after every gate; quick."""
        # while a gate is retired, which takes seconds, the others wait for the next tick
        if self._systemd.is_dir() or not self._lock.acquire(blocking=False):
            return
        try:
            self._reap()
            for id_, gate in self._gates.known.items():
                self._look_after(id_, self._gates.place(gate))
        finally:
            self._lock.release()

    def wait(self, gate: Gate, *, within: float = _STARTING) -> bool:
        """Whether a gate is served, now or soon."""
        until = time.monotonic() + within
        while not serving(self._gates.place(gate)):
            if time.monotonic() > until or self.told(gate):
                return False
            time.sleep(_PAUSE)
        return True

    def retire(self, gate: Gate) -> None:
        """End a gate's server where trustd started it, and forget the gate.

        Raises:
            TimedOut: the server lives on.
            StoreError: the gate is still defined.
        """
        with self._lock:
            if not self._systemd.is_dir():
                _end(self._gates.place(gate))
            self._gates.remove(gate)
            self._served.discard(gate.id)
            self._begun.pop(gate.id, None)

    def told(self, gate: Gate) -> str:
        """Why the server did not begin, where trustd started it; empty where it did."""
        try:
            return (self._gates.place(gate) / _LOG).read_text("utf-8", "replace").strip()
        except OSError:
            return ""

    def _look_after(self, id_: str, place: Path) -> None:
        if serving(place):
            self._served.add(id_)
            return
        if id_ in self._served:
            self._served.discard(id_)
            self._begun.pop(id_, None)
            log.warning("gate.ended", gate=id_)
        now = time.monotonic()
        if now - self._begun.get(id_, -inf) > _STARTING:
            self._begun[id_] = now
            self._start(id_, place)

    def _reap(self) -> None:
        """Leave no process behind that only started a server."""
        self._starting = [each for each in self._starting if not _ended(each)]

    def _start(self, id_: str, place: Path) -> None:
        log_to = (os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(place / _LOG), *log_to),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        command = [sys.executable, "-I", "-m", "trustd.gate", "--detach", str(place)]
        try:
            process = os.posix_spawn(
                command[0], command, os.environ, file_actions=files, setsid=True
            )
        except OSError as error:
            log.error("gate.not_started", gate=id_, error=str(error))  # noqa: TRY400 - foreseen
            return
        self._starting.append(process)
        log.info("gate.started", gate=id_)


def _ended(process: int) -> bool:
    """Whether a child of ours has ended; one that somebody else took note of has."""
    try:
        return os.waitpid(process, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
