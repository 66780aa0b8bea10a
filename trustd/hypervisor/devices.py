"""One device of a guest from its XML element, with an identity that lasts."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from trustd.model import Disk, HostDevice, Nic

_DEEPEST = 64
"""Layers of an image that are looked at."""
_FILTERED = ("network", "bridge", "ethernet")
"""Types of interface on which libvirt takes a packet filter."""


def disk(element: Element) -> Disk:
    """A disk, from ``<disk>``."""
    return Disk(
        target=_at(element, "target", "dev"),
        identity=_medium(element),
        kind=element.get("device", "disk"),
        readonly=element.find("readonly") is not None,
        alias=_at(element, "alias", "name"),
        boot=_hex(_at(element, "boot", "order")),
        shared=element.find("shareable") is not None,
        backing=tuple(_layers(element)),
    )


def nic(element: Element, *, running: bool) -> Nic:
    """A network interface, from ``<interface>``.

    Args:
        running: whether its guest runs; only then does the host's device exist.
    """
    kind = element.get("type", "")
    tap = _at(element, "target", "dev") if running and kind != "hostdev" else ""
    return Nic(
        mac=_at(element, "mac", "address").lower(),
        network=_attachment(element, kind),
        tap=tap,
        link=_at(element, "link", "state") != "down",
        alias=_at(element, "alias", "name"),
        filterable=kind in _FILTERED and _at(element, "virtualport", "type") != "openvswitch",
        bridge=_at(element, "source", "bridge"),
    )


def host_device(element: Element) -> HostDevice:
    """A passed-through device, from ``<hostdev>`` or ``<interface type='hostdev'>``."""
    return HostDevice(identity=_passed_through(element), alias=_at(element, "alias", "name"))


def tpm(element: Element) -> str:
    """What a TPM's state is kept in, from ``<tpm>``; empty where the definition does not say."""
    backend = element.find("backend")
    if backend is None:
        return ""
    for path in ("device", "source"):
        if found := _at(backend, path, "path"):
            return found
    return ""


def _layers(element: Element) -> Iterator[str]:
    """What a disk is an overlay of, nearest first."""
    layer = element.find("backingStore")
    for _ in range(_DEEPEST):
        if layer is None:
            return
        if found := _medium(layer):
            yield found
        layer = layer.find("backingStore")


def _medium(element: Element) -> str:
    """What lies behind a disk: a path, a volume, an export; empty without a medium."""
    source = element.find("source")
    if source is None:
        return ""
    match element.get("type", ""):
        case "volume":
            pool, volume = source.get("pool", ""), source.get("volume", "")
            return f"volume:{pool}/{volume}" if volume else ""
        case "network":
            return _export(source)
        case "nvme":
            address = _pci(source.find("address"))
            return f"nvme:{address}/{source.get('namespace', '')}" if address else ""
        case "vhostuser":
            path = source.get("path", "")
            return f"vhostuser:{path}" if path else ""
        case _:
            return source.get("file") or source.get("dev") or source.get("dir") or ""


def _export(source: Element) -> str:
    """A network disk: protocol, where it is served, and its name there."""
    protocol, name = source.get("protocol", ""), source.get("name", "")
    hosts = [
        host.get("socket") or f"{host.get('name', '')}:{host.get('port', '')}".rstrip(":")
        for host in source.findall("host")
    ]
    return f"{protocol}://{','.join(sorted(hosts))}/{name}"


def _attachment(element: Element, kind: str) -> str:
    """What an interface is attached to, by the name it has on the host."""
    source = element.find("source")
    if source is None:
        return kind
    if kind == "hostdev":
        return _passed_through(element)
    for name in ("network", "bridge", "dev", "path", "name"):
        if found := source.get(name):
            return found
    return kind


def _passed_through(element: Element) -> str:
    """A host device's address on the host."""
    source = element.find("source")
    if source is None:
        return ""
    address = source.find("address")
    kind = element.get("type", "")
    if kind == "hostdev":
        kind = "pci" if address is None else address.get("type", "pci")
    match kind:
        case "pci":
            place = _pci(address)
        case "mdev":
            place = "" if address is None else address.get("uuid", "")
        case "usb":
            place = _usb(source, address)
        case "scsi":
            place = _scsi(source, address)
        case "scsi_host":
            place = source.get("wwpn", "")
        case _:
            place = "".join(child.text or "" for child in source).strip()
    return f"{kind or element.get('mode', '')}:{place}" if place else ""


def _pci(address: Element | None) -> str:
    """A PCI address in the kernel's own form, such as ``0000:03:00.0``."""
    if address is None:
        return ""
    parts = [_hex(address.get(name, "0")) for name in ("domain", "bus", "slot", "function")]
    return f"{parts[0]:04x}:{parts[1]:02x}:{parts[2]:02x}.{parts[3]:x}"


def _usb(source: Element, address: Element | None) -> str:
    """A USB device by its maker's numbers, which outlast its place on the bus."""
    vendor, product = _at(source, "vendor", "id"), _at(source, "product", "id")
    if vendor or product:
        return f"{vendor}:{product}"
    return "" if address is None else f"{address.get('bus', '')}-{address.get('device', '')}"


def _scsi(source: Element, address: Element | None) -> str:
    if source.get("protocol"):
        return _export(source)
    if address is None:
        return ""
    numbers = ":".join(address.get(name, "0") for name in ("bus", "target", "unit"))
    return f"{_at(source, 'adapter', 'name')}:{numbers}"


def _hex(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        return 0


def _at(element: Element, child: str, name: str) -> str:
    found = element.find(child)
    return "" if found is None else found.get(name, "")
