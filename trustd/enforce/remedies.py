"""What makes each lost permission untrue on a device, the exact way first: a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from trustd.model import Guest, Setting

_FLOOR_BYTES = 4096
_FLOOR_IOPS = 1


def _every(_guest: Guest, _device: str) -> bool:
    return True


def _gated(guest: Guest, device: str) -> bool:
    return any(disk.gate for disk in guest.disks if disk.target == device)


def _filterable(guest: Guest, device: str) -> bool:
    return all(nic.filterable for nic in guest.nics if nic.mac == device)


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to make a permission untrue.

    Args:
        lever: the actuator that does it.
        setting: the state that it should bring about.
        weaker: the lever that would do it exactly, and in what this one differs;
            empty where this one is exact.
        fits: whether it can be done on this device of this guest.
    """

    lever: str
    setting: Setting
    weaker: str = ""
    fits: Callable[[Guest, str], bool] = _every


_DOWN = {"link": "down"}
_GONE = {"attached": False}

REMEDIES: Mapping[tuple[str, str], tuple[Remedy, ...]] = {
    ("volume", "write"): (
        Remedy("disk-gate", {"deny_write": True}, fits=_gated),
        Remedy(
            "disk-throttle",
            {"write_bytes_sec": _FLOOR_BYTES, "write_iops_sec": _FLOOR_IOPS},
            "disk-gate (a floor rate remains)",
        ),
    ),
    ("volume", "read"): (
        Remedy("disk-gate", {"deny_read": True}, fits=_gated),
        Remedy(
            "disk-throttle",
            {"read_bytes_sec": _FLOOR_BYTES, "read_iops_sec": _FLOOR_IOPS},
            "disk-gate (a floor rate remains)",
        ),
    ),
    ("network", "send"): (
        Remedy("nic-filter", {"deny_send": True}, fits=_filterable),
        Remedy("nic-link", _DOWN, "nic-filter (receiving ends too)"),
    ),
    ("network", "receive"): (
        Remedy("nic-filter", {"deny_receive": True}, fits=_filterable),
        Remedy("nic-link", _DOWN, "nic-filter (sending ends too)"),
    ),
    ("network", "connect"): (Remedy("nic-link", _DOWN),),
    ("network", "attach"): (
        Remedy("unplug", _GONE),
        Remedy("nic-link", _DOWN, "unplug (the interface stays, without a carrier)"),
    ),
    ("device", "attach"): (Remedy("unplug", _GONE),),
}
"""By type of object and lost action.

Permissions that are not here (``list``, ``snapshot``, ``flush`` ...) are not a
device's: they hold in the answers that trustd gives, and nowhere else.
"""


def remedy(
    guest: Guest, device: str, kind: str, lost: str, levers: Collection[str]
) -> Remedy | None:
    """The best way that this host and this device have; None where no device can do it.

    Where none can be done here the exact one is told all the same, so that it comes
    back refused and nothing is left out in silence.

    Args:
        levers: what this host has.
    """
    known = REMEDIES.get((kind, lost), ())
    for each in known:
        if each.lever in levers and each.fits(guest, device):
            return each
    return known[0] if known else None
