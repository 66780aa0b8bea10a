"""What other services reported, for readers: a finding once, however often it was said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlencode

from aiohttp import web

from trustd.api.admission import bad, over_the_socket
from trustd.api.evidence_shapes import STATES, EvidenceList
from trustd.api.handlers import LIVE
from trustd.api.problems import RequestProblem, told
from trustd.api.query import find
from trustd.api.reading import read
from trustd.api.sending import send_json
from trustd.model import Severity

MOST, USUAL = 500, 100
LONGEST = 128
_ASKED = ("guest", "sender", "family", "severity", "state", "before", "limit")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which of it is wanted; None for any.

    Args:
        guest: its UUID.
        before: only what has a lower place.
        most: how many.
    """

    guest: str | None
    sender: str | None
    family: str | None
    severity: str | None
    state: str | None
    before: int | None
    most: int


class Hearsay(Protocol):
    """Whoever keeps what was said."""

    def said(self, asked: Asked) -> EvidenceList:
        """What was said, that which was first said last in front; blocks.

        Raises:
            StoreError: it cannot be read.
        """


HEARSAY = web.AppKey("hearsay", Hearsay)


async def listed(request: web.Request) -> web.StreamResponse:
    """A page of what was said: which intrusion was seen where is not for every local user."""
    over_the_socket(request)
    hearsay = request.app.get(HEARSAY)
    if hearsay is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon hears nobody")
    asked = _asked(request)
    with told():
        document = await read(request, lambda: hearsay.said(asked))
    return await send_json(request, document)


def next_page(asked: Asked, last: int) -> str:
    """The address of what was said first before one of them."""
    query = {
        "guest": asked.guest,
        "sender": asked.sender,
        "family": asked.family,
        "severity": asked.severity,
        "state": asked.state,
        "before": last,
        "limit": asked.most,
    }
    return f"/v1/evidence?{urlencode({name: each for name, each in query.items() if each})}"


def _asked(request: web.Request) -> Asked:
    query = request.query
    unknown = sorted(set(query) - set(_ASKED))
    if unknown:
        raise bad(f"no parameter is called {unknown[0][:LONGEST]!r}; there are {', '.join(_ASKED)}")
    limit, before = query.get("limit", str(USUAL)), query.get("before")
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST:
        raise bad(f"limit must be an integer from 1 to {MOST}")
    if before is not None and not re.fullmatch(r"[0-9]{1,18}", before):
        raise bad("before must be an integer from 0 on")
    for name, known in (("severity", tuple(map(str, Severity))), ("state", STATES)):
        if name in query and query[name] not in known:
            raise bad(f"{name} must be one of {', '.join(known)}")
    return Asked(
        guest=_guest(request, query["guest"]) if "guest" in query else None,
        sender=query.get("sender"),
        family=query.get("family"),
        severity=query.get("severity"),
        state=query.get("state"),
        before=None if before is None else int(before),
        most=int(limit),
    )


def _guest(request: web.Request, key: str) -> str:
    """Its UUID; of one that is gone only that is known."""
    return key.lower() if _UUID.fullmatch(key) else find(request.app[LIVE].fleet, key).id
