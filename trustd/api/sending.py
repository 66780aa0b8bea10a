"""Sends a document, however large, in pieces that neither stall nor fill memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from aiohttp import web

_PIECE = 1 << 16
PATIENCE = 8.0
"""Seconds for which a reader may take its time."""


async def send_json(
    request: web.Request, document: object, status: HTTPStatus = HTTPStatus.OK
) -> web.StreamResponse:
    """Answer with a document of :mod:`trustd.api.shapes`."""
    body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return await send(request, body, {"Content-Type": "application/json"}, status)


async def send(
    request: web.Request,
    body: bytes,
    headers: Mapping[str, str],
    status: HTTPStatus = HTTPStatus.OK,
) -> web.StreamResponse:
    """Answer with these bytes.

    A large body goes out piece by piece, each when the reader has taken the one
    before: a reader that takes none holds no copy of it, and is hung up on.
    """
    if len(body) <= _PIECE:
        return web.Response(body=body, status=status, headers=headers)
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    pieces = memoryview(body)
    try:
        async with asyncio.timeout(PATIENCE):
            for start in range(0, len(body), _PIECE):
                await response.write(pieces[start : start + _PIECE])
                # A reader that keeps up would otherwise have the loop to itself.
                await asyncio.sleep(0)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response
