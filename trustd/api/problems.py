"""What is wrong with a request, and how it is said (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

import orjson
from aiohttp import web

from trustd.api.shapes import ProblemDoc
from trustd.errors import NoSuchGuest, StoreError, TrustdError


class RequestProblem(TrustdError):
    """A request that is answered with an error.

    Args:
        status: of the answer.
        detail: what is wrong, and what to do.
        headers: to add to the answer.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


@contextmanager
def told() -> Iterator[None]:
    """Tell what the daemon cannot do, in the one way that every address has."""
    try:
        yield
    except NoSuchGuest as error:
        raise RequestProblem(HTTPStatus.NOT_FOUND, str(error)) from error
    except StoreError as error:
        raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    except TimeoutError:
        raise RequestProblem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "nothing was changed: the tick under way takes too long; ask again",
        ) from None


def answer(problem: RequestProblem) -> web.Response:
    """The problem as a response."""
    document = ProblemDoc(
        type="about:blank",
        title=problem.status.phrase,
        status=problem.status,
        detail=problem.detail,
    )
    return web.Response(
        status=problem.status,
        body=orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE),
        content_type="application/problem+json",
        headers=problem.headers,
    )
