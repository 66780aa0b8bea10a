"""Runs what is done once off the line's thread, a bounded number at a time."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Protocol

import structlog

from trustd.errors import Refused, TimedOut, TrustdError
from trustd.model import Action, Assessment, GuestId, Outcome, OutcomeStatus, Setting

log = structlog.get_logger()

MOST_WAITING = 256
"""Errands of one kind that wait; what comes beyond is refused aloud."""


class Trade(Protocol):
    """One kind of errand. It bounds its own time: nobody ends it.

    Attributes:
        at_once: how many of it may be under way.
    """

    at_once: int

    def do(self, action: Action, occasion: Assessment) -> Setting:
        """Do it, in a thread of its own; what came of it, in words for the record.

        Raises:
            TrustdError: it was not done, or not wholly.
        """


class Runner:
    """Errands that wait, are under way, and are finished.

    All methods are for one thread. An errand runs in a thread that a stop of the
    daemon does not wait for.

    Args:
        trades: by the name of the measure.
        clock: epoch seconds.
    """

    def __init__(
        self, trades: Mapping[str, Trade], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._trades = trades
        self._clock = clock
        self._waiting: dict[str, deque[tuple[Action, Assessment]]] = {
            name: deque() for name in trades
        }
        self._running: Counter[str] = Counter()
        self._finished: SimpleQueue[Outcome] = SimpleQueue()
        self._told: list[Outcome] = []

    def begin(self, action: Action, occasion: Assessment) -> None:
        """Have an errand done as soon as its turn comes."""
        error = ""
        if action.lever not in self._trades:
            error = f"this trustd has no way to {action.lever}"
        elif len(self._waiting[action.lever]) >= MOST_WAITING:
            error = f"{MOST_WAITING} errands of this kind wait already"
        if error:
            self._told.append(Outcome(action, OutcomeStatus.REFUSED, self._clock(), error=error))
            return
        self._waiting[action.lever].append((action, occasion))
        self._fill(action.lever)

    def finished(self) -> Sequence[tuple[GuestId, Outcome]]:
        """What ended since the last call."""
        while True:
            try:
                outcome = self._finished.get_nowait()
            except Empty:
                break
            self._running[outcome.action.lever] -= 1
            self._fill(outcome.action.lever)
            self._told.append(outcome)
        told, self._told = self._told, []
        return [(each.action.guest, each) for each in told]

    def _fill(self, name: str) -> None:
        trade, waiting = self._trades[name], self._waiting[name]
        while waiting and self._running[name] < trade.at_once:
            self._running[name] += 1
            work = (trade, *waiting.popleft())
            Thread(target=self._run, args=work, name=f"errand-{name}", daemon=True).start()

    def _run(self, trade: Trade, action: Action, occasion: Assessment) -> None:
        """The one place that catches what an errand throws unforeseen."""
        began, status, error = self._clock(), OutcomeStatus.DONE, ""
        try:
            action = replace(action, setting={**action.setting, **trade.do(action, occasion)})
        except Refused as problem:
            status, error = OutcomeStatus.REFUSED, str(problem)
        except TimedOut as problem:
            status, error = OutcomeStatus.TIMED_OUT, str(problem)
        except TrustdError as problem:
            status, error = OutcomeStatus.FAILED, str(problem)
        except Exception as problem:
            log.exception("errand.failed", errand=action.lever, guest=action.guest)
            status, error = OutcomeStatus.FAILED, f"{type(problem).__name__}: {problem}"
        now = self._clock()
        self._finished.put(Outcome(action, status, now, error=error, seconds=max(0.0, now - began)))
