"""What the tests of the network levers share: interfaces, traffic from the host, who hears it."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libvirt

from tests.enforce.standing import everything
from tests.lab.guest import Guest
from tests.lab.hypervisor import Hypervisor

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE

_PORT_ID = re.compile(r" portid='[0-9a-f-]{36}'")

_LISTEN = """
import collections, json, socket, sys, time
bridge, mac, seconds = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), float(sys.argv[3])
seen = collections.Counter()
# nothing before it is bound: until then it would hear the ports, ahead of their filters
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as every:
    every.bind((bridge, 3))
    every.settimeout(0.1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            frame = every.recv(2048)
        except TimeoutError:
            continue
        if frame[6:12] == mac:
            seen[frame[12:14].hex()] += 1
print(json.dumps(seen))
"""

_SEND = """
import socket, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for _ in range(count):
        sender.sendto(bytes(1000), (address, port))
"""

ARP, IPV4, IPV6 = "0806", "0800", "86dd"
BROADCAST = "192.168.122.255"


def alike(guest: Guest) -> dict[str, Any]:
    """Everything of a guest but the identity of its network ports, which libvirt draws anew."""
    told = everything(guest)
    return told | {"live": _PORT_ID.sub("", told["live"])}


def interface_xml(guest: Guest, index: int = 0) -> str:
    """The live element of one of the guest's interfaces."""
    with guest.domain() as domain:
        found: list[str] = re.findall(r"<interface.*?</interface>", domain.XMLDesc(0), re.DOTALL)
    return found[index]


def change_interface(guest: Guest, old: str, new: str) -> None:
    """Change the live interface as somebody else would."""
    xml = interface_xml(guest)
    assert old in xml
    with guest.domain() as domain:
        domain.updateDeviceFlags(xml.replace(old, new, 1), LIVE)


def tap(guest: Guest) -> str:
    """The host's device of the guest's first interface."""
    found = re.search(r"<target dev='(\w+)'", interface_xml(guest))
    assert found is not None
    return found[1]


def heard(guest: Guest, *, seconds: float = 1.5, bridge: str = "virbr0") -> dict[str, int]:
    """How many frames of the guest reach the host, by EtherType."""
    arguments = (bridge, guest.spec.mac(0), str(seconds))
    told = guest.hypervisor.run(sys.executable, "-c", _LISTEN, *arguments).stdout
    return dict(json.loads(told))


def send(hypervisor: Hypervisor, address: str, *, port: int = 9, count: int = 50) -> None:
    """Send UDP packets of 1000 bytes from the host."""
    hypervisor.run(sys.executable, "-c", _SEND, address, str(port), str(count))


def gets(guest: Guest, address: str, *, port: int = 9, seconds: float = 30.0) -> bool:
    """Whether the guest's kernel counts most of what the host sends there."""
    before = guest.counters().received
    send(guest.hypervisor, address, port=port, count=50)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if guest.counters().received - before > 25_000:
            return True
    return False


def misses(guest: Guest, address: str, *, port: int = 9) -> bool:
    """Whether what the host sends there does not come, for as long as that usually takes."""
    return not gets(guest, address, port=port, seconds=3.0)


@contextmanager
def known_to_host(guest: Guest) -> Iterator[None]:
    """The host knows the guest's hardware address without asking for it."""
    entry = (guest.address, "lladdr", guest.spec.mac(0), "dev", "virbr0")
    guest.hypervisor.run("ip", "neigh", "replace", *entry, "nud", "permanent")
    try:
        yield
    finally:
        guest.hypervisor.run("ip", "neigh", "del", guest.address, "dev", "virbr0")


def filters(hypervisor: Hypervisor) -> list[str]:
    """The host's packet filters that trustd made."""
    with hypervisor.connection() as connection:
        names = [each.name() for each in connection.listAllNWFilters()]
    return sorted(each for each in names if each.startswith("trustd-"))


def queues(guest: Guest) -> list[str]:
    """The queues at the guest's port, without the number that the kernel draws for each."""
    told = guest.hypervisor.run("tc", "qdisc", "show", "dev", tap(guest)).stdout
    return [re.sub(r" [0-9a-f]+: ", " ", line.strip()) for line in told.splitlines()]
