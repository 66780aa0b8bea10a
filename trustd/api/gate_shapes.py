"""The documents of disk gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DiskGateDoc:
    """A gate in front of one disk of a guest.

    ``used`` says whether the guest's definition has the disk behind it, ``unit`` which
    unit of systemd serves it; that is empty where trustd starts the server.
    """

    id: str
    guest: str
    name: str
    target: str
    disk: str
    format: str
    volume: str
    socket: str
    unit: str
    serving: bool
    used: bool
    deny_read: bool
    deny_write: bool


@dataclass(frozen=True, slots=True)
class DiskGateList:
    """Every gate of this host."""

    gates: Sequence[DiskGateDoc]


@dataclass(frozen=True, slots=True)
class GateRequest:
    """A disk that is to be put behind a gate, or taken from behind it."""

    guest: str
    target: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class GateChangeDoc:
    """What became of a request: ``before`` and ``after`` are the disk's element.

    Where it is not ``done``, ``unit`` of the gate is to be started or stopped first.
    """

    gate: DiskGateDoc
    done: bool
    before: str
    after: str
