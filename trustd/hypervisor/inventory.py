"""Every guest that libvirt knows, with its devices and labels; never blocks.

A description is parsed again only when libvirt's text of it has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import libvirt

from trustd.hypervisor.connection import is_lost
from trustd.hypervisor.description import guest_from_xml
from trustd.hypervisor.queries import guest_state
from trustd.model import Guest, GuestId


class Inventory:
    """The guests as they were read last; read by one thread, looked at by any."""

    def __init__(self) -> None:
        self._known: dict[GuestId, tuple[int, Guest]] = {}
        self._guests: Mapping[GuestId, Guest] = MappingProxyType({})

    @property
    def guests(self) -> Mapping[GuestId, Guest]:
        """By UUID; a value that later reads do not change."""
        return self._guests

    def read_all(self, handle: libvirt.virConnect) -> None:
        """Read every guest.

        Raises:
            libvirtError: the connection was lost.
        """
        domains = handle.listAllDomains(0)
        present = {GuestId(domain.UUIDString()) for domain in domains}
        for gone in self._known.keys() - present:
            del self._known[gone]
        for domain in domains:
            self._describe(domain)
        self._publish()

    def read(self, handle: libvirt.virConnect, guests: Iterable[GuestId]) -> None:
        """Read some guests again; one that is gone is forgotten.

        Raises:
            libvirtError: the connection was lost.
        """
        for guest in guests:
            try:
                domain = handle.lookupByUUIDString(guest)
            except libvirt.libvirtError as error:
                if is_lost(error):
                    raise
                self._known.pop(guest, None)
                continue
            self._describe(domain)
        self._publish()

    def _describe(self, domain: libvirt.virDomain) -> None:
        guest = GuestId(domain.UUIDString())
        try:
            state = guest_state(domain.state()[0])
            xml = domain.XMLDesc(0)
        except libvirt.libvirtError as error:
            if is_lost(error):
                raise
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                self._known.pop(guest, None)
            return
        mark = hash((domain.name(), state, xml))
        known = self._known.get(guest)
        if known is None or known[0] != mark:
            self._known[guest] = mark, guest_from_xml(guest, domain.name(), state, xml)

    def _publish(self) -> None:
        self._guests = MappingProxyType({guest: known for guest, (_, known) in self._known.items()})
