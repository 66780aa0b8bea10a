"""Disk gates at their addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Protocol, TypeVar

from aiohttp import web

from trustd.api import reading
from trustd.api.admission import body_of, changer, office_of
from trustd.api.gate_shapes import DiskGateList, GateChangeDoc, GateRequest
from trustd.api.handlers import LIVE
from trustd.api.office import Duty
from trustd.api.peer import Peer, peer_of
from trustd.api.problems import RequestProblem
from trustd.api.query import find
from trustd.api.sending import send_json
from trustd.errors import EnforceError, HypervisorError, NoSuchGuest, Refused, StoreError
from trustd.model import GuestId

T = TypeVar("T")


class Gatekeeping(Protocol):
    """Whoever puts disks behind gates. Its methods block."""

    def gates(self) -> DiskGateList:
        """Every gate of this host."""

    def guest_of(self, guest: str, target: str) -> GuestId | None:
        """The guest of a gate by its UUID, also where libvirt does not know it any more."""

    def add(self, guest: GuestId, request: GateRequest, peer: Peer) -> GateChangeDoc:
        """Put a disk behind a gate, or say what is to be done first.

        Raises:
            Refused: it cannot have one now.
            StoreError: it is not kept.
            HypervisorError: the guest cannot be reached.
            TimedOut: in time, neither.
        """

    def remove(self, guest: GuestId, request: GateRequest, peer: Peer) -> GateChangeDoc:
        """Take a disk from behind its gate, and forget the gate; errors as :meth:`add`."""


GATEKEEPING = web.AppKey("gatekeeping", Gatekeeping)


async def gates(request: web.Request) -> web.StreamResponse:
    """Every gate of this host."""
    if peer_of(request) is None:
        raise RequestProblem(HTTPStatus.FORBIDDEN, "this is answered over the unix socket only")
    keeping = _gatekeeping(request)
    return await send_json(request, await _done(reading.read(request, keeping.gates)))


async def add(request: web.Request) -> web.StreamResponse:
    """Put a disk behind a gate."""
    peer, keeping = changer(request, office_of(request), Duty.ADMINISTER), _gatekeeping(request)
    asked = await body_of(request, GateRequest)
    guest = find(request.app[LIVE].fleet, asked.guest).id
    return await send_json(request, await _done(asyncio.to_thread(keeping.add, guest, asked, peer)))


async def remove(request: web.Request) -> web.StreamResponse:
    """Take a disk from behind its gate."""
    peer, keeping = changer(request, office_of(request), Duty.ADMINISTER), _gatekeeping(request)
    asked = await body_of(request, GateRequest)
    guest = keeping.guest_of(asked.guest, asked.target)
    if guest is None:
        guest = find(request.app[LIVE].fleet, asked.guest).id
    work = asyncio.to_thread(keeping.remove, guest, asked, peer)
    return await send_json(request, await _done(work))


def _gatekeeping(request: web.Request) -> Gatekeeping:
    keeping = request.app.get(GATEKEEPING)
    if keeping is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon keeps no gates")
    return keeping


async def _done(work: Awaitable[T]) -> T:
    """Work on definitions and files, off the loop."""
    try:
        return await work
    except NoSuchGuest as error:
        raise RequestProblem(HTTPStatus.NOT_FOUND, str(error)) from error
    except Refused as error:
        raise RequestProblem(HTTPStatus.CONFLICT, str(error)) from error
    except (StoreError, HypervisorError, EnforceError) as error:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
