"""Which guest a report means, by what the host itself knows; never a guess."""

from __future__ import annotations

from collections.abc import Callable, Collection
from http import HTTPStatus

from trustd.api.evidence_shapes import GuestRef
from trustd.api.problems import RequestProblem
from trustd.metrics import legible
from trustd.model import Assessment, Fleet, GuestId

LONGEST = 128
"""Characters of what was asked for that an answer repeats."""


def meant(
    ref: GuestRef,
    fleet: Fleet,
    *,
    holders: Callable[[str], Collection[GuestId]],
    leases: Collection[str] = (),
) -> Assessment:
    """The one guest that is meant.

    Args:
        holders: guests that have a disk, by any of its names.
        leases: network addresses of the interfaces that lease ``ref.ip``.

    Raises:
        RequestProblem: there is none, or there are several.
    """
    guests = fleet.guests.values()
    if ref.uuid is not None:
        how, value = "uuid", ref.uuid
        found = [each for each in guests if each.id == value.lower()]
    elif ref.name is not None:
        how, value = "name", ref.name
        found = [each for each in guests if each.guest.name == value]
    elif ref.mac is not None:
        how, value = "mac", ref.mac
        found = _with_mac(fleet, {value.lower().replace("-", ":")})
    elif ref.ip is not None:
        how, value = "ip", ref.ip
        found = _with_mac(fleet, leases)
    else:
        how, value = "disk", ref.disk or ""
        held = holders(value)
        found = [each for each in guests if each.id in held]
    asked = f"{how} {legible(value, LONGEST)!r}"
    if not found:
        hint = "; only leases of this host's own DHCP servers are known" if how == "ip" else ""
        raise RequestProblem(HTTPStatus.NOT_FOUND, f"no guest has the {asked}{hint}")
    if len(found) > 1:
        several = ", ".join(sorted(each.id for each in found)[:8])
        raise RequestProblem(
            HTTPStatus.CONFLICT, f"several guests have the {asked}: say which by uuid: {several}"
        )
    return found[0]


def _with_mac(fleet: Fleet, macs: Collection[str]) -> list[Assessment]:
    return [
        each for each in fleet.guests.values() if any(nic.mac in macs for nic in each.guest.nics)
    ]
