"""``isolate-port``: lets a guest's port reach no other isolated port of its bridge."""

from __future__ import annotations

import libvirt

from trustd.enforce.interfaces import attribute, interface, set_attribute, update
from trustd.model import Guest, Setting

_SINCE = 6_001_000
"""libvirt 6.1.0."""


class IsolatePort:
    """The isolation of one port of a bridge: isolated ports do not reach one another.

    The state is ``isolated``: ``yes``, ``no``, or empty where the definition says
    nothing (which means no). A device is known by its MAC address.
    """

    name = "isolate-port"

    def probe(self, domain: libvirt.virDomain) -> str:
        """Whether libvirt is recent enough; the kernel is, where libvirt is."""
        version = domain.connect().getLibVersion()
        return "" if version >= _SINCE else f"libvirt {version} cannot isolate ports"

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """The isolation as the definition says."""
        return {"isolated": attribute(interface(domain, device, config=config), "port", "isolated")}

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """Isolated, whatever it was.

        >>> IsolatePort().tightened({"isolated": ""}, {"isolated": "yes"}, "52:54:00:00:00:01")
        {'isolated': 'yes'}
        """
        return dict(wanted)

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether a port that was isolated no longer is."""
        return before["isolated"] == "yes" != after["isolated"]

    def facet(self, key: str) -> str:
        """There is one thing to change."""
        return key

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:  # noqa: ARG002
        """The same: the port stays where it is."""
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Send the whole live interface with only its isolation changed."""
        changed = interface(domain, device)
        set_attribute(changed, "port", "isolated", str(state["isolated"]))
        update(domain, changed)
