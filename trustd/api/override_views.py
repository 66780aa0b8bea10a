"""From operators' orders to the documents of the API: pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite

from trustd.api import override_shapes as shapes
from trustd.metrics import legible
from trustd.model import (
    Action,
    Assessment,
    Fleet,
    ObjectRef,
    Order,
    Override,
    Pause,
    Protection,
)
from trustd.pipeline import Effect

_NAME, _TEXT = 256, 1024
"""The most characters of a name and of a sentence."""


def override_doc(order: Override | None) -> shapes.OverrideDoc | None:
    """An override as it is shown."""
    if order is None:
        return None
    return shapes.OverrideDoc(
        order.band,
        order.bound,
        order.term.at,
        order.term.until,
        legible(order.author.name, _NAME),
        order.author.uid,
        legible(order.reason, _TEXT),
    )


def protection_doc(order: Protection | None, name: str) -> shapes.ProtectionDoc | None:
    """A protection as it is shown.

    Args:
        name: the guest's; empty where it is not there.
    """
    if order is None:
        return None
    return shapes.ProtectionDoc(
        order.guest,
        legible(name, _NAME),
        order.term.at,
        until(order),
        legible(order.author.name, _NAME),
        order.author.uid,
        legible(order.reason, _TEXT),
    )


def pause_doc(order: Pause | None) -> shapes.PauseDoc | None:
    """A pause as it is shown."""
    if order is None:
        return None
    return shapes.PauseDoc(
        order.keep,
        order.term.at,
        order.term.until,
        legible(order.author.name, _NAME),
        order.author.uid,
        legible(order.reason, _TEXT),
    )


def until(order: Order | None) -> float | None:
    """Epoch seconds at which an order ends; None where it has no end."""
    if order is None or not isfinite(order.term.until):
        return None
    return order.term.until


def override_state(guest: Assessment, order: Override | None) -> shapes.OverrideState:
    """A guest's override, and the band that it would be in without."""
    return shapes.OverrideState(
        guest.id,
        legible(guest.guest.name, _NAME),
        guest.band,
        guest.automatic or guest.band,
        override_doc(order),
    )


def orders_doc(fleet: Fleet) -> shapes.OrdersDoc:
    """The orders at the last tick, in short."""
    orders = fleet.orders
    return shapes.OrdersDoc(
        pause_doc(orders.pause),
        len(orders.overrides),
        len(orders.protections),
        dict(sorted(Counter(fleet.held.values()).items())),
    )


def hold_state(fleet: Fleet) -> shapes.HoldState:
    """Guests that are held at the last tick."""
    found = ((fleet.guests[id_], why) for id_, why in sorted(fleet.held.items()))
    return shapes.HoldState(
        [
            shapes.HeldDoc(guest.id, legible(guest.guest.name, _NAME), guest.band, why)
            for guest, why in found
        ]
    )


def order_doc(
    kind: str, act: str, order: Order | None, effects: Sequence[Effect], *, dry_run: bool
) -> shapes.OrderDoc:
    """What an order changed."""
    return shapes.OrderDoc(kind, act, dry_run, until(order), [_effect(each) for each in effects])


def _effect(effect: Effect) -> shapes.EffectDoc:
    return shapes.EffectDoc(
        effect.guest.id,
        legible(effect.guest.name, _NAME),
        effect.bands,
        effect.modes,
        _moved(effect.gained),
        _moved(effect.lost),
        _steps(effect.applied),
        _steps(effect.restored),
        _steps(effect.would),
    )


def _moved(actions: Mapping[ObjectRef, frozenset[str]]) -> list[shapes.MovedDoc]:
    return [
        shapes.MovedDoc(legible(ref.type, _NAME), legible(ref.id, _TEXT), sorted(names))
        for ref, names in actions.items()
    ]


def _steps(actions: Sequence[Action]) -> list[shapes.StepDoc]:
    return [
        shapes.StepDoc(each.lever, legible(each.device, _NAME), dict(each.setting))
        for each in actions
    ]
