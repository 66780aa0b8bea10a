"""Puts disks behind gates and takes them back: the order in which it is safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from aiohttp import web

from trustd.api.gate_shapes import DiskGateDoc, DiskGateList, GateChangeDoc, GateRequest
from trustd.api.gates import GATEKEEPING
from trustd.api.peer import Peer
from trustd.api.views import LONGEST_NAME, LONGEST_TEXT
from trustd.enforce.gating import Defined, Gating
from trustd.errors import NoSuchGuest, Refused
from trustd.gate import NOTHING_DENIED, Gate, Gates, Keeper, denied, serving, unit_of
from trustd.gate.keeping import SYSTEMD
from trustd.hypervisor import ControlConnection
from trustd.metrics import legible
from trustd.model import Guest, GuestId
from trustd.repository import Entry, Journal

log = structlog.get_logger()


class Gatekeeping:
    """The gates of this host, shown and changed.

    A disk goes behind a gate that already serves it, and a gate ends when no definition
    has a disk behind it any more: whenever it is interrupted, the guest can start.

    Args:
        guests: as the last tick saw them.
        systemd: what is there only where systemd runs.
    """

    def __init__(
        self,
        gates: Gates,
        control: ControlConnection,
        journal: Journal,
        guests: Callable[[], Mapping[GuestId, Guest]],
        systemd: Path = SYSTEMD,
    ) -> None:
        self._gates = gates
        self._keeper = Keeper(gates, systemd)
        self._gating = Gating(control)
        self._journal = journal
        self._guests = guests
        self._systemd = systemd

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[GATEKEEPING] = self

    def keep(self) -> None:
        """Start the servers that ended, where nobody else does; once a tick."""
        self._keeper.keep()

    def gates(self) -> DiskGateList:
        """Every gate of this host."""
        guests = self._guests()
        shown = []
        for id_, gate in sorted(self._gates.known.items()):
            guest = guests.get(gate.guest)
            used = guest is not None and any(disk.gate == id_ for disk in guest.disks)
            shown.append(self._shown(gate, used=used))
        return DiskGateList(shown)

    def guest_of(self, guest: str, target: str) -> GuestId | None:
        """The guest of a gate by its UUID, also where libvirt does not know it any more."""
        gate = self._gates.of(guest, target)
        return None if gate is None else gate.guest

    def add(self, guest: GuestId, request: GateRequest, peer: Peer) -> GateChangeDoc:
        """Define a gate, see that it serves, and put the guest's disk behind it."""
        known = self._gates.of(guest, request.target)
        gate = known or self._surveyed(guest, request.target)
        disk = self._gating.defined(gate)
        if disk.behind or request.dry_run:
            after = disk.now if disk.behind else disk.on
            shown = self._shown(gate, used=disk.behind)
            return GateChangeDoc(shown, done=disk.behind, before=disk.now, after=after)
        if known is None:
            self._gates.add(gate)
        served = self._served(gate, new=known is None)
        if served:
            self._note(gate, "add", peer, disk.now, disk.on)
            self._gating.move(gate)
            log.info("gate.added", gate=gate.id, uid=peer.uid)
        shown = self._shown(gate, used=served)
        return GateChangeDoc(shown, done=served, before=disk.now, after=disk.on)

    def remove(self, guest: GuestId, request: GateRequest, peer: Peer) -> GateChangeDoc:
        """Take the guest's disk from behind its gate, end the server, and forget the gate."""
        gate = self._gates.of(guest, request.target)
        if gate is None:
            raise Refused(f"{request.target} is not behind a gate")
        try:
            disk = self._gating.defined(gate)
        except NoSuchGuest:
            disk = Defined(behind=False, now="", on="", off="")  # what is left is the gate
        if request.dry_run:
            shown = self._shown(gate, used=disk.behind)
            return GateChangeDoc(shown, done=False, before=disk.now, after=disk.off)
        self._note(gate, "remove", peer, disk.now, disk.off)
        if disk.behind:
            self._gating.move_back(gate)
        shown = self._shown(gate, used=False)
        done = not (shown.unit and shown.serving)
        if done:
            self._keeper.retire(gate)
            log.info("gate.removed", gate=gate.id, uid=peer.uid)
        return GateChangeDoc(shown, done=done, before=disk.now, after=disk.off)

    def _surveyed(self, guest: GuestId, target: str) -> Gate:
        try:
            socket = str(self._gates.socket(guest, target))
        except ValueError as error:
            raise Refused(str(error)) from error
        return self._gating.survey(guest, target, socket)

    def _served(self, gate: Gate, *, new: bool) -> bool:
        """Whether a gate serves; false where an administrator has to start its unit.

        Raises:
            Refused: it does not come up; one that is new is forgotten.
        """
        if unit_of(gate, self._systemd):
            return bool(serving(self._gates.place(gate)))
        self._keeper.keep()
        if self._keeper.wait(gate):
            return True
        why = self._keeper.told(gate)
        if new:
            self._keeper.retire(gate)
        raise Refused(f"the gate does not come up: {why}")

    def _note(self, gate: Gate, what: str, peer: Peer, before: str, after: str) -> None:
        """Journal a change before it is made.

        Raises:
            StoreError: it cannot be, or not in time, and then it is not made.
        """
        guest = self._guests().get(gate.guest)
        document = {
            "do": what,
            "gate": gate.id,
            "volume": gate.identity,
            "before": before,
            "after": after,
            "uid": peer.uid,
            "pid": peer.pid,
        }
        name = "" if guest is None else guest.name
        self._journal.write([Entry(time.time(), gate.guest, name, "gate", document)])

    def _shown(self, gate: Gate, *, used: bool) -> DiskGateDoc:
        guest = self._guests().get(gate.guest)
        place = self._gates.place(gate)
        try:
            denies = denied(place)
        except FileNotFoundError:  # it would be, and is not yet
            denies = NOTHING_DENIED
        return DiskGateDoc(
            id=gate.id,
            guest=gate.guest,
            name="" if guest is None else legible(guest.name, LONGEST_NAME),
            target=gate.target,
            disk=legible(gate.disk, LONGEST_TEXT),
            format=gate.format,
            volume=legible(gate.identity, LONGEST_TEXT),
            socket=gate.socket,
            unit=unit_of(gate, self._systemd),
            serving=bool(serving(place)),
            used=used,
            deny_read=bool(denies["deny_read"]),
            deny_write=bool(denies["deny_write"]),
        )
