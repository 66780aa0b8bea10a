"""A guest and its devices, as the hypervisor describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

GuestId = NewType("GuestId", str)
"""A guest's UUID in canonical lower-case form; never its name."""


class GuestState(StrEnum):
    """What a guest is doing, as far as the hypervisor can tell."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a guest.

    Args:
        target: its name in the guest's definition (``vda``).
        identity: what stays the same when the guest is renamed or redefined: a
            volume's key, a file's or block device's path, a network export.
            Empty for a drive without a medium.
        kind: ``disk``, ``cdrom``, ``floppy`` or ``lun``.
        readonly: whether the definition says so.
        alias: the device's alias while the guest runs.
        boot: its place in the order in which the guest tries to boot; 0 where none is said.
        gate: the gate that its requests pass, and its identity is then that of what the
            gate serves; empty for none.
        shared: whether the definition says that several guests write to it.
        backing: what it is an overlay of, nearest first, as far as libvirt says; it
            does while the guest runs.
    """

    target: str
    identity: str
    kind: str = "disk"
    readonly: bool = False
    alias: str = ""
    boot: int = 0
    gate: str = ""
    shared: bool = False
    backing: tuple[str, ...] = ()


def system_disk(disks: Iterable[Disk]) -> str:
    """The target of the disk that a guest runs from; empty where it has no disk.

    The first in its boot order, or else the first of all. Nothing on the host tells what
    a guest mounted where: it is what is most likely.

    >>> system_disk([Disk("sda", "", "cdrom"), Disk("vda", "/a"), Disk("vdb", "/b", boot=1)])
    'vdb'
    """
    fixed = [each for each in disks if each.kind in ("disk", "lun")]
    first = min(fixed, key=lambda each: (not each.boot, each.boot), default=None)
    return "" if first is None else first.target


@dataclass(frozen=True, slots=True)
class Nic:
    """One network interface of a guest.

    Args:
        mac: lower case, its identity within the guest.
        network: what it is attached to: a network's name, a bridge, a device.
        tap: the host's device, empty for a host device or a guest that is off.
        link: whether the definition has the link up.
        alias: the device's alias while the guest runs.
        filterable: whether the host's packet filters see what passes: it is a tap,
            and not in a switch of its own kind.
        bridge: the bridge that it is in, as far as libvirt says; where it is found, and no
            part of what it is, so that two are the same wherever they are plugged in.
    """

    mac: str
    network: str
    tap: str = ""
    link: bool = True
    alias: str = ""
    filterable: bool = True
    bridge: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class HostDevice:
    """A device of the host that is passed through to a guest.

    Args:
        identity: its address on the host, such as ``pci:0000:03:00.0``.
        alias: the device's alias while the guest runs.
    """

    identity: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Guest:
    """One libvirt domain.

    Args:
        id: its UUID.
        name: its present name. Whoever defined the guest chose it: data, never
            markup or a path.
        labels: what the host says of the guest; the guest cannot change them.
        vcpus: virtual processors.
        memory: bytes of memory that it may use.
        balloon_period: seconds between the balloon's statistics; 0 where the
            guest has none, and then it reports no memory use.
        firmware: the file of its firmware's variables; empty without one.
        tpm: what its TPM's state is kept in, where the definition says; empty where
            libvirt keeps it under the guest's UUID, and without a TPM.
    """

    id: GuestId
    name: str
    state: GuestState = GuestState.UNKNOWN
    labels: Mapping[str, str] = field(default_factory=dict)
    vcpus: int = 1
    memory: int = 0
    balloon_period: int = 0
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    host_devices: tuple[HostDevice, ...] = ()
    firmware: str = ""
    tpm: str = ""


@dataclass(frozen=True, slots=True)
class GuestEvent:
    """Something that the hypervisor said of a guest, between two samples.

    Args:
        kind: ``lifecycle``, ``reboot``, ``watchdog``, ``io-error``,
            ``device-added``, ``device-removed``, ``device-removal-failed``,
            ``tunable``, ``metadata``, ``agent``, ``memory-failure``, ``control-error``.
        at: epoch seconds at which trustd heard of it.
        what: the event's own name (``started``, ``stopped``, ``defined`` ...).
        detail: the reason that the hypervisor gives (``from-snapshot`` ...).
        facts: device aliases, paths and tunables that the event names.
    """

    guest: GuestId
    name: str
    kind: str
    at: float
    what: str = ""
    detail: str = ""
    facts: Mapping[str, str | int] = field(default_factory=dict)
