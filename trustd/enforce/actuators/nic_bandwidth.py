"""``nic-bandwidth``: limits the bytes a second that a network interface sends and receives."""

from __future__ import annotations

from pathlib import Path

import libvirt

from trustd.enforce.interfaces import attribute, interface
from trustd.enforce.kernel import lacking
from trustd.errors import Refused
from trustd.model import Guest, Setting

_WAYS = {"inbound": "receive_bytes_sec", "outbound": "send_bytes_sec"}
"""libvirt's word (``inbound`` is towards the guest), and the setting's."""
_NUMBERS = {
    "inbound": ("average", "peak", "burst", "floor"),
    "outbound": ("average", "peak", "burst"),
}
_KERNEL = {
    "NET_SCH_HTB": "sch_htb",
    "NET_SCH_SFQ": "sch_sfq",
    "NET_SCH_INGRESS": "sch_ingress",
    "NET_CLS_FW": "cls_fw",
    "NET_CLS_U32": "cls_u32",
    "NET_ACT_POLICE": "act_police",
}
_KILO = 1000
"""Bytes in libvirt's kilobyte: it hands the number to tc as ``kbps``."""


class NicBandwidth:
    """The limits of one interface, in the words of libvirt's ``<bandwidth>``.

    The state holds ``inbound_`` (towards the guest) and ``outbound_`` with
    ``average``, ``peak``, ``floor`` (1000 bytes a second) and ``burst`` (1024 bytes),
    as far as the live definition says them. A device is known by its MAC address.

    Args:
        root: of the file system of the hypervisor's host.
    """

    name = "nic-bandwidth"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def probe(self, domain: libvirt.virDomain) -> str:  # noqa: ARG002 - the kernel decides
        """Whether the kernel has the queues that libvirt sets up."""
        missing = lacking(_KERNEL, self._root)
        return f"the kernel has no {', '.join(missing)}" if missing else ""

    def read(self, domain: libvirt.virDomain, device: str, *, config: bool = False) -> Setting:
        """The limits in the definition."""
        bandwidth = interface(domain, device, config=config).find("bandwidth")
        if bandwidth is None:
            return {}
        return {
            f"{way}_{number}": int(value)
            for way, numbers in _NUMBERS.items()
            for number in numbers
            if (value := attribute(bandwidth, way, number))
        }

    def tightened(self, prior: Setting, wanted: Setting, device: str) -> Setting:  # noqa: ARG002
        """The tighter of each direction; one that is lowered loses its peak and its burst.

        >>> lever = NicBandwidth()
        >>> lever.tightened({"outbound_average": 50}, {"receive_bytes_sec": 200_000}, "")
        {'inbound_average': 200, 'outbound_average': 50}
        """
        state: dict[str, int | str | bool] = {}
        for way, word in _WAYS.items():
            mine: Setting = {key: value for key, value in prior.items() if key.startswith(way)}
            if word in wanted:
                mine = _lowered(mine, way, max(1, int(wanted[word]) // _KILO))
            state |= mine
        return state

    def loosens(self, before: Setting, after: Setting) -> bool:
        """Whether more passes in any direction, for however short a time."""
        return any(
            _reach(after, way, number) > _reach(before, way, number)
            for way in _WAYS
            for number in ("average", "peak", "burst")
        )

    def facet(self, key: str) -> str:
        """The numbers of one direction are set together."""
        return key.partition("_")[0]

    def as_before(self, guest: Guest, device: str, prior: Setting) -> Guest:  # noqa: ARG002
        """The same: a limit moves no device."""
        return guest

    def write(self, domain: libvirt.virDomain, device: str, state: Setting) -> None:
        """Set every number at once, and clean up where the kernel declined half-way."""
        tap = attribute(interface(domain, device), "target", "dev")
        if not tap:
            raise Refused(f"the interface {device} has no device on the host to limit")
        before = self.read(domain, device)
        try:
            _set(domain, tap, state)
        except libvirt.libvirtError:
            # libvirt leaves the queue that it had put in place before the kernel declined
            _set(domain, tap, before)
            raise


def _set(domain: libvirt.virDomain, tap: str, state: Setting) -> None:
    numbers = {
        f"{way}.{number}": int(state.get(f"{way}_{number}", 0))
        for way in _WAYS
        for number in _NUMBERS[way]
    }
    domain.setInterfaceParameters(tap, numbers, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _lowered(mine: Setting, way: str, limit: int) -> Setting:
    """One direction at no more than so many kilobytes a second."""
    average = int(mine.get(f"{way}_average", 0))
    if average and average <= limit:
        return {
            key: min(int(value), limit) if key.endswith("_peak") else value
            for key, value in mine.items()
        }
    lowered: dict[str, int | str | bool] = {f"{way}_average": limit}
    if f"{way}_floor" in mine:
        lowered[f"{way}_floor"] = min(int(mine[f"{way}_floor"]), limit)
    return lowered


def _reach(state: Setting, way: str, number: str) -> float:
    """One number of one direction; where it is not there, what libvirt takes instead."""
    average = int(state.get(f"{way}_average", 0))
    if not average:
        return float("inf")
    peak = int(state.get(f"{way}_peak", average))
    implied = {"average": average, "peak": peak, "burst": max(average, peak)}
    return int(state.get(f"{way}_{number}", implied[number]))
