"""Operators' orders on the line: stored before they are answered, heeded, and ended on time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from math import isinf
from typing import Any

import structlog

from trustd.errors import NoSuchGuest, StoreError, Unsettled
from trustd.model import (
    Action,
    Author,
    Bound,
    Guest,
    GuestId,
    Mode,
    ObjectRef,
    Order,
    Orders,
    Override,
    Pause,
    Protection,
)
from trustd.pipeline.acting import Acting
from trustd.pipeline.narrowing import Narrowing
from trustd.pipeline.verdict import Verdict
from trustd.repository import Entry, OrderStore, Place
from trustd.repository.overrides import place_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Effect:
    """What an order changes for one guest, from the next tick on.

    Args:
        bands, modes: before and after it.
        gained, lost: actions on objects.
        applied, restored: actions that narrow the guest then and do not now, and those
            of which the contrary is true.
        would: actions that would narrow it if it were not only observed then.
    """

    guest: Guest
    bands: tuple[str, str]
    modes: tuple[Mode, Mode]
    gained: Mapping[ObjectRef, frozenset[str]]
    lost: Mapping[ObjectRef, frozenset[str]]
    applied: tuple[Action, ...]
    restored: tuple[Action, ...]
    would: tuple[Action, ...]

    @property
    def nothing(self) -> bool:
        """Whether it changes nothing."""
        changed = self.gained or self.lost or self.applied or self.restored
        return not changed and self.bands[0] == self.bands[1] and self.modes[0] is self.modes[1]


class Overriding:
    """Takes, drops and ends orders; called on the line's thread.

    Raises:
        StoreError: those of an earlier run cannot be read.
    """

    def __init__(self, store: OrderStore, narrowing: Narrowing, acting: Acting) -> None:
        self._store = store
        self._narrowing = narrowing
        self._acting = acting
        # over, and not known to be so on the disk
        self._ended: list[tuple[Place, Entry]] = []
        self._ending: tuple[Future[None], int] | None = None
        narrowing.heed(store.all(), at=0.0)

    @property
    def orders(self) -> Orders:
        """Those in force."""
        return self._narrowing.orders

    def give(self, order: Order, *, at: float, dry_run: bool = False) -> Sequence[Effect]:
        """Take an order instead of the one of its kind on the same guest.

        When this returns, it is on the disk.

        Raises:
            NoSuchGuest: it is about a guest that is not watched.
            StoreError: it is not in force, unless it narrows.
        """
        if isinstance(order, Pause) and order.keep:
            world = self._narrowing.world()
            order = replace(order, bands={id_: seen.band for id_, seen in world.items()})
        after = with_order(self.orders, order)
        effects = self._effects(after, _whom(order), at)
        if dry_run:
            return effects
        entry = self._entry(order, "given", at, effects)
        try:
            self._store.give(order, entry)
        except StoreError as error:
            if not isinstance(order, Override) or order.bound is not Bound.AT_MOST:
                if isinstance(error, Unsettled):
                    raise
                raise StoreError(f"nothing was changed: {error}") from error
            # tightening never waits for the disk
            self._heed(after, entry, at)
            raise StoreError(
                f"it is in force and not stored, so that a restart forgets it: {error}"
            ) from error
        self._heed(after, entry, at)
        return effects

    def take(
        self, place: Place, author: Author, reason: str, *, at: float, dry_run: bool = False
    ) -> tuple[Order | None, Sequence[Effect]]:
        """Drop an order; None where there is none.

        Raises:
            StoreError: it is still in force, unless all that it did was to lift.
        """
        order = _at(self.orders, place)
        if order is None:
            return None, ()
        after = without(self.orders, (order,))
        whom = _whom(order)
        gone = whom is not None and whom not in self._narrowing.world()
        effects = () if gone else self._effects(after, whom, at)
        if dry_run:
            return order, effects
        entry = self._entry(order, "taken back", at, effects)
        entry.document.update(_by(author), reason=reason, given_by=order.author.name)
        try:
            self._store.take(place, entry)
        except StoreError as error:
            if not _lifts(order):
                if isinstance(error, Unsettled):
                    raise
                raise StoreError(f"nothing was changed: {error}") from error
            # what lifts must not outlive its end because of a disk
            self._heed(after, entry, at)
            self._ended.append((place, entry))
            raise StoreError(
                f"it counts no more; that is not stored yet, and tried again: {error}"
            ) from error
        self._heed(after, entry, at)
        return order, effects

    def accept(
        self, author: Author, reason: str, *, at: float, dry_run: bool = False
    ) -> Sequence[Effect]:
        """Let the guests be narrowed that are held because they are too many.

        Raises:
            StoreError: nothing was changed.
        """
        held = [id_ for id_, why in self._acting.held.items() if why == "too-many"]
        world = self._narrowing.world()
        effects = [self._effect(world[id_].guest, self.orders, at) for id_ in held]
        if dry_run or not held:
            return effects
        document = {"act": "accepted", "guests": held, "reason": reason, **_by(author)}
        entry = Entry(at, GuestId(""), "", "hold", document)
        try:
            self._store.note(entry)
        except Unsettled:
            raise
        except StoreError as error:
            raise StoreError(f"nothing was changed: {error}") from error
        log.warning("an operator lets go on what was held back", **document)
        self._acting.accept()
        return effects

    def tick(self, *, at: float, clock: float) -> None:
        """End what has ended by now."""
        self._land()
        orders = self.orders
        given: list[Order] = [*orders.overrides.values(), *orders.protections.values()]
        if orders.pause is not None:
            given.append(orders.pause)
        over = [order for order in given if order.term.over(at, clock)]
        for order in over:
            entry = self._entry(order, "ended", at, ())
            self._ended.append((place_of(order), entry))
            log.warning("an order has ended", kind=entry.kind, guest=entry.guest, **entry.document)
        if over:
            self._narrowing.heed(without(orders, over), at=at)
        if self._ended and self._ending is None:
            # an order that was given since has the place on the disk
            places = [place for place, _ in self._ended if _at(self.orders, place) is None]
            entries = [entry for _, entry in self._ended]
            self._ending = self._store.end(places, entries), len(entries)

    def _land(self) -> None:
        """Whether what has ended is dropped from the disk; else it is tried again."""
        if self._ending is None or not self._ending[0].done():
            return
        done, told = self._ending
        if done.exception() is None:
            del self._ended[:told]
        self._ending = None

    def _heed(self, orders: Orders, entry: Entry, at: float) -> None:
        self._narrowing.heed(orders, at=at)
        log.warning("an order of an operator", kind=entry.kind, guest=entry.guest, **entry.document)

    def _effects(self, after: Orders, whom: GuestId | None, at: float) -> Sequence[Effect]:
        """What other orders change for a guest, or for all that they change something for."""
        world = self._narrowing.world()
        if whom is not None:
            if whom not in world:
                raise NoSuchGuest(f"{whom} is not watched")
            return (self._effect(world[whom].guest, after, at),)
        found = (self._effect(world[id_].guest, after, at) for id_ in sorted(world))
        return [each for each in found if not each.nothing]

    def _effect(self, known: Guest, after: Orders, at: float) -> Effect:
        now, then = self._narrowing.preview(known.id, after, at=at)
        in_force, wanted = self._acting.preview(known, then, self._narrowing.policy)
        before = in_force.actions if in_force.mode is Mode.ENFORCE else ()
        enforced = wanted.actions if wanted.mode is Mode.ENFORCE else ()
        return Effect(
            guest=known,
            bands=(now.band, then.band),
            modes=(now.mode, then.mode),
            gained=_more(then, now),
            lost=_more(now, then),
            applied=tuple(each for each in enforced if each not in before),
            restored=tuple(each for each in before if each not in enforced),
            would=wanted.actions if wanted.mode is Mode.OBSERVE else (),
        )

    def _entry(self, order: Order, act: str, at: float, effects: Sequence[Effect]) -> Entry:
        kind, guest = place_of(order)
        seen = self._narrowing.world().get(GuestId(guest))
        document: dict[str, Any] = {"act": act, "reason": order.reason, **_by(order.author)}
        document["seconds"] = None if isinf(order.term.seconds) else order.term.seconds
        if isinstance(order, Override):
            document |= {"bound": order.bound, "band": order.band}
        elif isinstance(order, Pause):
            document["keep"] = order.keep
        if guest and effects:
            document["before"], document["after"] = effects[0].bands
        return Entry(at, GuestId(guest), seen.guest.name if seen else "", kind, document)


def _by(author: Author) -> dict[str, Any]:
    return {"uid": author.uid, "pid": author.pid, "by": author.name}


def _lifts(order: Order) -> bool:
    """Whether nothing is looser without it."""
    return not isinstance(order, Override) or order.bound is Bound.AT_LEAST


def _more(one: Verdict, other: Verdict) -> dict[ObjectRef, frozenset[str]]:
    """What is held in one verdict and not in the other."""
    theirs = {access.object: access.held for access in other.permissions.access}
    found = {
        access.object: access.held - theirs.get(access.object, frozenset())
        for access in one.permissions.access
    }
    return {ref: actions for ref, actions in found.items() if actions}


def _whom(order: Order) -> GuestId | None:
    return None if isinstance(order, Pause) else order.guest


def _at(orders: Orders, place: Place) -> Order | None:
    kind, guest = place[0], GuestId(place[1])
    if kind == "pause":
        return orders.pause
    return orders.overrides.get(guest) if kind == "override" else orders.protections.get(guest)


def with_order(orders: Orders, order: Order) -> Orders:
    """Orders with one more, instead of the one of its kind on the same guest."""
    if isinstance(order, Override):
        return replace(orders, overrides={**orders.overrides, order.guest: order})
    if isinstance(order, Protection):
        return replace(orders, protections={**orders.protections, order.guest: order})
    return replace(orders, pause=order)


def without(orders: Orders, gone: Collection[Order]) -> Orders:
    """Orders without some of them."""
    return Orders(
        {id_: each for id_, each in orders.overrides.items() if each not in gone},
        {id_: each for id_, each in orders.protections.items() if each not in gone},
        None if orders.pause in gone else orders.pause,
    )
