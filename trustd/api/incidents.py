"""Incidents at their addresses: over the unix socket only, changed by whoever may."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from trustd.api import incident_shapes as shapes
from trustd.api import reading
from trustd.api.admission import LONGEST, bad, body_of, changer, office_of, reading_office
from trustd.api.office import Duty
from trustd.api.peer import Peer
from trustd.api.problems import RequestProblem, told
from trustd.api.sending import send_json
from trustd.pipeline.incidents import NoSuchIncident, NotNow

MOST, USUAL = 500, 100
"""Incidents in a list: at most, and where nothing is said."""
_HIGHEST = 2**53


class Handled(Protocol):
    """Whoever knows the incidents. All raise ``StoreError`` where the repository fails."""

    def listed(self, *, everything: bool, most: int) -> shapes.IncidentList:
        """Those that are open, or the last ones; blocks."""

    def waiting(self) -> int:
        """How many nobody has resolved yet; at once."""

    def shown(self, number: int) -> shapes.IncidentDoc:
        """One of them; blocks.

        Raises:
            NoSuchIncident: there is none of this number.
        """

    async def act(
        self, number: int, asked: shapes.IncidentRequest, peer: Peer
    ) -> shapes.IncidentDoc:
        """Do what somebody asks; it is on the disk then.

        Raises:
            NoSuchIncident: there is none of this number.
            NotNow: it makes no sense as it is.
            TimeoutError: the line had no time for it; nothing was changed.
        """


INCIDENTS = web.AppKey("incidents", Handled)


async def listed(request: web.Request) -> web.StreamResponse:
    """Those that are open, or the last ones."""
    incidents = _reading(request)
    unknown = sorted(set(request.query) - {"state", "limit"})
    if unknown:
        raise bad(f"no parameter is called {unknown[0][:128]!r}")
    state, limit = request.query.get("state", "open"), request.query.get("limit", str(USUAL))
    if state not in {"open", "all"}:
        raise bad("state must be open or all")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 4 and 1 <= int(limit) <= MOST):  # noqa: PLR2004 - digits
        raise bad(f"limit must be a number from 1 to {MOST}")
    with told():
        found = await reading.read(
            request, lambda: incidents.listed(everything=state == "all", most=int(limit))
        )
    return await send_json(request, found)


async def shown(request: web.Request) -> web.StreamResponse:
    """One of them."""
    incidents, number = _reading(request), _number(request)
    try:
        with told():
            found = await reading.read(request, lambda: incidents.shown(number))
            return await send_json(request, found)
    except NoSuchIncident as error:
        raise RequestProblem(HTTPStatus.NOT_FOUND, str(error)) from error


async def act(request: web.Request) -> web.StreamResponse:
    """Do something to one of them."""
    peer = changer(request, office_of(request), Duty.OPERATE)
    incidents = _incidents(request)
    number = _number(request)
    asked = await body_of(request, shapes.IncidentRequest)
    _check(asked)
    try:
        with told():
            return await send_json(request, await incidents.act(number, asked, peer))
    except NoSuchIncident as error:
        raise RequestProblem(HTTPStatus.NOT_FOUND, str(error)) from error
    except NotNow as error:
        raise RequestProblem(HTTPStatus.CONFLICT, str(error)) from error


def _check(asked: shapes.IncidentRequest) -> None:
    needed = asked.act in {"assign", "comment"}
    if len(asked.text) > LONGEST or not asked.text.isprintable():
        raise bad(f"text must be at most {LONGEST} printable characters")
    if needed and not asked.text.strip():
        raise bad(f"{asked.act} needs a text")
    if asked.act == "ack" and asked.text:
        raise bad("ack takes no text: comment beside it")
    if (asked.act == "resolve") is (asked.conclusion is None):
        raise bad("conclusion belongs to resolve, and resolve needs one")


def _number(request: web.Request) -> int:
    text = request.match_info["incident"]
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) >= _HIGHEST:  # noqa: PLR2004 - digits
        raise RequestProblem(HTTPStatus.NOT_FOUND, f"no incident is called {text[:128]!r}")
    return int(text)


def _reading(request: web.Request) -> Handled:
    reading_office(request)
    return _incidents(request)


def _incidents(request: web.Request) -> Handled:
    found = request.app.get(INCIDENTS)
    if found is None:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, "this daemon keeps no incidents")
    return found
