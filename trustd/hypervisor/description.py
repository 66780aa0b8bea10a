"""A guest's description from libvirt's XML.

Whoever may define guests writes names, metadata and paths: they are data of any
content, bounded in number and size, and nothing in them is followed or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from uuid import UUID
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from trustd.hypervisor.devices import disk, host_device, nic, tpm
from trustd.model import Disk, Guest, GuestId, GuestState, HostDevice, Nic

LABEL_NAMESPACE = "urn:trustd:guest:1"

_LONGEST_XML = 4 * 1024 * 1024
_MOST_DEVICES = 1024
_MOST_LABELS = 64
_LONGEST_KEY = 128
_LONGEST_VALUE = 1024
_LONGEST_NUMBER = 18
_UNITS = {
    "b": 1,
    "bytes": 1,
    "kb": 10**3,
    "k": 2**10,
    "kib": 2**10,
    "mb": 10**6,
    "m": 2**20,
    "mib": 2**20,
    "gb": 10**9,
    "g": 2**30,
    "gib": 2**30,
    "tb": 10**12,
    "t": 2**40,
    "tib": 2**40,
}


def guest_from_xml(guest: GuestId, name: str, state: GuestState, xml: str) -> Guest:
    """The guest that libvirt describes.

    Where the description cannot be read, the guest stays known, without devices.

    Args:
        xml: libvirt's description, the live one while the guest runs.
    """
    root = _parsed(xml)
    return Guest(guest, name, state) if root is None else _described(guest, name, state, root)


def guest_of_definition(xml: str) -> Guest | None:
    """The guest that a definition at hand is of; it does not run, as far as that says.

    Returns:
        None where the definition cannot be read, or does not say whose it is.

    >>> print(guest_of_definition("<domain><name>web</name></domain>"))
    None
    """
    root = _parsed(xml)
    if root is None or root.tag != "domain":
        return None
    try:
        identity = GuestId(str(UUID((root.findtext("uuid") or "").strip())))
    except ValueError:
        return None
    return _described(identity, root.findtext("name") or "", GuestState.SHUTOFF, root)


def _described(guest: GuestId, name: str, state: GuestState, root: Element) -> Guest:
    running = state in (GuestState.RUNNING, GuestState.PAUSED)
    return Guest(
        id=guest,
        name=name,
        state=state,
        labels=_labels(root),
        vcpus=_vcpus(root),
        memory=_memory(root),
        balloon_period=_number(_attribute(root, "devices/memballoon/stats", "period")),
        disks=tuple(_disks(root)),
        nics=tuple(_nics(root, running=running)),
        host_devices=tuple(_host_devices(root)),
        firmware=(root.findtext("os/nvram") or "").strip(),
        tpm=next(map(tpm, _bounded(root, "devices/tpm")), ""),
    )


def _parsed(xml: str) -> Element | None:
    if len(xml) > _LONGEST_XML:
        return None
    try:
        root: Element = fromstring(xml)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    return root


def _labels(root: Element) -> Mapping[str, str]:
    """The labels; one that is too long is left out, since a cut one would be another.

    Of two with one key the first counts.
    """
    labels: dict[str, str] = {}
    path = f"metadata/{{{LABEL_NAMESPACE}}}guest/{{{LABEL_NAMESPACE}}}label"
    for element in root.iterfind(path):
        key, value = element.get("key", ""), (element.text or "").strip()
        if key and len(key) <= _LONGEST_KEY and len(value) <= _LONGEST_VALUE:
            labels.setdefault(key, value)
        if len(labels) == _MOST_LABELS:
            break
    return labels


def _vcpus(root: Element) -> int:
    element = root.find("vcpu")
    if element is None:
        return 1
    return max(1, _number(element.get("current") or element.text))


def _memory(root: Element) -> int:
    element = root.find("memory")
    if element is None:
        return 0
    return _number(element.text) * _UNITS.get(element.get("unit", "KiB").lower(), 1024)


def _disks(root: Element) -> Iterator[Disk]:
    return map(disk, _bounded(root, "devices/disk"))


def _nics(root: Element, *, running: bool) -> Iterator[Nic]:
    return (nic(element, running=running) for element in _bounded(root, "devices/interface"))


def _host_devices(root: Element) -> Iterator[HostDevice]:
    yield from map(host_device, _bounded(root, "devices/hostdev"))
    for element in _bounded(root, "devices/interface[@type='hostdev']"):
        yield host_device(element)


def _bounded(root: Element, path: str) -> Iterator[Element]:
    return islice(root.iterfind(path), _MOST_DEVICES)


def _attribute(root: Element, path: str, name: str) -> str | None:
    element = root.find(path)
    return None if element is None else element.get(name)


def _number(text: str | None) -> int:
    """A whole number that is not negative; 0 for anything else.

    >>> _number(" 12 "), _number("-1"), _number("9" * 40), _number(None)
    (12, 0, 0, 0)
    """
    digits = (text or "").strip()
    plausible = digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER
    return int(digits) if plausible else 0
