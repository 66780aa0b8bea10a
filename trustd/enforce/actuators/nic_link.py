"""``nic-link``: takes the link of a network interface down, and puts it back."""

from __future__ import annotations

from dataclasses import replace

import libvirt

from trustd.enforce.interfaces import attribute, interface, set_attribute, update
from trustd.model import Guest, Setting


class NicLink:
    """The guest's carrier: nothing is sent or received while it is down.

    The state is ``link``: ``down``, ``up``, or empty where the definition says
    nothing (which means up). The three are kept apart, so that the definition is
    afterwards what it was before, to the byte. A device is known by its MAC address.
    """

    name = "nic-link"

    def probe(self, domain: libvirt.virDomain) -> str:  # noqa: ARG002 - every emulator can
        """Every host can."""
        return ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """The link as the definition says; the host's tap stays up and says nothing."""
        return {"link": attribute(interface(domain, device, config=config), "link", "state")}

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """Down, whatever it was.

        >>> NicLink().tightened({"link": ""}, {"link": "down"}, "52:54:00:00:00:01")
        {'link': 'down'}
        """
        return dict(wanted)

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether a link that was down comes up."""
        return before["link"] == "down" != after["link"]

    def facet(self, key: str) -> str:
        """There is one thing to change."""
        return key

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:
        """With the link as it was."""
        link = prior["link"] != "down"
        nics = tuple(replace(nic, link=link) if nic.mac == device else nic for nic in guest.nics)
        return replace(guest, nics=nics)

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Send the whole live interface with only its link changed."""
        changed = interface(domain, device)
        set_attribute(changed, "link", "state", str(state["link"]))
        update(domain, changed)
