"""The audit trail at its addresses, for whoever may open the unix socket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from math import inf, isfinite
from typing import Protocol
from urllib.parse import urlencode

from aiohttp import web

from trustd.api.admission import bad
from trustd.api.audit_shapes import StateDoc, TrailDoc, VerdictDoc
from trustd.api.peer import peer_of
from trustd.api.problems import RequestProblem, told
from trustd.api.reading import read, shared
from trustd.api.sending import send_json

MOST, USUAL = 1000, 100
_ASKED = ("guest", "kind", "since", "until", "after", "limit")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which records are wanted.

    Args:
        since, until: epoch seconds.
        after: only later records, oldest first; None for the newest ones.
        most: how many.
    """

    guest: str | None
    kind: str | None
    since: float | None
    until: float | None
    after: int | None
    most: int


class Auditor(Protocol):
    """Whoever reads and checks the trail. Its methods block."""

    def page(self, asked: Asked) -> TrailDoc:
        """Records, oldest first; ``next`` is left to the caller.

        Raises:
            StoreError: they cannot be read.
        """

    def verify(self) -> VerdictDoc:
        """Check the whole trail, against the anchors that are kept on this host too.

        Raises:
            StoreError: it cannot be read.
        """

    def state(self, until: float) -> StateDoc:
        """What the trail adds up to, up to a time in epoch seconds.

        Raises:
            StoreError: it cannot be read.
        """


AUDITOR = web.AppKey("auditor", Auditor)


async def audit(request: web.Request) -> web.StreamResponse:
    """A page of the trail."""
    auditor = _auditor(request)
    asked = _asked(request)
    with told():
        page = await read(request, lambda: auditor.page(asked))
    return await send_json(request, page)


async def verify(request: web.Request) -> web.StreamResponse:
    """Whether the trail is what was written."""
    auditor = _auditor(request)
    with told():
        verdict = await shared(request, "verification", None, auditor.verify)
    return await send_json(request, verdict)


async def state(request: web.Request) -> web.StreamResponse:
    """What the trail adds up to."""
    auditor = _auditor(request)
    if set(request.query) - {"at"}:
        raise bad("the only parameter is at")
    at = _time(request.query.get("at"), "at")
    until = inf if at is None else at
    with told():
        document = await shared(request, "replay", until, lambda: auditor.state(until))
    return await send_json(request, document)


def next_page(asked: Asked, last: int) -> str:
    """The address of the records after one."""
    query = {
        "guest": asked.guest,
        "kind": asked.kind,
        "since": asked.since,
        "until": asked.until,
        "after": last,
        "limit": asked.most,
    }
    given = {name: value for name, value in query.items() if value is not None}
    return f"/v1/audit?{urlencode(given)}"


def _auditor(request: web.Request) -> Auditor:
    if peer_of(request) is None:
        raise RequestProblem(HTTPStatus.FORBIDDEN, "this is answered over the unix socket only")
    auditor = request.app.get(AUDITOR)
    if auditor is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon keeps no audit trail")
    return auditor


def _asked(request: web.Request) -> Asked:
    query = request.query
    unknown = sorted(set(query) - set(_ASKED))
    if unknown:
        raise bad(f"no parameter is called {unknown[0][:128]!r}; there are {', '.join(_ASKED)}")
    limit = _number(query.get("limit", str(USUAL)), "limit")
    if not 1 <= limit <= MOST:
        raise bad(f"limit must be an integer from 1 to {MOST}")
    return Asked(
        guest=query.get("guest"),
        kind=query.get("kind"),
        since=_time(query.get("since"), "since"),
        until=_time(query.get("until"), "until"),
        after=_number(query["after"], "after") if "after" in query else None,
        most=limit,
    )


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise bad(f"{name} must be an integer from 0 on")
    return int(text)


def _time(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not isfinite(found):
        raise bad(f"{name} must be epoch seconds")
    return found
