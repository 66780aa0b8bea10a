"""Which guests a request asks for, and in which order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import inf, isfinite
from typing import Any

from multidict import MultiMapping

from trustd.api.problems import RequestProblem
from trustd.model import Assessment, Fleet, Freshness, GuestState

MOST = 1000
USUAL = 100

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_ORDERS: dict[str, Callable[[Assessment], Any]] = {
    "trust": lambda guest: guest.trust if isfinite(guest.trust) else -inf,
    "name": lambda guest: guest.guest.name,
    "age": lambda guest: guest.age if isfinite(guest.age) else inf,
    "since": lambda guest: guest.since,
    "uncertainty": lambda guest: guest.opinion.uncertainty,
}
"""What guests can be sorted by; a guest without a trust value comes before the lowest."""

SORTS = tuple(sign + order for order in _ORDERS for sign in ("", "-"))
"""A leading minus turns the order round."""

_MANY = frozenset({"band", "label", "role", "freshness", "state"})
_ONE = frozenset({"sort", "limit", "offset"})


@dataclass(frozen=True, slots=True)
class GuestQuery:
    """Which guests to list.

    Args:
        bands, freshness, states: any of these; empty for all.
        roles: any of these; empty for all.
        labels: all of these, as key and value; None for any value.
        sort: one of :data:`SORTS`.
        limit, offset: how many, from which on.
    """

    bands: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str | None], ...] = ()
    roles: frozenset[str] = frozenset()
    freshness: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    sort: str = "trust"
    limit: int = USUAL
    offset: int = 0

    def matches(self, guest: Assessment) -> bool:
        """Whether the guest is asked for."""
        return (
            (not self.bands or guest.band in self.bands)
            and (not self.freshness or guest.freshness in self.freshness)
            and (not self.states or guest.guest.state in self.states)
            and (not self.roles or not self.roles.isdisjoint(guest.permissions.roles))
            and all(
                key in guest.guest.labels and value in {None, guest.guest.labels[key]}
                for key, value in self.labels
            )
        )

    def select(self, guests: Iterable[Assessment]) -> tuple[int, Sequence[Assessment]]:
        """How many guests match, and those of this page in order."""
        order = _ORDERS[self.sort.removeprefix("-")]
        found = sorted(filter(self.matches, guests), key=lambda guest: (guest.guest.name, guest.id))
        found.sort(key=order, reverse=self.sort.startswith("-"))
        return len(found), found[self.offset : self.offset + self.limit]


def parse(query: MultiMapping[str], fleet: Fleet) -> GuestQuery:
    """Read a request's parameters.

    Raises:
        RequestProblem: one of them is unknown or wrong.
    """
    unknown = sorted(set(query) - _MANY - _ONE)
    if unknown:
        raise _bad(f"unknown parameter {unknown[0]!r}", sorted(_MANY | _ONE))
    for name in _ONE & set(query):
        if len(query.getall(name)) > 1:
            raise _bad(f"{name} is given more than once")
    return GuestQuery(
        bands=_choices(query, "band", fleet.bands),
        labels=tuple(_label(text) for text in query.getall("label", [])),
        roles=frozenset(query.getall("role", [])),
        freshness=_choices(query, "freshness", tuple(Freshness)),
        states=_choices(query, "state", tuple(GuestState)),
        sort=_choice("sort", query.get("sort", "trust"), SORTS),
        limit=_integer(query, "limit", USUAL, least=1, most=MOST),
        offset=_integer(query, "offset", 0, least=0, most=10**9),
    )


def find(fleet: Fleet, key: str) -> Assessment:
    """The guest with this UUID, or else the one with this name.

    Raises:
        RequestProblem: there is none (404), or several have the name (409).
    """
    if _UUID.fullmatch(key):
        for guest in fleet.guests.values():
            if guest.id == key.lower():
                return guest
    named = [guest for guest in fleet.guests.values() if guest.guest.name == key]
    if not named:
        raise RequestProblem(
            HTTPStatus.NOT_FOUND,
            f"no guest has the UUID or name {key[:256]!r}: GET /v1/guests lists them",
        )
    if len(named) > 1:
        ids = ", ".join(sorted(guest.id for guest in named)[:10])
        raise RequestProblem(
            HTTPStatus.CONFLICT,
            f"{len(named)} guests have the name {key[:256]!r}: ask by UUID ({ids})",
        )
    return named[0]


def _choices(query: MultiMapping[str], name: str, known: Sequence[str]) -> frozenset[str]:
    return frozenset(_choice(name, text, known) for text in query.getall(name, []))


def _choice(name: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise _bad(f"{name} cannot be {text[:256]!r}", known)
    return text


def _label(text: str) -> tuple[str, str | None]:
    """``key`` or ``key:value``.

    >>> _label("app:web"), _label("app")
    (('app', 'web'), ('app', None))
    """
    key, colon, value = text.partition(":")
    if not key:
        raise _bad(f"label cannot be {text[:256]!r}", ["key", "key:value"])
    return key, value if colon else None


def _integer(query: MultiMapping[str], name: str, usual: int, *, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return usual
    if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise _bad(f"{name} cannot be {text[:256]!r}: an integer from {least} to {most}")
    return int(text)


def _bad(what: str, known: Sequence[str] = ()) -> RequestProblem:
    hint = f"; known are {', '.join(known)}" if known else ""
    return RequestProblem(HTTPStatus.BAD_REQUEST, what + hint)
