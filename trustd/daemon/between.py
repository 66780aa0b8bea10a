"""Work for the line's thread from elsewhere, done between two ticks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

WITHIN = 7.0
"""Seconds until work that has not begun is given up: a tick may wait for a hypervisor."""

Give = Callable[[Callable[[], None]], object]
"""Has a call done on the line's thread, after what that is doing."""


class Between:
    """Gives the line's thread one piece of work at a time, however many ask.

    So a tick waits for one at most.
    """

    def __init__(self, within: float = WITHIN) -> None:
        self._within = within
        self._turn = asyncio.Lock()
        self._give: Give | None = None

    def begin(self, give: Give) -> None:
        """Take work from now on."""
        self._give = give

    async def do(self, work: Callable[[], T]) -> T:
        """The result of ``work``, or what it raises.

        Raises:
            TimeoutError: it was not begun in time, and will not be.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._within
        async with asyncio.timeout_at(end):
            await self._turn.acquire()
        try:
            return await self._do(work, end - loop.time())
        finally:
            self._turn.release()

    async def _do(self, work: Callable[[], T], within: float) -> T:
        if self._give is None:
            raise TimeoutError
        job: Future[T] = Future()

        def run() -> None:
            if not job.set_running_or_notify_cancel():
                return
            try:
                job.set_result(work())
            except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                job.set_exception(error)

        self._give(run)
        result = asyncio.wrap_future(job)
        try:
            done, _ = await asyncio.wait([result], timeout=within)
            if not done and job.cancel():
                raise TimeoutError
            # what has begun is waited for: it is short, and counts
            return await result
        finally:
            job.cancel()
