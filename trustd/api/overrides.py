"""Operators' orders at their addresses: over the unix socket only, for whoever may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import isfinite
from typing import Protocol

from aiohttp import web

from trustd.api import override_shapes as shapes
from trustd.api.admission import LONGEST, bad, body_of, changer, office_of, reading_office
from trustd.api.handlers import LIVE
from trustd.api.office import Duty
from trustd.api.peer import Peer
from trustd.api.problems import RequestProblem, told
from trustd.api.query import find
from trustd.api.sending import send_json
from trustd.model import Assessment


class Orderly(Protocol):
    """Whoever takes operators' orders.

    Those that change something raise ``StoreError`` where it cannot be stored,
    ``NoSuchGuest`` where the guest is not watched, and ``TimeoutError`` where the line
    had no time for it; then nothing was changed.
    """

    longest: float
    """Seconds for which an order may be given at most."""

    def overridden(self, guest: Assessment) -> shapes.OverrideState:
        """A guest's override."""

    def protected(self) -> shapes.ProtectionList:
        """The protect list."""

    def paused(self) -> shapes.PauseState:
        """The pause."""

    def held(self) -> shapes.HoldState:
        """Guests that are held."""

    async def override(
        self, guest: Assessment, asked: shapes.OverrideRequest, peer: Peer
    ) -> shapes.OrderDoc:
        """Bound a guest's band."""

    async def protect(
        self, guest: Assessment, asked: shapes.ProtectRequest, peer: Peer
    ) -> shapes.OrderDoc:
        """Protect a guest."""

    async def pause(self, asked: shapes.PauseRequest, peer: Peer) -> shapes.OrderDoc:
        """Pause enforcement."""

    async def take(
        self, kind: str, guest: str, reason: str, peer: Peer, *, dry_run: bool
    ) -> shapes.OrderDoc:
        """Take an order back.

        Args:
            kind: ``override``, ``protect`` or ``pause``.
            guest: its UUID; empty for a pause.
        """

    async def accept(self, asked: shapes.AcceptRequest, peer: Peer) -> shapes.OrderDoc:
        """Let those be narrowed that are held because they are too many."""


ORDERS = web.AppKey("orders", Orderly)


async def overridden(request: web.Request) -> web.StreamResponse:
    """A guest's override."""
    return await send_json(request, _reading(request).overridden(_guest(request)))


async def protected(request: web.Request) -> web.StreamResponse:
    """The protect list."""
    return await send_json(request, _reading(request).protected())


async def paused(request: web.Request) -> web.StreamResponse:
    """The pause."""
    return await send_json(request, _reading(request).paused())


async def held(request: web.Request) -> web.StreamResponse:
    """Guests that are held."""
    return await send_json(request, _reading(request).held())


async def override(request: web.Request) -> web.StreamResponse:
    """Bound a guest's band for a time."""
    peer, orders = _changing(request)
    asked = await body_of(request, shapes.OverrideRequest)
    _check(asked.reason, asked.seconds, orders.longest)
    bands = request.app[LIVE].fleet.bands
    if asked.band not in bands:
        raise bad(f"no band is called {asked.band[:128]!r}; known are {', '.join(bands)}")
    guest = _guest(request)
    return await _answered(request, lambda: orders.override(guest, asked, peer))


async def protect(request: web.Request) -> web.StreamResponse:
    """Protect a guest."""
    peer, orders = _changing(request, Duty.ADMINISTER)
    asked = await body_of(request, shapes.ProtectRequest)
    _check(asked.reason, asked.seconds, orders.longest)
    guest = find(request.app[LIVE].fleet, asked.guest)
    return await _answered(request, lambda: orders.protect(guest, asked, peer))


async def pause(request: web.Request) -> web.StreamResponse:
    """Pause enforcement for a time."""
    peer, orders = _changing(request)
    asked = await body_of(request, shapes.PauseRequest)
    _check(asked.reason, asked.seconds, orders.longest)
    return await _answered(request, lambda: orders.pause(asked, peer))


async def accept(request: web.Request) -> web.StreamResponse:
    """Let those be narrowed that are held because they are too many."""
    peer, orders = _changing(request, Duty.ADMINISTER)
    asked = await body_of(request, shapes.AcceptRequest)
    _check(asked.reason, None, orders.longest)
    return await _answered(request, lambda: orders.accept(asked, peer))


async def clear(request: web.Request) -> web.StreamResponse:
    """Take a guest's override back."""
    # a guest that is gone may have one too: by its UUID
    return await _take(request, "override", request.match_info["guest"])


async def unprotect(request: web.Request) -> web.StreamResponse:
    """Take a guest from the protect list."""
    return await _take(request, "protect", request.query.get("guest", ""))


async def resume(request: web.Request) -> web.StreamResponse:
    """End the pause."""
    return await _take(request, "pause", None)


async def _take(request: web.Request, kind: str, key: str | None) -> web.StreamResponse:
    duty = Duty.ADMINISTER if kind == "protect" else Duty.OPERATE
    peer, orders = _changing(request, duty)
    known = {"reason", "dry_run", *(("guest",) if kind == "protect" else ())}
    unknown = sorted(set(request.query) - known)
    if unknown:
        raise bad(f"no parameter is called {unknown[0][:128]!r}")
    reason, dry_run = request.query.get("reason", ""), request.query.get("dry_run", "false")
    _check(reason, None, orders.longest)
    if dry_run not in {"true", "false"}:
        raise bad("dry_run must be true or false")
    guest = "" if key is None else _ordered(request, key)
    return await _answered(
        request,
        lambda: orders.take(kind, guest, reason, peer, dry_run=dry_run == "true"),
    )


def _ordered(request: web.Request, key: str) -> str:
    """The UUID of a guest that is there, or that only an order still speaks of."""
    fleet = request.app[LIVE].fleet
    gone = key.lower()
    orders = (fleet.orders.overrides, fleet.orders.protections)
    if gone not in fleet.guests and any(gone in given for given in orders):
        return gone
    return find(fleet, key).id


def _check(reason: str, seconds: float | None, longest: float) -> None:
    if not reason.strip() or len(reason) > LONGEST or not reason.isprintable():
        raise bad(f"reason must be a text of 1 to {LONGEST} printable characters")
    if seconds is not None and not (isfinite(seconds) and 0 < seconds <= longest):
        raise bad(
            f"seconds must be more than 0 and at most {longest:g}: the setting"
            " administration.longest_order"
        )


def _guest(request: web.Request) -> Assessment:
    return find(request.app[LIVE].fleet, request.match_info["guest"])


def _reading(request: web.Request) -> Orderly:
    reading_office(request)
    return _orders(request)


def _changing(request: web.Request, duty: Duty = Duty.OPERATE) -> tuple[Peer, Orderly]:
    return changer(request, office_of(request), duty), _orders(request)


def _orders(request: web.Request) -> Orderly:
    orders = request.app.get(ORDERS)
    if orders is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon takes no orders")
    return orders


async def _answered(
    request: web.Request, act: Callable[[], Awaitable[shapes.OrderDoc]]
) -> web.StreamResponse:
    with told():
        return await send_json(request, await act())
