"""What a gate is, and its file: the first thing that its server reads."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from trustd.errors import StoreError
from trustd.model import GuestId

DEFINITION = "gate.json"
FORMATS = ("qcow2", "raw")
_LONGEST = 256 * 1024
_LONGEST_SOCKET = 107
"""Bytes of a socket's path, of which sun_path has one more (unix(7))."""
_GUEST = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TARGET = re.compile(r"[a-z][a-z0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Gate:
    """A server between one disk of a guest and its emulator.

    Args:
        target: the disk's name in the guest's definition (``vda``).
        disk: the file or block device that is served, as it is: an absolute path.
        format: what is in it, ``raw`` or ``qcow2``; the emulator interprets it.
        identity: the volume that policy and history know, gated or not.
        socket: where it is served, to this guest only.
        user, group: of the guest's emulator, which own the socket.
        original: the ``<disk>`` of the definition before, to go back.

    Raises:
        ValueError: a part of it could lead out of its place.
    """

    guest: GuestId
    target: str
    disk: str
    format: str
    identity: str
    socket: str
    user: int
    group: int
    original: str

    def __post_init__(self) -> None:
        name_of(self.guest, self.target)
        for path in (self.disk, self.socket):
            if not path.startswith("/") or "\0" in path:
                raise ValueError(f"{path!r} is not an absolute path")
        if len(os.fsencode(self.socket)) > _LONGEST_SOCKET:
            raise ValueError(f"{self.socket} is too long for a socket")
        if self.format not in FORMATS:
            raise ValueError(f"{self.format!r} cannot be gated; known are {', '.join(FORMATS)}")

    @property
    def id(self) -> str:
        """Its name on this host: in paths, in the unit, in the guest's device."""
        return name_of(self.guest, self.target)


def name_of(guest: str, target: str) -> str:
    """The name of the gate of a guest's disk; never made of anything a guest's owner may choose.

    >>> name_of("b1946ac9-2492-4d23-8476-5e7f0a9c3d11", "vda")
    'b1946ac9-2492-4d23-8476-5e7f0a9c3d11-vda'
    >>> name_of("../../etc", "vda")
    Traceback (most recent call last):
    ValueError: '../../etc' is no UUID

    Raises:
        ValueError: these are no UUID and no target.
    """
    if not _GUEST.fullmatch(guest):
        raise ValueError(f"{guest!r} is no UUID")
    if not _TARGET.fullmatch(target):
        raise ValueError(f"{target!r} is no disk's target, such as vda")
    return f"{guest}-{target}"


def read_gate(directory: Path) -> Gate:
    """The gate that a directory defines.

    Raises:
        StoreError: it defines none, or others than its owner may write to it.
    """
    try:
        about = os.lstat(directory)
        if not stat.S_ISDIR(about.st_mode) or about.st_mode & 0o022:
            raise StoreError(f"{directory}: not a directory that only its owner may write to")
        descriptor = os.open(directory / DEFINITION, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            gate = Gate(**orjson.loads(file.read(_LONGEST)))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{directory}: not a gate: {error}") from error
    if gate.id != directory.name:
        raise StoreError(f"{directory}: defines another gate, {gate.id}")
    return gate


def write_gate(gate: Gate, directory: Path) -> None:
    """Define a gate in a new directory, which appears whole and lasting, or not at all.

    Raises:
        OSError: it did not appear.
    """
    made = directory.with_name(f".new-{directory.name}")
    made.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(made / DEFINITION, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(asdict(gate), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    sync(made)
    made.rename(directory)
    sync(directory.parent)


def sync(directory: Path) -> None:
    """Make lasting what appeared in a directory, and what went from it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
