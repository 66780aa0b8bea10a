"""Who was there: guests as the journal told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trustd.errors import StoreError
from trustd.model import Disk, Guest, GuestState, HostDevice, Nic
from trustd.pipeline.chronicle import GONE
from trustd.repository import Entry

_TYPICAL: Mapping[str, Any] = {
    "disks": [["disk", "disk", False]],
    "nics": [["nic", "nic"]],
    "devices": [],
}
"""What a guest is taken to have where its devices were not told."""


@dataclass(frozen=True, slots=True)
class Told:
    """A guest as the journal told of it.

    Args:
        at: epoch seconds.
        policy: sha256 of the one in force.
        observed: whether it was only observed, in whichever band.
        whole: whether its devices were told.
    """

    at: float
    guest: Guest
    policy: str
    roles: tuple[str, ...]
    protected: bool
    observed: bool
    whole: bool


def told(entry: Entry) -> Told | None:
    """What an entry tells of a guest; None where it tells that it is gone.

    Raises:
        StoreError: it is not what trustd wrote.

    >>> entry = Entry(0.0, "a", "web", "seen", {"state": "running", "labels": {"app": "web"},
    ...     "roles": ["web"], "protected": False, "observed": True, "policy": "5f"})
    >>> found = told(entry)
    >>> found.guest.labels, [disk.target for disk in found.guest.disks], found.whole
    ({'app': 'web'}, ['disk'], False)
    """
    try:
        return None if entry.document["state"] == GONE else _told(entry)
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(
            f"the record of the guest {entry.name} at {entry.at:.0f} is not what trustd wrote:"
            f" {error!r}; `trustctl audit verify` finds its place"
        ) from error


def _told(entry: Entry) -> Told:
    document = entry.document
    whole = "disks" in document
    devices: Mapping[str, Any] = document if whole else _TYPICAL
    guest = Guest(
        entry.guest,
        entry.name,
        GuestState(document["state"]),
        dict(document["labels"]),
        disks=tuple(
            Disk(target, identity, readonly=fixed) for target, identity, fixed in devices["disks"]
        ),
        nics=tuple(Nic(mac, network) for mac, network in devices["nics"]),
        host_devices=tuple(HostDevice(each) for each in devices["devices"]),
    )
    return Told(
        entry.at,
        guest,
        document["policy"],
        tuple(document["roles"]),
        document["protected"],
        document["observed"],
        whole,
    )
