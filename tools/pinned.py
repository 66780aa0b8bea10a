#!/usr/bin/env python3
"""Copies the packages that a lock pins from this environment to another, without a network.

tools/pinned.py LOCK SITE-PACKAGES

Each must be here in the version that the lock says, and each of its files must be what it was
when pip installed it from an archive that has the lock's hash: every package's RECORD tells.
Commands that packages bring stay behind.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def main(lock: Path, target: Path) -> None:
    """Copy them all, or end with what is wrong."""
    for name, version in pinned(lock.read_text("utf-8")):
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise SystemExit(f"{name} is not installed here: run tools/setup.sh deb") from None
        if found.version != version:
            raise SystemExit(f"{name} is {found.version} here, and {version} in {lock}")
        copy(found, target)


def pinned(lock: str) -> Iterator[tuple[str, str]]:
    """The packages of a lock that count on this machine, with their versions."""
    for line in lock.splitlines():
        if line[:1].isalnum():
            wanted = Requirement(line.rstrip(" \\"))
            if wanted.marker is None or wanted.marker.evaluate():
                yield wanted.name, next(iter(wanted.specifier)).version


def copy(package: metadata.Distribution, target: Path) -> None:
    """Copy the files of a package that lie below site-packages."""
    for file in package.files or []:
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        content = Path(str(file.locate())).read_bytes()
        # RECORD itself, and what pip adds to it, have no hash
        if file.hash is not None and digest(file.hash.mode, content) != file.hash.value:
            raise SystemExit(f"{file} was changed after {package.name} was installed")
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        shutil.copymode(str(file.locate()), place)


def digest(algorithm: str, content: bytes) -> str:
    """A file's hash as RECORD writes it."""
    plain = hashlib.new(algorithm, content).digest()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
