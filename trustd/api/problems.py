"""What is wrong with a request, and how it is said (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from aiohttp import web

from trustd.api.shapes import ProblemDoc
from trustd.errors import TrustdError


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
