"""From a gate's definition to its server: everything that is done before nbdkit takes over.

The process becomes nbdkit, and nothing of trustd is between the guest and its disk. What
it leaves to nbdkit is the socket, made ready for the guest's emulator and nobody else; a
lock by which everybody sees that it lives; and the marks of QEMU that the image is in use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import struct
import time
from pathlib import Path

from trustd.errors import EnforceError, StoreError
from trustd.gate.definition import Gate, read_gate
from trustd.gate.denials import FILES
from trustd.gate.image import prepare

LOCK = "lock"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LISTENING = 3
"""The descriptor at which a server takes its socket over (sd_listen_fds(3))."""
_ASIDE = 10
_PATIENCE, _PAUSE = 1.0, 0.02
"""Seconds for the lock, which whoever looks whether it is held holds for a moment."""
_BACKLOG = 8
_DENIED_BY = {
    "deny_write": ("pwrite", "trim", "zero"),
    "deny_read": ("pread", "extents", "cache"),
}
_QEMU_WRITES, _QEMU_WRITES_ALONE = 101, 201
"""Bytes on which QEMU holds a lock while it writes to an image, and while it lets no other."""
_LOCK = struct.Struct("hhqqi4x")
"""struct flock of a 64-bit Linux: type, whence, start, length, process."""


def serve(directory: Path) -> None:
    """Become the server of a gate; returns only by its error.

    Raises:
        StoreError: there is no such gate.
        EnforceError: its disk cannot be served.
    """
    gate = read_gate(directory)
    program = shutil.which("nbdkit", path=_PATH)
    if program is None:
        raise EnforceError("nbdkit is not installed: apt-get install nbdkit")
    lock = _lock(directory)
    try:
        _claim(gate)
        _listen(gate)
    except (OSError, ValueError) as error:
        raise EnforceError(f"{gate.disk} cannot be served: {error}") from error
    os.write(lock, b"%d\n" % os.getpid())
    handed = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "PATH": _PATH}
    os.execve(program, command(gate, directory), handed)  # noqa: S606 - no shell is meant


def command(gate: Gate, directory: Path) -> list[str]:
    """The server's arguments.

    It keeps no log: a line for every request that it denies would let a guest fill the
    host's. It takes one client at a time: while the guest runs nobody else gets in.
    """
    words = ["nbdkit", "--foreground", "--log=null", "--filter=limit", "--filter=error"]
    words += ["file", f"file={gate.disk}", "limit=1"]
    for key, operations in _DENIED_BY.items():
        for operation in operations:
            words += [
                f"error-{operation}=EPERM",
                f"error-{operation}-rate=100%",
                f"error-{operation}-file={directory / FILES[key]}",
            ]
    return words


def _lock(directory: Path) -> int:
    """Hold the gate's lock as long as the server lives; nobody's number is in it yet.

    Raises:
        StoreError: another server holds it.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        found = os.open(directory / LOCK, flags, 0o600)
        os.fchmod(found, 0o644)  # trustd looks whether it is held, also as another user
        kept = fcntl.fcntl(found, fcntl.F_DUPFD, _ASIDE)
        os.close(found)
        until = time.monotonic() + _PATIENCE
        while not _held(kept):
            if time.monotonic() > until:
                raise StoreError(f"{directory}: it is served already")
            time.sleep(_PAUSE)
        os.truncate(kept, 0)
    except OSError as error:
        raise StoreError(f"{directory / LOCK}: {error}") from error
    return kept


def _held(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _claim(gate: Gate) -> None:
    """Open the image, mark it as in use to every other QEMU, and give it room.

    Raises:
        ValueError: somebody else writes to it, or it cannot be served alone.
        OSError: it cannot be opened.
    """
    opened = os.open(gate.disk, os.O_RDWR | os.O_CLOEXEC)
    kept = fcntl.fcntl(opened, fcntl.F_DUPFD, _ASIDE)
    os.close(opened)
    for byte in (_QEMU_WRITES, _QEMU_WRITES_ALONE):
        asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        if _LOCK.unpack(fcntl.fcntl(kept, fcntl.F_OFD_GETLK, asked))[0] != fcntl.F_UNLCK:
            raise ValueError("another QEMU or gate has it open for writing")
        mark = _LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
        fcntl.fcntl(kept, fcntl.F_OFD_SETLK, mark)
    prepare(kept, gate.format)


def _listen(gate: Gate) -> None:
    """Listen at the gate's socket, which appears with its owner or not at all."""
    place = Path(gate.socket).parent
    place.parent.mkdir(mode=0o711, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)
    about = os.lstat(place)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
        raise ValueError(f"{place} is somebody else's")
    # the emulator may pass through, and cannot put another socket there
    os.chown(place, -1, gate.group)
    place.chmod(0o710)
    made = place / "new"
    made.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(made))
    made.chmod(0o600)
    os.chown(made, gate.user, gate.group)
    listening.listen(_BACKLOG)
    made.rename(gate.socket)
    descriptor = listening.detach()
    if descriptor == _LISTENING:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - it has no keyword
    else:
        os.dup2(descriptor, _LISTENING, inheritable=True)
