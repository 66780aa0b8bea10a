"""A disk that stands still while it is copied: the guest writes beside it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

import libvirt

from trustd.enforce.live import devices
from trustd.errors import Refused, TimedOut

_STEP = 0.05
_SUFFIX = ".trustd-"


def plain_files(domain: libvirt.virDomain) -> tuple[dict[str, str], list[str]]:
    """The guest's disks that are files of the host, by target; and the others' targets."""
    files: dict[str, str] = {}
    others: list[str] = []
    for disk in devices(domain, "disk"):
        target, source = disk.find("target"), disk.find("source")
        name = "" if target is None else target.get("dev", "")
        path = "" if source is None else source.get("file", "")
        if disk.get("device", "disk") != "disk" or source is None:
            continue
        if path and disk.find("readonly") is None and disk.find("shareable") is None:
            files[name] = path
        else:
            others.append(name)
    return files, others


def overlay_of(base: str, word: str) -> str:
    """The file beside a disk that takes its writes meanwhile.

    >>> overlay_of("/images/web.qcow2", "4f1d")
    '/images/web.qcow2.trustd-4f1d'
    """
    return f"{base}{_SUFFIX}{word}"


def divert(domain: libvirt.virDomain, disk: str, overlay: str) -> None:
    """Have a disk's writes go to a new file; all at once, or not at all."""
    snapshot = Element("domainsnapshot")
    disks = SubElement(snapshot, "disks")
    for name in _targets(domain):
        if name == disk:
            one = SubElement(disks, "disk", name=name, snapshot="external")
            SubElement(one, "driver", type="qcow2")
            SubElement(one, "source", file=overlay)
        else:
            SubElement(disks, "disk", name=name, snapshot="no")
    domain.snapshotCreateXML(
        tostring(snapshot, "unicode"),
        libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC,
    )


def reunite(domain: libvirt.virDomain, disk: str, overlay: str, *, deadline: float) -> bool:
    """Bring what was written meanwhile into the disk, and have the guest use it again.

    Args:
        deadline: seconds; what is not done by then goes on when this is called again.

    Returns:
        Whether the guest had been using the overlay.

    Raises:
        Refused: it does not run, and its definition says that it would use the overlay.
        TimedOut: it takes longer.
    """
    if _source(domain, disk) != overlay:
        return False
    if not domain.isActive():
        raise Refused(f"the guest is off, and its disk {disk} is {overlay} until it runs")
    end = time.monotonic() + deadline
    if not domain.blockJobInfo(disk):
        domain.blockCommit(
            disk,
            None,
            None,
            0,
            libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
            | libvirt.VIR_DOMAIN_BLOCK_COMMIT_SHALLOW
            | libvirt.VIR_DOMAIN_BLOCK_COMMIT_DELETE,
        )
    while not _mirrored(domain, disk):
        _wait(end, disk)
    domain.blockJobAbort(disk, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    while domain.blockJobInfo(disk) or _source(domain, disk) == overlay:
        _wait(end, disk)
    return True


def _wait(end: float, disk: str) -> None:
    if time.monotonic() > end:
        raise TimedOut(f"what was written to {disk} meanwhile is not in it yet")
    time.sleep(_STEP)


def _targets(domain: libvirt.virDomain) -> Iterable[str]:
    for disk in devices(domain, "disk"):
        target = disk.find("target")
        if target is not None:
            yield target.get("dev", "")


def _disk(domain: libvirt.virDomain, name: str) -> Element | None:
    for disk in devices(domain, "disk"):
        target = disk.find("target")
        if target is not None and target.get("dev") == name:
            return disk
    return None


def _source(domain: libvirt.virDomain, name: str) -> str:
    disk = _disk(domain, name)
    source = None if disk is None else disk.find("source")
    return "" if source is None else source.get("file", "")


def _mirrored(domain: libvirt.virDomain, name: str) -> bool:
    disk = _disk(domain, name)
    mirror = None if disk is None else disk.find("mirror")
    return mirror is not None and mirror.get("ready") == "yes"
