"""Puts the routes, the guards and the page together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from trustd.api import page, peer, reading
from trustd.api.etags import send_tagged, tag_of
from trustd.api.guards import errors, harden, loopback_only, time_limit
from trustd.api.handlers import LIVE
from trustd.api.live import Live
from trustd.api.office import OFFICE, Office
from trustd.api.openapi import describe
from trustd.api.pace import Pace, paced
from trustd.api.routes import ROUTES

_TIME_LIMIT = 10.0
_MOST_BODY = 1 << 20
"""Bytes of a request: a batch of thousands of questions, or a policy."""


Mount = Callable[[web.Application], None]
"""Adds addresses of somebody else's to an application."""


def application(
    live: Live,
    *,
    loopback: bool,
    office: Office | None = None,
    mounts: Sequence[Mount] = (),
    pace: Pace | None = None,
) -> web.Application:
    """The application of one listener.

    Args:
        live: what it serves.
        office: who answers what may be done; None where nobody does.
        mounts: what is served beside the API.
        pace: how fast it is answered; None for however fast.
        loopback: whether it is reached over TCP, where any local user and any web
            page in somebody's browser can knock.
    """
    guards = [errors(live.meters)]
    if loopback:
        guards.append(loopback_only)
    if pace is not None:
        guards.append(paced(pace, [part.path for part in page.parts()]))
    app = web.Application(middlewares=guards, client_max_size=_MOST_BODY)
    app[LIVE] = live
    peer.prepare(app)
    reading.prepare(app)
    if office is not None:
        app[OFFICE] = office
    app.on_response_prepare.append(harden)
    for route in ROUTES:
        handler = route.handler if route.endless else time_limit(route.handler, _TIME_LIMIT)
        if route.method == "GET":
            app.router.add_get(route.path, handler)
        else:
            app.router.add_route(route.method, route.path, handler)
    for mount in mounts:
        mount(app)
    description = _description(live.version)
    app.router.add_get("/openapi.json", _fixed(description, {"Content-Type": "application/json"}))
    for part in page.parts():
        headers = {"Content-Type": part.content_type, "Content-Security-Policy": page.POLICY}
        app.router.add_get(part.path, _fixed(part.body, headers))
    return app


# to work it out takes longer than all else here, and it is one for all listeners
@cache
def _description(version: str) -> bytes:
    return orjson.dumps(describe(ROUTES, version), option=orjson.OPT_INDENT_2)


def _fixed(body: bytes, headers: dict[str, str]) -> Handler:
    tag = tag_of(body)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await send_tagged(request, body, headers, tag)

    return handler
