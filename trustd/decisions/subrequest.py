"""The auth subrequest of web proxies: nginx, Caddy, Traefik, Envoy.

A client can add headers to its own request, and proxies pass them on. So what is asked
comes from headers that the proxy's configuration must set (one that is there twice, or
is missing, is a denial), and from the address that it calls, which no client sees.
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from trustd.config import Dialect
from trustd.decisions.body import Malformed, is_text
from trustd.decisions.desk import POLICY, Desk
from trustd.decisions.question import Asker, Question

SUBJECT = "X-Trust-Subject"
BAND = "X-Trust-Band"
URL = "url"
"""The type of object where the address names none."""

_BY_METHOD = {
    "GET": "read",
    "HEAD": "read",
    "OPTIONS": "read",
    "PUT": "write",
    "POST": "write",
    "PATCH": "write",
    "DELETE": "delete",
}
_OPTIONS = frozenset(("type", "object", "action", "subject_type"))


class Subrequest:
    """The endpoints, which differ in how they are told the client's request."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def nginx(self, request: web.Request, asker: Asker) -> web.Response:
        """``/auth/request``: ``X-Original-URI`` and ``X-Original-Method``."""
        return await self._ask(request, asker, _nginx)

    async def forward(self, request: web.Request, asker: Asker) -> web.Response:
        """``/auth/forward``: ``X-Forwarded-Uri`` and ``X-Forwarded-Method``."""
        return await self._ask(request, asker, _forward)

    async def envoy(self, request: web.Request, asker: Asker) -> web.Response:
        """``/auth/envoy/TYPE/...``: the request's own method and the rest of its path."""
        return await self._ask(request, asker, _envoy)

    async def _ask(
        self,
        request: web.Request,
        asker: Asker,
        read: Callable[[web.Request, Asker], Question],
    ) -> web.Response:
        try:
            question = read(request, asker)
        except Malformed:
            return denied()
        decision = await self._desk.point.decide(asker, question)
        status = HTTPStatus.OK if decision.permit else HTTPStatus.FORBIDDEN
        return web.Response(status=status, headers={BAND: decision.band, POLICY: decision.policy})


def routes(desk: Desk) -> tuple[tuple[str, str, Callable[..., Any]], ...]:
    """Method, path and handler of each endpoint."""
    here = Subrequest(desk)

    def asked(handler: Callable[[web.Request, Asker], Awaitable[web.Response]]) -> Any:  # noqa: ANN401
        return desk.ask(Dialect.SUBREQUEST, handler, denied, denied)

    return (
        ("*", "/auth/request", asked(here.nginx)),
        ("*", "/auth/forward", asked(here.forward)),
        ("*", "/auth/envoy/{type}/{path:.*}", asked(here.envoy)),
    )


def denied() -> web.Response:
    """The answer to what cannot be answered, and to everybody who may not ask."""
    return web.Response(status=HTTPStatus.FORBIDDEN)


def _nginx(request: web.Request, asker: Asker) -> Question:
    uri, method = header(request, "X-Original-URI"), header(request, "X-Original-Method")
    return _addressed(request, asker, method, uri)


def _forward(request: web.Request, asker: Asker) -> Question:
    uri, method = header(request, "X-Forwarded-Uri"), header(request, "X-Forwarded-Method")
    return _addressed(request, asker, method, uri)


def _envoy(request: web.Request, asker: Asker) -> Question:
    # the query is the client's own here, so nothing is read from it
    kind, path = request.match_info["type"], "/" + request.match_info["path"]
    return Question(
        asker.subject,
        header(request, SUBJECT),
        action_of(request.method),
        kind,
        normal(path),
    )


def _addressed(request: web.Request, asker: Asker, method: str, uri: str) -> Question:
    options = request.query
    if not options.keys() <= _OPTIONS or len(set(options)) != len(options):
        raise Malformed("the address has options that are not known, or one twice")
    return Question(
        options.get("subject_type", asker.subject),
        header(request, SUBJECT),
        options.get("action") or action_of(method),
        options.get("type", URL),
        options.get("object") or path_of(uri),
    )


def header(request: web.Request, name: str) -> str:
    """A header that is there once, and says something."""
    values = request.headers.getall(name, ())
    if len(values) != 1 or not values[0] or not is_text(values[0]):
        raise Malformed(f"{name} must be given once")
    return values[0]


def action_of(method: str) -> str:
    """The action that a method is.

    >>> action_of("PATCH")
    'write'
    """
    if method not in _BY_METHOD:
        raise Malformed("the method is not known")
    return _BY_METHOD[method]


def path_of(uri: str) -> str:
    """The path that a client asked for, without its query, in plain characters.

    >>> path_of("/a%20b?x=1")
    '/a b'
    """
    try:
        return normal(unquote(urlsplit("//-" + uri).path, errors="strict"))
    except ValueError as error:
        raise Malformed(f"no path: {error}") from None


def normal(path: str) -> str:
    """A path that two readers understand alike.

    Raises:
        Malformed: it climbs, or has empty parts.
    """
    plain = posixpath.normpath(path)
    if not path.startswith("/") or "\0" in path or path.rstrip("/") != plain.rstrip("/"):
        raise Malformed("the path is not plain")
    return path
