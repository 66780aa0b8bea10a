"""``quarantine``: moves a network interface to another network, and back."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree.ElementTree import Element

import libvirt

from trustd.enforce.interfaces import interface, update
from trustd.model import Guest, Setting

_DRAWN = ("portid", "bridge", "dev", "mode")
"""What libvirt adds to the source of a network's interface while the guest runs."""


class Quarantine:
    """What an interface is plugged into.

    The state is ``type`` (``network``, ``bridge`` ...) and ``source``, the attributes
    of the definition's source element as canonical JSON, without what libvirt adds
    while the guest runs. A device is known by its MAC address.
    """

    name = "quarantine"

    def probe(self, domain: libvirt.virDomain) -> str:
        """Whether there is a network driver that could have a network to move to."""
        try:
            domain.connect().numOfNetworks()
        except libvirt.libvirtError as error:
            return f"libvirt has no networks: {error.get_error_message()}"
        return ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """What the definition says that it is plugged into."""
        return _plugged(interface(domain, device, config=config))

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """In the network that is wanted, wherever it was.

        >>> lever, prior = Quarantine(), {"type": "bridge", "source": '{"bridge":"br0"}'}
        >>> lever.tightened(prior, {"network": "closed"}, "52:54:00:00:00:01")
        {'type': 'network', 'source': '{"network":"closed"}'}
        """
        return _in(str(wanted["network"]))

    def loosens(self, before: Setting, after: Setting) -> bool:  # noqa: ARG002
        """Never: a network is asked for in order to narrow, and no state says how tight it is."""
        return False

    def facet(self, key: str) -> str:  # noqa: ARG002
        """A source means nothing without its type."""
        return "source"

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:
        """With the interface in the network in which it was."""
        source = json.loads(str(prior["source"]))
        known = [source[name] for name in _NAMES if name in source]
        network = known[0] if known else str(prior["type"])
        nics = tuple(
            replace(nic, network=network) if nic.mac == device else nic for nic in guest.nics
        )
        return replace(guest, nics=nics)

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Send the whole live interface with only its source changed."""
        changed = interface(domain, device)
        source = changed.find("source")
        if source is None:
            source = Element("source")
            changed.insert(0, source)
        source.attrib.clear()
        source.attrib.update(json.loads(str(state["source"])))
        if not source.attrib:
            changed.remove(source)
        changed.set("type", str(state["type"]))
        update(domain, changed)


_NAMES = ("network", "bridge", "dev", "path", "name")
"""Attributes of a source that name it, as in the description of a guest."""


def _in(network: str) -> Setting:
    return {"type": "network", "source": _canonical({"network": network})}


def _plugged(element: Element) -> Setting:
    found = element.find("source")
    source = {} if found is None else dict(found.attrib)
    if "network" not in source:
        return {"type": element.get("type", ""), "source": _canonical(source)}
    kept = {key: value for key, value in source.items() if key not in _DRAWN}
    return {"type": "network", "source": _canonical(kept)}


def _canonical(source: dict[str, str]) -> str:
    return json.dumps(source, sort_keys=True, separators=(",", ":"))
