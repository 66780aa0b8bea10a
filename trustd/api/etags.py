"""Answers that a reader who has them already is not sent again (RFC 9110, section 13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

import orjson
from aiohttp import web

from trustd.api.sending import send

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def tag_of(body: bytes) -> str:
    """The tag of an answer whose bytes are at hand."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def has(request: web.Request, tag: str) -> bool:
    """Whether a reader has the answer of this tag, by what it says."""
    given = ",".join(request.headers.getall("If-None-Match", []))
    return given.strip() == "*" or tag in _TAG.findall(given)


def unchanged(tag: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer to a reader who has it: that it is still the same."""
    return web.Response(status=304, headers=_tagged(headers or {}, tag))


async def send_tagged(
    request: web.Request, body: bytes, headers: Mapping[str, str], tag: str | None = None
) -> web.StreamResponse:
    """Answer with these bytes, or that they are still the same.

    Args:
        tag: theirs; None makes it of the bytes.
    """
    tag = tag or tag_of(body)
    if has(request, tag):
        return unchanged(tag, headers)
    return await send(request, body, _tagged(headers, tag))


async def send_json_tagged(
    request: web.Request, document: object, tag: str | None = None
) -> web.StreamResponse:
    """The same with a document of :mod:`trustd.api.shapes`."""
    body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return await send_tagged(request, body, {"Content-Type": "application/json"}, tag)


def _tagged(headers: Mapping[str, str], tag: str) -> dict[str, str]:
    # kept by the reader, and asked about each time before it is shown
    return {**headers, "ETag": tag, "Cache-Control": "no-cache"}
