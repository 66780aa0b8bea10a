"""The control groups in which libvirt keeps a guest's threads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import libvirt

from trustd.errors import Refused

CGROUPS = Path("/sys/fs/cgroup")
_DEEP = 6
"""Levels below the mount point at which a guest's group may be; partitions nest."""


@dataclass(frozen=True, slots=True)
class CpuGroups:
    """The groups of one guest's threads.

    Args:
        path: the group that holds ``emulator``, ``vcpu0`` ...
    """

    path: Path

    @classmethod
    def of(cls, domain: libvirt.virDomain, mount: Path) -> Self | None:
        """A running guest's groups; None where this process cannot write them.

        Only libvirt puts a process into them, so that the guest's UUID in the
        process's arguments tells them from those of another hypervisor's guest.
        """
        number, uuid = domain.ID(), domain.UUIDString()
        base = mount / "cpu" if (mount / "cpu").is_dir() else mount
        for path in _named(base, number, _DEEP):
            inner = path / "libvirt" if (path / "libvirt").is_dir() else path
            if _holds(inner, uuid):
                writable = all(os.access(each, os.W_OK) for each in _files(inner, "*"))
                return cls(inner) if writable else None
        return None

    def set_quotas(self, quotas: Mapping[str, int]) -> None:
        """Set quotas, each for all groups of its kind.

        Args:
            quotas: microseconds a period by ``vcpu_quota``, ``emulator_quota``,
                ``iothread_quota``; -1 for no limit.

        Raises:
            Refused: the kernel declined, or the guest ended meanwhile.
        """
        for key, quota in quotas.items():
            for file in _files(self.path, f"{key.removesuffix('_quota')}*"):
                # version 2 keeps the period where only the quota is written
                none = "max" if file.name == "cpu.max" else "-1"
                try:
                    file.write_text(str(quota) if quota >= 0 else none, "ascii")
                except OSError as error:
                    raise Refused(f"{file.parent.name}: quota {quota}: {error.strerror}") from error


def _named(base: Path, number: int, levels: int) -> Iterator[Path]:
    """The groups whose names say that they are the guest of this number."""
    names = (f"qemu-{number}-", f"machine-qemu\\x2d{number}\\x2d")
    try:
        groups = sorted(each for each in base.iterdir() if each.is_dir())
    except OSError:
        return  # it went away, or is not for us to see
    for path in groups:
        if path.name.startswith(names):
            yield path
        elif levels > 1:
            yield from _named(path, number, levels - 1)


def _holds(path: Path, uuid: str) -> bool:
    """Whether the emulator of the guest with this UUID is in the group."""
    for members in (path / "emulator" / "cgroup.procs", path / "cgroup.procs"):
        try:
            for process in members.read_text("ascii").split():
                arguments = Path("/proc", process, "cmdline").read_bytes().split(b"\0")
                if uuid.encode() in arguments:
                    return True
        except OSError:
            continue  # a threaded group of version 2 has no such list; or the guest just ended
    return False


def _files(path: Path, kind: str) -> list[Path]:
    """The files that hold the quotas of one kind of thread."""
    return [
        file
        for group in sorted(path.glob(kind))
        for file in (group / "cpu.max", group / "cpu.cfs_quota_us")
        if file.exists()
    ]
