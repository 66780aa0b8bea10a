"""One receiver: what it still has to be told, and the thread that tells it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from trustd.model import Notice, Severity
from trustd.notify.channel import Channel, Declined, NotifyError

log = structlog.get_logger()

Settled = Callable[[str, Notice, str], None]
"""Takes the receiver's name, a notice, and what became of it: told, declined or dropped."""
Counted = Callable[[str, str], None]
"""Takes the receiver's name, and what became of one try: failed, or as above."""

_FIRST, _MOST = 1.0, 300.0
"""Seconds before the second try, and at most between two."""


@dataclass(frozen=True, slots=True)
class ReceiverState:
    """How a receiver fares.

    Args:
        channel: its kind.
        waiting: notices that it still has to be told.
        told: epoch seconds of the last success; 0 where there was none since the start.
        failed: epoch seconds of the last failure; 0 likewise.
        error: why it failed; empty once it succeeds again.
        failures: how often it failed since it last succeeded.
        dropped: notices that were dropped since the start, because too many waited.
    """

    name: str
    channel: str
    least: Severity
    waiting: int = 0
    told: float = 0.0
    failed: float = 0.0
    error: str = ""
    failures: int = 0
    dropped: int = 0


class Receiver:
    """Tells one receiver in a thread of its own; nobody ever waits for it.

    Of one key only the latest state waits: what began and ended while the receiver
    could not be told is told once, as something that is over.

    Args:
        kind: the channel's, for people.
        least: the mildest severity that it is told.
        told: the stamp of what it was told before this start, by key.
        most: notices that wait at most; beyond it the oldest is dropped.
        first: seconds before the second try.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        channel: Channel,
        least: Severity = Severity.INFO,
        *,
        most: int = 1000,
        first: float = _FIRST,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._channel = channel
        self._most = most
        self._first = first
        self._clock = clock
        self._state = ReceiverState(name, kind, least)
        self._changed = threading.Condition()
        self._closed = False
        self._waiting: OrderedDict[str, Notice] = OrderedDict()
        self._told: dict[str, str] = {}
        self._lasting: dict[str, Notice] = {}
        self._not_before = self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"notify {name}", daemon=True)
        self._settled: Settled = lambda *_: None
        self._counted: Counted = lambda *_: None

    def start(self, told: Mapping[str, str], settled: Settled, counted: Counted) -> None:
        """Begin, knowing what it was told before (stamps by key)."""
        self._told = dict(told)
        self._settled, self._counted = settled, counted
        self._thread.start()

    def close(self, within: float) -> None:
        """Tell nothing more; what waits is known to the repository."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(within)

    @property
    def state(self) -> ReceiverState:
        """How it fares now."""
        with self._changed:
            return replace(self._state, waiting=len(self._waiting))

    def waits_for(self, key: str) -> bool:
        """Whether it still has to be told of a key."""
        with self._changed:
            return key in self._waiting

    def offer(self, notice: Notice) -> None:
        """Take a notice that began, changed or ended; told if it is news here. Never waits."""
        key, dropped = notice.key, False
        with self._changed:
            known = key in self._told or key in self._waiting
            if notice.severity.rank < self._state.least.rank:
                if not known:
                    return
                # it was told when it was graver
                notice = notice.over(self._clock())
            if self._told.get(key) == notice.stamp:
                self._waiting.pop(key, None)
                if not notice.ended:
                    self._lasting[key] = notice
                return
            self._waiting[key] = notice
            if len(self._waiting) > self._most:
                self._waiting.popitem(last=False)
                dropped = True
                first = self._state.dropped == 0
                self._state = replace(self._state, dropped=self._state.dropped + 1)
            self._changed.notify()
        if dropped:
            self._counted(self.name, "dropped")
            if first:
                log.error("notify.dropped", receiver=self.name, most=self._most)

    def try_out(self, notice: Notice) -> str:
        """Tell a notice and its end at once, beside all that waits; what went wrong, or nothing."""
        try:
            for each in (notice, notice.over(self._clock())):
                self._channel.send((each,))
        except NotifyError as error:
            return str(error)
        return ""

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            self._tell(batch)

    def _next(self) -> Sequence[Notice] | None:
        """What is to be told now; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._waiting and now >= self._not_before:
                    return tuple(self._waiting.values())[: self._channel.at_once]
                due = self._not_before if self._waiting else None
                if self._channel.renew and self._lasting and not self._waiting:
                    due = max(self._renewed + self._channel.renew, self._not_before)
                    if now >= due:
                        self._renewed = now
                        return tuple(self._lasting.values())
                self._changed.wait(None if due is None else max(0.0, due - now))
            return None

    def _tell(self, batch: Sequence[Notice]) -> None:
        most = self._channel.at_once
        for start in range(0, len(batch), most):
            part = batch[start : start + most]
            try:
                self._channel.send(part)
            except Declined as error:
                if len(part) > 1:  # one spoils it for the others
                    for each in part:
                        self._tell((each,))
                    continue
                self._failed(str(error))
                self._settle(part, "declined")
            except NotifyError as error:
                self._failed(str(error), again=True)
                return
            except Exception as error:  # a channel's bug must not end the telling
                log.exception("notify.channel_failed", receiver=self.name)
                self._failed(f"{type(error).__name__}: {error}", again=True)
                return
            else:
                self._succeeded()
                self._settle(part, "told")

    def _failed(self, error: str, *, again: bool = False) -> None:
        with self._changed:
            before = self._state
            failures = before.failures + again
            self._state = replace(
                before, failed=self._clock(), error=error or "failed", failures=failures
            )
            if again:
                pause = min(self._first * 2 ** min(failures - 1, 32), _MOST)
                self._not_before = time.monotonic() + pause
        if again:
            self._counted(self.name, "failed")
        if not before.error:
            log.warning("notify.failed", receiver=self.name, error=error)

    def _succeeded(self) -> None:
        with self._changed:
            before = self._state
            self._state = replace(before, told=self._clock(), error="", failures=0)
            self._not_before = time.monotonic()
        if before.error:
            log.info("notify.recovered", receiver=self.name)

    def _settle(self, notices: Sequence[Notice], result: str) -> None:
        """Remember what needs no telling any more."""
        news = []
        with self._changed:
            for each in notices:
                if self._waiting.get(each.key) == each:
                    del self._waiting[each.key]
                    news.append(each)
                elif self._told.get(each.key) == each.stamp:
                    continue  # told again only so that it is not forgotten
                else:
                    news.append(each)
                self._told[each.key] = each.stamp
                self._lasting.pop(each.key, None)
                if each.ended:
                    if each.key not in self._waiting:
                        del self._told[each.key]
                elif result == "told":
                    self._lasting[each.key] = each
        for each in news:
            self._counted(self.name, result)
            self._settled(self.name, each, result)
