"""A blocking call with a deadline that holds, whatever the call does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from trustd.errors import TimedOut

T = TypeVar("T")


class Worker:
    """Runs calls one by one in a thread, and leaves the thread when a call hangs.

    A call that is given up cannot be ended: its thread is counted as abandoned
    until the call comes back, and a new thread takes the next call. Beyond
    ``most`` abandoned threads no call is begun.

    Args:
        name: of the thread, for whoever looks at a stack.
    """

    def __init__(self, name: str, most: int = 4) -> None:
        self._name = name
        self._most = most
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] | None = None
        self._lock = threading.Lock()
        self._abandoned = 0

    @property
    def abandoned(self) -> int:
        """Calls that were given up and have not come back."""
        return self._abandoned

    def call(self, function: Callable[[], T], timeout: float) -> T:
        """The call's result, or its exception.

        Raises:
            TimedOut: it did not come back within ``timeout`` seconds, or too many
                earlier ones have not come back yet.
        """
        if self._abandoned >= self._most:
            raise TimedOut(f"{self._name}: {self._abandoned} calls have not come back")
        future: Future[T] = Future()
        settled = threading.Lock()

        def run() -> None:
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - it belongs to the caller
                future.set_exception(error)
            else:
                future.set_result(result)
            if not settled.acquire(blocking=False):
                with self._lock:
                    self._abandoned -= 1

        inbox = self._begin()
        inbox.put(run)
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.done() or not settled.acquire(blocking=False):
                return future.result()
            with self._lock:
                self._abandoned += 1
            inbox.put(None)
            self._inbox = None
            raise TimedOut(f"{self._name}: no answer within {timeout:g} s") from None

    def close(self) -> None:
        """End the thread when it is idle."""
        if self._inbox is not None:
            self._inbox.put(None)
            self._inbox = None

    def _begin(self) -> queue.SimpleQueue[Callable[[], None] | None]:
        if self._inbox is None:
            self._inbox = queue.SimpleQueue()
            threading.Thread(
                target=_serve, args=(self._inbox,), name=self._name, daemon=True
            ).start()
        return self._inbox


def _serve(inbox: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (run := inbox.get()) is not None:
        run()
