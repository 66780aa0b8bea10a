"""Where a request of any dialect comes in: who asks is settled before anything is read."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from trustd.config import Dialect
from trustd.decisions.body import is_text
from trustd.decisions.callers import Callers, Peer
from trustd.decisions.point import DecisionPoint
from trustd.decisions.question import Asker

REQUEST_ID = "X-Request-ID"
POLICY = "X-Trust-Policy"
"""The header that says by which policy was decided."""

PeerOf = Callable[[web.Request], Peer | None]
"""Who is at the other end of a request's socket; None where the kernel does not say."""

Answering = Callable[[web.Request, Asker], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Desk:
    """What every dialect needs.

    Args:
        deadline: seconds after which a dialect that cannot wait answers no.
        url: where the services that ask know trustd.
    """

    point: DecisionPoint
    callers: Callers
    peer_of: PeerOf
    deadline: float
    url: str

    def ask(
        self,
        dialect: Dialect,
        handler: Answering,
        refusal: Callable[[], web.Response],
        late: Callable[[], web.Response] | None = None,
    ) -> Handler:
        """A handler that answers registered callers, and refuses others unread.

        Args:
            refusal: the same for everybody who may not ask.
            late: the answer where there is none by the deadline; None to wait.
        """

        @wraps(handler)
        async def handle(request: web.Request) -> web.StreamResponse:
            asker = self.callers.identify(dialect, self.peer_of(request), tokens(request))
            if asker is None:
                return echoing(request, refusal())
            if late is None:
                return echoing(request, await handler(request, asker))
            try:
                async with asyncio.timeout(self.deadline):
                    return echoing(request, await handler(request, asker))
            except TimeoutError:
                return echoing(request, late())

        return handle


def tokens(request: web.Request) -> tuple[str, ...]:
    """The tokens that a request shows, in any of the ways in which services show them.

    ``Authorization`` with or without ``Bearer``, the password of ``Basic``, and
    ``X-Auth-Token``; one that is given twice does not count.
    """
    found: list[str] = []
    for header in (hdrs.AUTHORIZATION, "X-Auth-Token"):
        if header not in request.headers:
            continue
        values = request.headers.getall(header)
        if len(values) != 1:
            continue
        scheme, _, rest = values[0].partition(" ")
        if scheme.lower() == "bearer":
            found.append(rest.strip())
        elif scheme.lower() == "basic":
            found.append(_password(rest))
        else:
            found.append(values[0])
    return tuple(found)


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def echoing(request: web.Request, response: web.Response) -> web.Response:
    """The response with the request's own identity, where it has one."""
    given = request.headers.get(REQUEST_ID)
    if given is not None and is_text(given):
        response.headers[REQUEST_ID] = given
    return response
