"""Where long looks into the repository wait: beside, not in front of, whoever asks to come in.

The loop's own pool of threads answers admission, acts and reports. A reader of history or of
the whole audit trail, of whom anybody may send many, has threads of another pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from aiohttp import web

T = TypeVar("T")

READERS = 3
"""Looks at a time; what comes beyond waits."""
_POOL = web.AppKey("readers", ThreadPoolExecutor)
_UNDER_WAY = web.AppKey("under way", dict[str, tuple[Hashable, asyncio.Future[object]]])
"""Of each kind of look that has one reader at most: what it looks for, and what it will find."""


def prepare(app: web.Application) -> None:
    """Give an application its readers."""
    app[_POOL] = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
    app[_UNDER_WAY] = {}
    app.on_cleanup.append(_end)


async def read(request: web.Request, look: Callable[[], T]) -> T:
    """What a look that may take long finds."""
    return await asyncio.get_running_loop().run_in_executor(request.app[_POOL], look)


async def shared(request: web.Request, kind: str, wanted: Hashable, look: Callable[[], T]) -> T:
    """What a look of a kind finds that never has more than one reader, whoever asks.

    Who wants the same while it is under way gets what it finds; who wants something else
    waits. It goes on to its end, also where nobody waits for it any more.
    """
    under_way = request.app[_UNDER_WAY]
    while (known := under_way.get(kind)) is not None and known[0] != wanted:
        await asyncio.wait((known[1],))
    if known is None:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Any] = loop.run_in_executor(request.app[_POOL], look)
        under_way[kind] = wanted, found

        def end(done: asyncio.Future[Any]) -> None:
            del under_way[kind]
            # told to whoever waits, of whom there may be none left
            _ = done.cancelled() or done.exception()

        found.add_done_callback(end)
    else:
        found = known[1]
    # whoever gives up must not end it for the others
    return cast("T", await asyncio.shield(found))


def is_under_way(request: web.Request, kind: str) -> bool:
    """Whether a shared look of this kind has not ended yet."""
    return kind in request.app[_UNDER_WAY]


async def _end(app: web.Application) -> None:
    app[_POOL].shutdown(wait=False, cancel_futures=True)
