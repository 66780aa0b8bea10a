"""Which interface leases an IP address, by the host's own DHCP servers.

Guests are never asked: what an agent says of its addresses is the guest's own claim.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import wait
from ipaddress import ip_address

import libvirt

from trustd.errors import TimedOut
from trustd.hypervisor.connection import is_lost
from trustd.hypervisor.lane import Lanes
from trustd.hypervisor.settings import HypervisorSettings

DEADLINE = 2.0
"""Seconds for an answer."""
FRESH = 1.0
"""Seconds for which an answer serves: a batch may ask for a hundred addresses."""


class Leases:
    """Looks addresses up in libvirt's networks; safe to use from any thread."""

    def __init__(self, settings: HypervisorSettings) -> None:
        self._lanes = Lanes(settings, writable=False, name="leases")
        self._known: tuple[float, Mapping[str, frozenset[str]]] | None = None

    def holders(self, address: str) -> frozenset[str]:
        """Network addresses, in lower case, of the interfaces that lease an address; blocks.

        Raises:
            ValueError: it is no IP address.
            Unreachable: there is no connection, or it was lost.
            TimedOut: no answer in time.
        """
        wanted = str(ip_address(address))
        known = self._known
        if known is None or time.monotonic() - known[0] > FRESH:
            future = self._lanes.submit(_leased)
            if future is None or not wait([future], DEADLINE).done:
                raise TimedOut(f"no answer within {DEADLINE:g} s")
            known = self._known = time.monotonic(), future.result()
        return known[1].get(wanted, frozenset())

    def close(self) -> None:
        """Close every connection; one with a call under way ends with the process."""
        self._lanes.close()


def _leased(handle: libvirt.virConnect) -> Mapping[str, frozenset[str]]:
    """By IP address, the network addresses that lease it."""
    found: dict[str, frozenset[str]] = {}
    for network in handle.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE):
        try:
            leases = network.DHCPLeases()
        except libvirt.libvirtError as error:
            if is_lost(error):
                raise
            continue  # this network has no server, or is gone
        for lease in leases:
            if lease.get("mac") and lease.get("ipaddr"):
                address = str(ip_address(lease["ipaddr"]))
                mac = str(lease["mac"]).lower()
                found[address] = found.get(address, frozenset()) | {mac}
    return found
