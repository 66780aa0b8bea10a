"""Guests whose disks are behind gates, with the disks that policy and history know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trustd.gate import Gate, Gates
from trustd.model import Disk, Guest, GuestId


class Gated:
    """Gives every gated disk of an inventory the identity of what its gate serves.

    A disk counts as gated only where the description has it at its gate's socket: one
    that was changed since, or by a snapshot, is what it says it is.

    Args:
        gates: those of this host; None for none.
    """

    def __init__(self, gates: Gates | None = None) -> None:
        self._gates = gates
        self._inventory: Mapping[GuestId, Guest] = {}
        self._known: Mapping[str, Gate] = {}
        self._applied: Mapping[GuestId, Guest] = {}

    def apply(self, inventory: Mapping[GuestId, Guest]) -> Mapping[GuestId, Guest]:
        """The inventory; the same objects while nothing changed."""
        if self._gates is None:
            return inventory
        known = self._gates.known
        if inventory is self._inventory and known is self._known:
            return self._applied
        guests = {gate.guest for gate in known.values()}
        applied = {
            id_: self._kept(_seen(guest, known)) if id_ in guests else guest
            for id_, guest in inventory.items()
        }
        self._inventory, self._known, self._applied = inventory, known, applied
        return applied

    def _kept(self, guest: Guest) -> Guest:
        # an equal guest stays the same object: readers compare by identity
        before = self._applied.get(guest.id)
        return before if before == guest else guest


def _seen(guest: Guest, known: Mapping[str, Gate]) -> Guest:
    return replace(guest, disks=tuple(_disk(guest, disk, known) for disk in guest.disks))


def _disk(guest: Guest, disk: Disk, known: Mapping[str, Gate]) -> Disk:
    gate = known.get(f"{guest.id}-{disk.target}")
    if gate is None or disk.identity != f"nbd://{gate.socket}/":
        return disk
    return replace(disk, identity=gate.identity, gate=gate.id)
