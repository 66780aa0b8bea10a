"""``pause``: stops a guest's processors, and lets them go on."""

from __future__ import annotations

import libvirt

from trustd.errors import Refused
from trustd.model import Guest, Setting

_STANDING_STILL = frozenset({libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED})


class Pause:
    """The whole guest stands still: it computes, reads, writes and sends nothing.

    The state is ``paused``. A guest that an operator had paused, or that sleeps, is
    paused before and stays so afterwards.
    """

    name = "pause"

    def probe(self, domain: libvirt.virDomain) -> str:  # noqa: ARG002 - every emulator can
        """Every host can."""
        return ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:  # noqa: ARG002
        """Whether its processors stand still; nothing starts paused by its definition."""
        return {"paused": not config and domain.state()[0] in _STANDING_STILL}

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """Paused, whatever it was.

        >>> Pause().tightened({"paused": False}, {"paused": True}, "")
        {'paused': True}
        """
        return dict(wanted)

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether a guest that stood still goes on."""
        return bool(before["paused"]) and not after["paused"]

    def facet(self, key: str) -> str:
        """There is one thing to change."""
        return key

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:  # noqa: ARG002
        """The same: it moves no device, and whoever looks is to see that it is paused."""
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Stop or continue the processors.

        Raises:
            Refused: it was taken without effect.
        """
        if state["paused"]:
            domain.suspend()
        else:
            domain.resume()
        if self.read(domain, device) != state:
            raise Refused("the guest's processors did not follow")
