"""Operators' orders, between the API and the line's thread."""

from __future__ import annotations

import time
from math import inf

from aiohttp import web

from trustd.api import Live
from trustd.api import override_shapes as shapes
from trustd.api import override_views as views
from trustd.api.overrides import ORDERS
from trustd.api.peer import Peer
from trustd.daemon.access import boot_clock
from trustd.daemon.author import author_of
from trustd.daemon.between import Between
from trustd.model import (
    Assessment,
    Bound,
    Order,
    Override,
    Pause,
    Protection,
    Term,
)
from trustd.pipeline import Overriding


class Ordering:
    """Takes operators' orders when no tick is under way.

    Args:
        longest: seconds for which one may be given at most.
    """

    def __init__(
        self, overriding: Overriding, between: Between, live: Live, longest: float
    ) -> None:
        self.longest = longest
        self._overriding = overriding
        self._between = between
        self._live = live

    def mount(self, app: web.Application) -> None:
        """Let an application answer by it."""
        app[ORDERS] = self

    def overridden(self, guest: Assessment) -> shapes.OverrideState:
        """A guest's override."""
        return views.override_state(guest, self._overriding.orders.overrides.get(guest.id))

    def protected(self) -> shapes.ProtectionList:
        """The protect list."""
        guests = self._live.fleet.guests
        given = self._overriding.orders.protections
        shown = (
            views.protection_doc(order, guests[id_].guest.name if id_ in guests else "")
            for id_, order in sorted(given.items())
        )
        return shapes.ProtectionList([each for each in shown if each is not None])

    def paused(self) -> shapes.PauseState:
        """The pause."""
        return shapes.PauseState(views.pause_doc(self._overriding.orders.pause))

    def held(self) -> shapes.HoldState:
        """Guests that are held."""
        return views.hold_state(self._live.fleet)

    async def override(
        self, guest: Assessment, asked: shapes.OverrideRequest, peer: Peer
    ) -> shapes.OrderDoc:
        """Bound a guest's band."""
        bound, author = Bound(asked.bound), await author_of(peer)
        order = Override(guest.id, asked.band, bound, _term(asked.seconds), author, asked.reason)
        return await self._give("override", order, dry_run=asked.dry_run)

    async def protect(
        self, guest: Assessment, asked: shapes.ProtectRequest, peer: Peer
    ) -> shapes.OrderDoc:
        """Protect a guest."""
        order = Protection(guest.id, _term(asked.seconds), await author_of(peer), asked.reason)
        return await self._give("protect", order, dry_run=asked.dry_run)

    async def pause(self, asked: shapes.PauseRequest, peer: Peer) -> shapes.OrderDoc:
        """Pause enforcement."""
        order = Pause(asked.keep, _term(asked.seconds), await author_of(peer), asked.reason)
        return await self._give("pause", order, dry_run=asked.dry_run)

    async def take(
        self, kind: str, guest: str, reason: str, peer: Peer, *, dry_run: bool
    ) -> shapes.OrderDoc:
        """Take an order back."""
        author = await author_of(peer)
        order, effects = await self._between.do(
            lambda: self._overriding.take(
                (kind, guest), author, reason, at=time.time(), dry_run=dry_run
            )
        )
        act = "taken back" if order is not None else "nothing"
        return views.order_doc(kind, act, order, effects, dry_run=dry_run)

    async def accept(self, asked: shapes.AcceptRequest, peer: Peer) -> shapes.OrderDoc:
        """Let those be narrowed that are held because they are too many."""
        author = await author_of(peer)
        effects = await self._between.do(
            lambda: self._overriding.accept(
                author, asked.reason, at=time.time(), dry_run=asked.dry_run
            )
        )
        act = "accepted" if effects else "nothing"
        return views.order_doc("hold", act, None, effects, dry_run=asked.dry_run)

    async def _give(self, kind: str, order: Order, *, dry_run: bool) -> shapes.OrderDoc:
        effects = await self._between.do(
            lambda: self._overriding.give(order, at=time.time(), dry_run=dry_run)
        )
        return views.order_doc(kind, "given", order, effects, dry_run=dry_run)


def _term(seconds: float | None) -> Term:
    return Term(time.time(), boot_clock(), inf if seconds is None else seconds)
