"""What every request passes on its way in, and every answer on its way out."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from functools import wraps
from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import Counter

from trustd.api.problems import RequestProblem, answer
from trustd.metrics import Meters

_AUTHORITY = re.compile(r"(\[[0-9a-f:]+\]|[^:\[\]]+)(:[0-9]{1,5})?", re.IGNORECASE)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """Tell browsers to do no more with an answer than show it."""
    headers = response.headers
    # in place of the versions of the interpreter and the library, which stand there by now
    headers[hdrs.SERVER] = "trustd"
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)


def errors(meters: Meters) -> Middleware:
    """Answer with a problem document whatever goes wrong, and count every answer."""
    log = structlog.get_logger("trustd.api")
    counters: dict[tuple[str, str, int], Counter] = {}

    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except RequestProblem as problem:
            response = answer(problem)
        except web.HTTPException as refused:
            response = answer(_translated(refused))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            # The outermost place: a fault of ours must not end the connection
            # without an answer, and must be seen.
            log.exception("a request failed", path=request.path)
            response = answer(
                RequestProblem(
                    HTTPStatus.INTERNAL_SERVER_ERROR, "trustd failed on this: see its log"
                )
            )
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "none"
        place = (route, _method(request), response.status)
        # to find a labelled counter costs more than to count, and there are few of them
        counter = counters.get(place)
        if counter is None:
            counter = counters[place] = meters.requests.labels(*place)
        counter.inc()
        return response

    return web.middleware(guarded)


def time_limit(handler: Handler, seconds: float) -> Handler:
    """Give up an answer that is not begun in time."""

    @wraps(handler)
    async def limited(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(seconds):
                return await handler(request)
        except TimeoutError:
            raise RequestProblem(
                HTTPStatus.SERVICE_UNAVAILABLE, f"no answer within {seconds:g} s"
            ) from None

    return limited


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page may send to loopback through somebody's browser.

    A page that rebinds its own name to 127.0.0.1 still names itself in Host; a
    page of another origin is named in Origin or by Sec-Fetch-Site.
    """
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not names_loopback(hosts[0]):
        raise RequestProblem(
            HTTPStatus.MISDIRECTED_REQUEST,
            "this listener answers to localhost and loopback addresses only",
        )
    if any(
        origin.lower() != f"http://{hosts[0].lower()}"
        for origin in request.headers.getall("Origin", [])
    ):
        raise RequestProblem(HTTPStatus.FORBIDDEN, "requests from other web pages are refused")
    elsewhere = request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
    if elsewhere and request.headers.get("Sec-Fetch-Mode") != "navigate":
        raise RequestProblem(HTTPStatus.FORBIDDEN, "requests from other web pages are refused")
    return await handler(request)


def names_loopback(authority: str) -> bool:
    """Whether a Host header names this machine in a way that nobody can rebind.

    >>> [names_loopback(a) for a in ("localhost:9747", "[::1]", "127.0.0.1.evil.example")]
    [True, True, False]
    """
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    host = match[1].strip("[]").lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _translated(refused: web.HTTPException) -> RequestProblem:
    status = HTTPStatus(refused.status)
    details = {
        HTTPStatus.NOT_FOUND: "there is nothing here: /openapi.json lists every address",
        HTTPStatus.METHOD_NOT_ALLOWED: "this address does not take this method",
    }
    kept = {name: refused.headers[name] for name in ("Allow",) if name in refused.headers}
    return RequestProblem(status, details.get(status, status.phrase), kept)


def _method(request: web.Request) -> str:
    """The method as a label: what a client invents is not one."""
    return request.method if request.method in _METHODS else "other"
