"""``disk-gate``: lets every read or write of a gated disk fail, from the next request on."""

from __future__ import annotations

import shutil

import libvirt

from trustd.enforce.actuator import DeviceGone
from trustd.enforce.gating import served_at
from trustd.enforce.live import devices
from trustd.errors import Refused
from trustd.gate import NOTHING_DENIED, Gate, Gates, denied, deny
from trustd.model import Guest, Setting


class DiskGate:
    """What the server in front of a disk denies: ``deny_read``, ``deny_write``.

    Neither libvirt nor the emulator has a part in it: the state is files beside the
    gate's definition, which the server looks for at every request. So it outlives the
    server, trustd and the run of the guest. A server that does not run serves nothing:
    then, too, what is denied does not happen. A device is known by its target (``vda``).

    Args:
        gates: those of this host.
    """

    name = "disk-gate"
    lasting = True

    def __init__(self, gates: Gates) -> None:
        self._gates = gates

    def probe(self, domain: libvirt.virDomain) -> str:  # noqa: ARG002 - the same for every guest
        """Where nbdkit is not installed there are no gates."""
        return "" if shutil.which("nbdkit") else "nbdkit is not installed"

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """What is denied now; a guest's definition denies nothing, so that a denial is ours."""
        gate = self._gate(domain, device)
        if config:
            return NOTHING_DENIED
        try:
            return denied(self._gates.place(gate))
        except OSError as error:
            raise Refused(f"the gate of {device} cannot be looked at: {error}") from error

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """What either denies.

        >>> prior = {"deny_read": False, "deny_write": True}
        >>> DiskGate(Gates()).tightened(prior, {"deny_read": True}, "vda")
        {'deny_read': True, 'deny_write': True}
        """
        return {key: bool(prior[key] or wanted.get(key)) for key in NOTHING_DENIED}

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether anything is served that was denied."""
        return any(before[key] and not after[key] for key in NOTHING_DENIED)

    def facet(self, key: str) -> str:
        """Reads and writes are denied apart."""
        return key

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:  # noqa: ARG002
        """The same: the guest keeps its disk."""
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Deny exactly this; only where the running guest's requests really pass the gate."""
        gate = self._gate(domain, device)
        if any(state.values()) and served_at(devices(domain, "disk"), device) != gate.socket:
            raise Refused(f"{device} is not behind its gate in this run of the guest")
        try:
            deny(self._gates.place(gate), state)
        except OSError as error:
            raise Refused(f"the gate of {device} takes no change: {error}") from error

    def _gate(self, domain: libvirt.virDomain, device: str) -> Gate:
        gate = self._gates.of(domain.UUIDString(), device)
        if gate is None:
            raise DeviceGone(f"{device} is not behind a gate (trustctl gate add)")
        return gate
