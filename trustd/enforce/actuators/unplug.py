"""``unplug``: takes a device out of a running guest, and plugs the very same one in again."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from xml.etree.ElementTree import Element, tostring

import libvirt
from defusedxml.ElementTree import fromstring

from trustd.enforce.live import definition, run_of
from trustd.errors import Refused, TimedOut
from trustd.hypervisor.devices import disk, host_device, nic
from trustd.model import Guest, Setting, system_disk

NOT_LET_GO = "the guest does not let go of the device"
"""The error of a guest that was asked, could have complied, and did not."""

GONE: Setting = {"device": ""}
_STEP = 0.02
_AGAIN = 5.0
"""Seconds before a guest that was asked is asked again.

A request that meets the guest while it is letting go is answered twice by some kernels:
what is plugged in at that place right afterwards is thrown out at once.
"""
_LAPSE = 180.0
"""Seconds without asking after which a guest is asked anew: longer than any retry waits."""

_GIVEN = {True: ("index", "portid", "bridge"), False: ("index", "portid")}
"""Of a device's source, by whether libvirt looks the source up in one of its networks."""
_NAMED_BY_LIBVIRT = re.compile(r"(vnet|macvtap|macvlan)\d+")


class Unplug:
    """A disk, a network interface or a host's device that leaves the guest.

    The state is ``device``: the device's live definition, empty where the guest has
    none, without what libvirt gives anew at each plugging in (the number of a disk's
    node, the port of a network, the name of a tap). A device is known by its target,
    its MAC address or its identity on the host.

    A guest is asked and may refuse. The lever asks, waits a moment, and says that it
    is not so yet; whoever was asked for longer than ``patience`` has refused. What was
    asked for cannot be taken back: a guest may comply much later.

    Args:
        patience: seconds that a guest may take before it counts as refusing. Some
            kernels let a button blink for five.
        moment: seconds that one attempt waits.
        clock: steady seconds.
    """

    name = "unplug"
    removing = True

    def __init__(
        self,
        *,
        patience: float = 15.0,
        moment: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = patience
        self._moment = moment
        self._clock = clock
        self._asked: dict[tuple[str, str], tuple[str, float, float]] = {}

    def probe(self, domain: libvirt.virDomain) -> str:  # noqa: ARG002 - every emulator can
        """Every host can; whether the guest complies shows when it is asked."""
        return ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """The device's definition as it can be plugged in again."""
        found = _found(definition(domain, config=config), device)
        return GONE if found is None else {"device": _lasting(found)}

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """Gone, whatever it was.

        >>> Unplug().tightened({"device": "<disk/>"}, {"attached": False}, "vdb")
        {'device': ''}
        """
        return GONE

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether a device that was gone is there."""
        return not before["device"] and bool(after["device"])

    def facet(self, key: str) -> str:
        """There is one thing to change."""
        return key

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:
        """With the device that it would still have, after all others of its kind."""
        if not prior["device"]:
            return guest
        element = fromstring(str(prior["device"]))
        match element.tag:
            case "disk" if all(each.target != device for each in guest.disks):
                return replace(guest, disks=(*guest.disks, disk(element)))
            case "interface" if all(each.mac != device for each in guest.nics):
                guest = replace(guest, nics=(*guest.nics, nic(element, running=True)))
        passed = element.tag == "hostdev" or element.get("type") == "hostdev"
        there = {each.identity for each in guest.host_devices}
        if passed and (again := host_device(element)).identity not in there:
            guest = replace(guest, host_devices=(*guest.host_devices, again))
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Ask the guest to let go, or plug the device in.

        Raises:
            Refused: it is not to be unplugged, cannot be now, or the guest will not.
            TimedOut: the guest was asked, and still has it.
        """
        if state["device"]:
            domain.attachDeviceFlags(str(state["device"]), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        else:
            self._unplug(domain, device)

    def _unplug(self, domain: libvirt.virDomain, device: str) -> None:
        root = definition(domain)
        element = _found(root, device)
        place = (domain.UUIDString(), device)
        if element is None:
            self._asked.pop(place, None)
            return
        disks = map(disk, root.iterfind("devices/disk"))
        if element.tag == "disk" and device == system_disk(disks):
            raise Refused(f"the guest runs from the disk {device}, and would hang without it")
        if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
            self._asked.pop(place, None)
            raise Refused("the guest's processors stand still: it cannot let go of anything")
        run, now = run_of(domain), self._clock()
        before, since, last = self._asked.get(place, ("", now, -math.inf))
        if before != run or now - last > _LAPSE:
            since, last = now, -math.inf
        if now - last >= _AGAIN:
            alias = element.find("alias")
            domain.detachDeviceAlias(
                "" if alias is None else alias.get("name", ""), libvirt.VIR_DOMAIN_AFFECT_LIVE
            )
            self._asked[place] = run, since, now
        while _found(definition(domain), device) is not None:
            waited = self._clock() - now
            if waited > self._moment:
                if now + waited - since > self._patience:
                    raise Refused(NOT_LET_GO)
                raise TimedOut("the guest was asked to let go of it, and has not yet")
            time.sleep(_STEP)
        self._asked.pop(place, None)


def _found(root: Element, device: str) -> Element | None:
    """The device that is known by this word.

    Raises:
        Refused: several are.
    """
    found = list(_named(root, device))
    if len(found) > 1:
        raise Refused(f"{len(found)} devices of the guest are known as {device}")
    return found[0] if found else None


def _named(root: Element, device: str) -> Iterator[Element]:
    for element in root.iterfind("devices/*"):
        match element.tag:
            case "disk":
                known = disk(element).target == device
            case "interface":
                known = device in (nic(element, running=True).mac, _passed_through(element))
            case "hostdev":
                known = host_device(element).identity == device
            case _:
                known = False
        if known:
            yield element


def _passed_through(interface: Element) -> str:
    return host_device(interface).identity if interface.get("type") == "hostdev" else ""


def _lasting(device: Element) -> str:
    """A device's definition without what libvirt gives anew whenever it is plugged in."""
    kept = deepcopy(device)
    kept.tail = None
    for element in kept.iter():
        if not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
        if element.tag == "source":
            for given in _GIVEN[kept.get("type") == "network"]:
                element.attrib.pop(given, None)
    target = kept.find("target")
    if kept.tag == "interface" and target is not None:
        if _NAMED_BY_LIBVIRT.fullmatch(target.get("dev", "")):
            del target.attrib["dev"]
        if not target.attrib:
            kept.remove(target)
    return tostring(kept, "unicode")
