"""Where long looks into the repository wait: beside, not in front of, whoever asks to come in.

The loop's own pool of threads answers admission, acts and reports. A reader of history or of
the whole audit trail, of whom anybody may send many, has threads of another pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import web

T = TypeVar("T")

READERS = 3
"""Looks at a time; what comes beyond waits."""
_POOL = web.AppKey("readers", ThreadPoolExecutor)


def prepare(app: web.Application) -> None:
    """Give an application its readers."""
    app[_POOL] = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
    app.on_cleanup.append(_end)


async def read(request: web.Request, look: Callable[[], T]) -> T:
    """What a look that may take long finds."""
    return await asyncio.get_running_loop().run_in_executor(request.app[_POOL], look)


async def _end(app: web.Application) -> None:
    app[_POOL].shutdown(wait=False, cancel_futures=True)
