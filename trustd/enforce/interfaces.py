"""The network interfaces of a running guest, each changed in one part and sent as a whole."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

import libvirt

from trustd.enforce.actuator import DeviceGone
from trustd.enforce.live import devices
from trustd.errors import Refused


def interface(domain: libvirt.virDomain, mac: str, *, config: bool = False) -> Element:
    """The interface with this MAC address, in lower case.

    Raises:
        DeviceGone: there is none.
        Refused: there are several, and they cannot be told apart.
    """
    every = devices(domain, "interface", config=config)
    found = [each for each in every if _mac(each) == mac]
    if not found:
        raise DeviceGone(f"the guest has no network interface {mac}")
    if len(found) > 1:
        raise Refused(f"{len(found)} network interfaces of the guest have the address {mac}")
    return found[0]


def update(domain: libvirt.virDomain, changed: Element) -> None:
    """Put a changed live interface in force.

    libvirt shows an interface of a network as what the network made of it, a bridge's
    port perhaps. Sent back like that it would no longer belong to the network.
    """
    source = changed.find("source")
    if source is not None and source.get("network") is not None:
        changed.set("type", "network")
        for drawn in ("portid", "bridge", "dev", "mode"):
            source.attrib.pop(drawn, None)
    domain.updateDeviceFlags(tostring(changed, "unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE)


def attribute(parent: Element, tag: str, name: str) -> str:
    """An attribute of a child; empty where there is none of either."""
    child = parent.find(tag)
    return "" if child is None else child.get(name, "")


def set_attribute(parent: Element, tag: str, name: str, value: str) -> None:
    """Set an attribute of a child; without a value the child goes away."""
    child = parent.find(tag)
    if not value:
        if child is not None:
            parent.remove(child)
        return
    if child is None:
        child = SubElement(parent, tag)
    child.set(name, value)


def _mac(element: Element) -> str:
    return attribute(element, "mac", "address").lower()
