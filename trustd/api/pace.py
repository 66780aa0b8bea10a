"""How fast whoever asks may ask: a token bucket for each, so that nobody starves the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trustd.api.peer import peer_of
from trustd.api.problems import RequestProblem

_DECISIONS = ("/access/", "/opa/", "/oslo/", "/auth/", "/.well-known/")
"""Where other services ask for decisions."""
_FREE = frozenset({"/livez", "/readyz", "/v1/admission"})
"""What is answered always: a guest that may start must not wait for somebody's loop."""
_REPORTS = ("POST", "/v1/evidence")
"""Where other services report."""
_MOST_USERS = 1024
"""Users that are told apart; the one that has been quiet longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Requests a second that are answered in the long run; twice as many at once.

    Args:
        tcp: of all that come over TCP together; as many again for ``/metrics``, for the
            page's files, for reports, and for each caller whose token is known.
        user: of each user over the unix socket.
        decisions: of all questions for decisions that come over TCP together; as many
            again for each caller whose token is known. Those over the unix socket are
            not counted.
    """

    tcp: float = 100.0
    user: float = 300.0
    decisions: float = 1000.0


class Registrar(Protocol):
    """Whoever knows the callers that have tokens."""

    def caller(self, request: web.Request) -> str | None:
        """The caller whose token a request shows; None where it shows none that is known."""


REGISTRAR = web.AppKey("registrar", Registrar)


class Buckets:
    """A bucket a key: it holds two seconds' worth, and fills as time passes.

    Args:
        clock: steady seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, rate: float) -> float:
        """Take one token; else the seconds until there is one.

        >>> buckets = Buckets(lambda: 0.0)
        >>> [buckets.take(1000, 1.0) for _ in range(3)]
        [0.0, 0.0, 1.0]
        """
        now, most = self._clock(), max(2.0 * rate, 1.0)
        left, at = self._left.pop(key, (most, now))
        left = min(left + (now - at) * rate, most)
        # put back at the end: the first one is the one that was quiet longest
        self._left[key] = (left - 1.0 if left >= 1.0 else left, now)
        if len(self._left) > _MOST_USERS:
            del self._left[next(iter(self._left))]
        return 0.0 if left >= 1.0 else (1.0 - left) / rate


def paced(
    pace: Pace, files: Iterable[str] = (), clock: Callable[[], float] = time.monotonic
) -> Middleware:
    """Refuse who asks faster than that, with 429 and when to come again.

    Args:
        files: addresses of the page's files.
    """
    users, tcp, decisions = Buckets(clock), Buckets(clock), Buckets(clock)
    # whoever asks the API without end leaves Prometheus and the page theirs
    apart = dict.fromkeys(files, 2) | {"/metrics": 1}

    @web.middleware
    async def held(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        path = "" if resource is None else resource.canonical
        if path in _FREE:
            return await handler(request)
        peer, decides = peer_of(request), path.startswith(_DECISIONS)
        if peer is None:
            buckets, rate = (decisions, pace.decisions) if decides else (tcp, pace.tcp)
            # nobody who has no token can use up what is another's
            key: Hashable = _caller(request)
            if key is None:
                key = 3 if (request.method, path) == _REPORTS else apart.get(path, 0)
            wait = buckets.take(key, rate)
        else:
            wait = 0.0 if decides else users.take(peer.uid, pace.user)
        if wait > 0.0:
            again = str(max(1, ceil(wait)))
            raise RequestProblem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"more requests than are answered; ask again in {again} s (limits in the settings)",
                {"Retry-After": again},
            )
        return await handler(request)

    return held


def _caller(request: web.Request) -> str | None:
    registrar = request.app.get(REGISTRAR)
    return None if registrar is None else registrar.caller(request)
