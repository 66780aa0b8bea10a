"""Where evidence is kept: for root and trustd only, bounded, and never thrown away."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from trustd.errors import Refused
from trustd.model import GuestId

_CHUNK = 4 * 1024 * 1024
_UNIT = 512
"""Bytes of a block as ``stat`` counts them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A directory with one folder a guest, and in it one a capture.

    Beyond its bounds a capture is refused and nothing is deleted: a guest that is
    captured again and again must not wash away what was kept of it, or of another.

    Args:
        directory: only its owner can look into it.
        most: bytes that everything in it may take.
        free: bytes that stay free on its disk.
        each: captures that are kept of one guest.
    """

    directory: Path
    most: int
    free: int
    each: int

    def folder(self, guest: GuestId, at: float, needed: int) -> Path:
        """A new folder for one capture.

        Args:
            at: epoch seconds.
            needed: bytes that it may take.

        Raises:
            Refused: there is no room for it, or no safe place.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
                raise Refused(f"others can look into {self.directory}: chmod it to 0700")
            self._room(needed)
            place = self.directory / guest
            place.mkdir(mode=0o700, exist_ok=True)
            if sum(1 for _ in place.iterdir()) >= self.each:
                raise Refused(f"{self.each} captures of this guest are kept in {place} already")
            folder = place / datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise Refused(f"evidence cannot be kept: {error}") from error
        return folder

    def beside(self, disk: Path) -> None:
        """See that a guest can write beside its disk while that is copied.

        It may write as much anew as the disk holds: on a full file system it would stand
        still, and so would whoever else has disks there.

        Raises:
            Refused: less than ``free`` might stay free there.
            OSError: the disk cannot be looked at.
        """
        found = disk.stat()
        held = found.st_blocks * _UNIT
        # the copy goes to the same file system where evidence is kept there
        copies = 2 if found.st_dev == self.directory.stat().st_dev else 1
        left = shutil.disk_usage(disk.parent).free - copies * held
        if left < self.free:
            raise Refused(
                f"what the guest writes beside {disk.name} meanwhile, up to {held} bytes,"
                f" might leave {max(left, 0)} bytes of its file system"
            )

    def _room(self, needed: int) -> None:
        used = sum(
            os.lstat(os.path.join(place, name)).st_blocks * _UNIT  # noqa: PTH118 - of os.walk
            for place, _, names in os.walk(self.directory)
            for name in names
        )
        if used + needed > self.most:
            raise Refused(
                f"{needed} bytes more would make evidence larger than {self.most}"
                f" in {self.directory}: move old captures away"
            )
        left = shutil.disk_usage(self.directory).free - needed
        if left < self.free:
            raise Refused(f"evidence of {needed} bytes would leave {max(left, 0)} bytes of disk")


def created(path: Path) -> int:
    """A new file that only its owner can read; its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Keep a document as JSON, on the disk when this returns."""
    with open(created(path), "wb") as file:
        file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """The hex digest of a file, however large it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file with its holes: a thin disk stays thin."""
    with source.open("rb") as old, open(created(target), "wb") as new:
        size, at = os.fstat(old.fileno()).st_size, 0
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:
                break  # nothing but a hole up to the end
            end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            os.lseek(new.fileno(), at, os.SEEK_SET)
            while at < end:
                sent = os.sendfile(new.fileno(), old.fileno(), at, min(_CHUNK, end - at))
                if not sent:
                    break
                at += sent
        new.truncate(size)
        os.fsync(new.fileno())
