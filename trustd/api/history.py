"""Guests' history, and what it takes, at their addresses."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from trustd.api.admission import bad
from trustd.api.handlers import LIVE
from trustd.api.history_shapes import StorageDoc, TimelineDoc
from trustd.api.problems import RequestProblem, told
from trustd.api.query import find
from trustd.api.reading import read
from trustd.api.sending import send_json
from trustd.model import GuestId

MOST, USUAL = 2000, 500
"""Points of a timeline."""
DAY = 86400.0
_LATEST = 1e11
"""Epoch seconds that anybody may ask for."""
_ASKED = ("since", "until", "points", "feature")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Historian(Protocol):
    """Whoever keeps the history of guests. Its methods block, and raise ``StoreError``."""

    def known(self, guest: GuestId) -> bool:
        """Whether anything is kept of a guest."""

    def features(self) -> frozenset[str]:
        """What is measured."""

    def timeline(
        self, guest: GuestId, feature: str | None, since: float, until: float, points: int
    ) -> TimelineDoc:
        """A guest's trust, or one of its features."""

    def storage(self) -> StorageDoc:
        """What everything takes."""


HISTORIAN = web.AppKey("historian", Historian)


async def timeline(request: web.Request) -> web.StreamResponse:
    """A guest's trust, or one of its features, over time."""
    historian = _historian(request)
    query = request.query
    unknown = sorted(set(query) - set(_ASKED))
    if unknown:
        raise bad(f"no parameter is called {unknown[0][:128]!r}; there are {', '.join(_ASKED)}")
    until = _number(query.get("until"), "until", time.time())
    since = _number(query.get("since"), "since", max(0.0, until - DAY))
    if since >= until:
        raise bad("since must be before until")
    points = query.get("points", str(USUAL))
    if not re.fullmatch(r"[0-9]{1,4}", points) or not 1 <= int(points) <= MOST:
        raise bad(f"points must be an integer from 1 to {MOST}")
    feature = query.get("feature")
    if feature is not None and feature not in historian.features():
        raise bad(f"no feature is called {feature[:128]!r}")
    with told():
        guest = await _guest(request, historian)
        document = await read(
            request, lambda: historian.timeline(guest, feature, since, until, int(points))
        )
    return await send_json(request, document)


async def storage(request: web.Request) -> web.StreamResponse:
    """What the repository takes."""
    historian = _historian(request)
    with told():
        document = await read(request, historian.storage)
    return await send_json(request, document)


async def _guest(request: web.Request, historian: Historian) -> GuestId:
    """The guest that is asked for; one that is gone by its UUID only."""
    key = request.match_info["guest"]
    try:
        return find(request.app[LIVE].fleet, key).id
    except RequestProblem:
        if not _UUID.fullmatch(key):
            raise
        gone = GuestId(key.lower())
        if not await read(request, lambda: historian.known(gone)):
            raise
        return gone


def _historian(request: web.Request) -> Historian:
    historian = request.app.get(HISTORIAN)
    if historian is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon keeps no history")
    return historian


def _number(text: str | None, name: str, otherwise: float) -> float:
    if text is None:
        return otherwise
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= _LATEST:
        raise bad(f"{name} must be epoch seconds")
    return found
