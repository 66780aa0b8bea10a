"""Moves a disk in a guest's definition onto its gate, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from grp import getgrnam
from pwd import getpwnam
from xml.etree.ElementTree import Element, SubElement, tostring

import libvirt
from defusedxml.ElementTree import fromstring

from trustd.enforce.actuator import Control
from trustd.enforce.live import definition
from trustd.errors import Refused
from trustd.gate import Gate
from trustd.hypervisor.devices import disk as described
from trustd.model import GuestId

RECONNECT_SECONDS = 60
"""For which a guest's requests wait for a server that went, before they fail."""
_PATIENCE = 5.0
"""Seconds for one call to libvirt about a guest that is off."""
_POLICIES = ("error_policy", "rerror_policy")
_FILES = {"file": "file", "block": "dev"}


def served_at(disks: Iterable[Element], target: str) -> str:
    """The unix socket that serves a guest's disk; empty for any other disk."""
    for each in disks:
        if _target(each) == target:
            host = each.find("source[@protocol='nbd']/host[@transport='unix']")
            return "" if host is None else host.get("socket", "")
    return ""


def gated(disk: Element, socket: str) -> Element:
    """The disk, served at a socket; everything else of it stays.

    An error reaches the guest, instead of stopping it: that is what a denial is.
    """
    moved = deepcopy(disk)
    moved.set("type", "network")
    for source in moved.findall("source"):
        moved.remove(source)
    source = SubElement(moved, "source", protocol="nbd")
    SubElement(source, "host", transport="unix", socket=socket)
    SubElement(source, "reconnect", delay=str(RECONNECT_SECONDS))
    driver = moved.find("driver")
    if driver is None:
        driver = SubElement(moved, "driver", name="qemu")
    for policy in _POLICIES:
        driver.set(policy, "report")
    return moved


def ungated(disk: Element, original: str) -> Element:
    """The disk as it was before its gate; what else somebody changed of it meanwhile stays."""
    before = fromstring(original)
    back = deepcopy(disk)
    back.set("type", before.get("type", ""))
    for source in back.findall("source"):
        back.remove(source)
    back.extend(before.findall("source"))
    driver, was = back.find("driver"), before.find("driver")
    if driver is not None:
        for policy in _POLICIES:
            driver.attrib.pop(policy, None)
            if was is not None and policy in was.attrib:
                driver.set(policy, was.attrib[policy])
        if was is None:
            back.remove(driver)
    return back


@dataclass(frozen=True, slots=True)
class Defined:
    """A disk in the persistent definition of its guest.

    Args:
        behind: whether it is behind its gate there.
        now, on, off: its element as it is, with its gate, and without.
    """

    behind: bool
    now: str
    on: str
    off: str


class Gating:
    """The disks of guests that are off, in their persistent definitions.

    Every method raises ``NoSuchGuest``, ``Unreachable`` or ``TimedOut`` where there is no
    guest or no answer, and ``Refused`` where the guest runs or libvirt declines.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    def survey(self, guest: GuestId, target: str, socket: str) -> Gate:
        """The gate that a disk could have."""
        return self._control.call(
            guest, lambda domain: _surveyed(domain, target, socket), timeout=_PATIENCE
        )

    def defined(self, gate: Gate) -> Defined:
        """How a gate's disk is defined, and could be."""
        return self._control.call(
            gate.guest, lambda domain: _defined(domain, gate), timeout=_PATIENCE
        )

    def move(self, gate: Gate) -> None:
        """Put the disk behind its gate; it counts from the guest's next start on."""
        self._control.call(gate.guest, lambda domain: _move(domain, gate), timeout=_PATIENCE)

    def move_back(self, gate: Gate) -> None:
        """Let the disk be what it was before its gate."""
        self._control.call(gate.guest, lambda domain: _move_back(domain, gate), timeout=_PATIENCE)


def _surveyed(domain: libvirt.virDomain, target: str, socket: str) -> Gate:
    """The gate that a guest's disk could have, as its persistent definition has it.

    Raises:
        Refused: it can have none; why, and what to do.
    """
    guest = GuestId(domain.UUIDString())
    root = definition(domain, config=True)
    disk = _disk(root, target)
    kind, driver = disk.get("type", ""), disk.find("driver")
    source = disk.find("source")
    path = "" if source is None else source.get(_FILES.get(kind, ""), "")
    if disk.get("device", "disk") != "disk" or source is None or not path:
        raise Refused(f"{target} is not a disk in a file or a block device of this host")
    in_the_way = [each.tag for each in source] + [
        tag for tag in ("shareable", "transient", "readonly") if disk.find(tag) is not None
    ]
    if disk.find("backingStore/source") is not None:
        in_the_way.append("backingStore")
    if in_the_way:
        raise Refused(f"{target} cannot be gated: it has <{in_the_way[0]}>")
    user, group = _owner(domain, root)
    try:
        return Gate(
            guest=guest,
            target=target,
            disk=path,
            format="raw" if driver is None else driver.get("type", "raw"),
            identity=described(disk).identity,
            socket=socket,
            user=user,
            group=group,
            original=tostring(disk, "unicode"),
        )
    except ValueError as error:
        raise Refused(f"{target} cannot be gated: {error}") from error


def _move(domain: libvirt.virDomain, gate: Gate) -> None:
    _change(domain, gate, gated(_off(domain, gate.target), gate.socket))
    if not _defined(domain, gate).behind:
        raise Refused(f"libvirt did not put {gate.target} behind its gate")


def _move_back(domain: libvirt.virDomain, gate: Gate) -> None:
    disk = _off(domain, gate.target)
    if served_at([disk], gate.target) == gate.socket:
        _change(domain, gate, ungated(disk, gate.original))


def _defined(domain: libvirt.virDomain, gate: Gate) -> Defined:
    disk = _off(domain, gate.target)
    behind = served_at([disk], gate.target) == gate.socket
    made = (disk, gated(disk, gate.socket), ungated(disk, gate.original) if behind else disk)
    return Defined(behind, *(tostring(each, "unicode").strip() for each in made))


def _change(domain: libvirt.virDomain, gate: Gate, disk: Element) -> None:
    # the device alone: a whole definition that was parsed and written is not the same to the byte
    try:
        domain.updateDeviceFlags(tostring(disk, "unicode"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    except libvirt.libvirtError as error:
        raise Refused(f"libvirt does not move {gate.target}: {error}") from error


def _off(domain: libvirt.virDomain, target: str) -> Element:
    if domain.isActive():
        raise Refused("the guest runs: shut it down first; a disk changes its server between runs")
    return _disk(definition(domain, config=True), target)


def _disk(root: Element, target: str) -> Element:
    for each in root.iterfind("devices/disk"):
        if _target(each) == target:
            return each
    raise Refused(f"the guest has no disk {target}")


def _target(disk: Element) -> str:
    target = disk.find("target")
    return "" if target is None else target.get("dev", "")


def _owner(domain: libvirt.virDomain, root: Element) -> tuple[int, int]:
    """The user and group of the guest's emulator: its own, or those of all guests.

    Raises:
        Refused: libvirt does not say.
    """
    kind = root.get("type", "")
    own = root.find("seclabel[@model='dac']/label")
    if own is None:
        capabilities: Element = fromstring(domain.connect().getCapabilities())
        models = capabilities.findall("host/secmodel")
        dac = [each for each in models if each.findtext("model") == "dac"]
        own = dac[0].find(f"baselabel[@type='{kind}']") if dac else None
    text = "" if own is None else (own.text or "").strip()
    user, colon, group = text.partition(":")
    if not colon:
        raise Refused(f"libvirt does not say which user runs the guest's emulator ({text!r})")
    return _number(user, group=False), _number(group, group=True)


def _number(name: str, *, group: bool) -> int:
    if re.fullmatch(r"\+?[0-9]{1,10}", name):
        return int(name.removeprefix("+"))
    try:
        return getgrnam(name).gr_gid if group else getpwnam(name).pw_uid
    except KeyError as error:
        raise Refused(f"this host has no {'group' if group else 'user'} {name}") from error
