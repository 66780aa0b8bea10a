"""Puts the routes, the guards and the page together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from trustd.api.guards import errors, harden, loopback_only, time_limit
from trustd.api.handlers import LIVE
from trustd.api.live import Live
from trustd.api.office import OFFICE, Office
from trustd.api.openapi import describe
from trustd.api.routes import ROUTES
from trustd.api.sending import send

_TIME_LIMIT = 10.0
_MOST_BODY = 1 << 20
"""Bytes of a request: a batch of thousands of questions, or a policy."""

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = (
    ("/", "page.html", "text/html; charset=utf-8"),
    ("/page.js", "page.js", "text/javascript; charset=utf-8"),
    ("/page.css", "page.css", "text/css; charset=utf-8"),
)


Mount = Callable[[web.Application], None]
"""Adds addresses of somebody else's to an application."""


def application(
    live: Live, *, loopback: bool, office: Office | None = None, mounts: Sequence[Mount] = ()
) -> web.Application:
    """The application of one listener.

    Args:
        live: what it serves.
        office: who answers what may be done; None where nobody does.
        mounts: what is served beside the API.
        loopback: whether it is reached over TCP, where any local user and any web
            page in somebody's browser can knock.
    """
    guards = [errors(live.meters)]
    if loopback:
        guards.append(loopback_only)
    app = web.Application(middlewares=guards, client_max_size=_MOST_BODY)
    app[LIVE] = live
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
    description = orjson.dumps(describe(ROUTES, live.version), option=orjson.OPT_INDENT_2)
    app.router.add_get("/openapi.json", _fixed(description, {"Content-Type": "application/json"}))
    for path, name, content_type in _PAGE:
        body = files("trustd.api").joinpath("static", name).read_bytes()
        headers = {"Content-Type": content_type, "Content-Security-Policy": _PAGE_POLICY}
        app.router.add_get(path, _fixed(body, headers))
    return app


def _fixed(body: bytes, headers: dict[str, str]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await send(request, body, headers)

    return handler
