"""Hands notices to every receiver, and keeps what was told so that a restart is quiet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from trustd.model import Notice
from trustd.notify.receiver import Counted, Receiver, ReceiverState
from trustd.notify.text import cleaned

_CLOSE_SECONDS = 2.0


class Ledger(Protocol):
    """What survives a restart. Nothing of it waits for the disk, except reading at the start."""

    def notices(self) -> Sequence[Notice]:
        """Every notice that lasts, or whose end somebody still has to be told.

        Raises:
            StoreError: they cannot be read.
        """

    def told(self) -> Mapping[tuple[str, str], str]:
        """By receiver and key, the stamp of what it was told last.

        Raises:
            StoreError: it cannot be read.
        """

    def keep(self, notice: Notice) -> None:
        """Keep a notice instead of the one before of its key."""

    def tell(self, receiver: str, notice: Notice, at: float) -> None:
        """Keep that a receiver was told."""

    def forget(self, key: str) -> None:
        """Drop a notice and who was told of it."""


class Dispatcher:
    """Every notice that lasts, and every receiver.

    Args:
        clock: epoch seconds.
        counted: takes each try, for the metrics.

    Raises:
        StoreError: what was told before cannot be read.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        ledger: Ledger,
        *,
        clock: Callable[[], float] = time.time,
        counted: Counted = lambda *_: None,
    ) -> None:
        self._receivers = tuple(receivers)
        self._ledger = ledger
        self._clock = clock
        self._counted = counted
        self._lock = threading.RLock()
        known = ledger.notices()
        self._open = {each.key: each for each in known if not each.ended}
        self._over = tuple(each for each in known if each.ended)

    def start(self) -> None:
        """Begin to tell; receivers that are new hear of all that lasts."""
        told = self._ledger.told()
        for receiver in self._receivers:
            mine = {key: stamp for (name, key), stamp in told.items() if name == receiver.name}
            receiver.start(mine, self._settled, self._counted)
        with self._lock:
            for notice in (*self._over, *self._open.values()):
                self._offer(notice)
            self._over = ()

    def close(self) -> None:
        """Tell nothing more; the next start goes on."""
        for receiver in self._receivers:
            receiver.close(_CLOSE_SECONDS / len(self._receivers))

    @property
    def lasting(self) -> Mapping[str, Notice]:
        """Every notice that has not ended, by key."""
        with self._lock:
            return dict(self._open)

    @property
    def states(self) -> Sequence[ReceiverState]:
        """How each receiver fares."""
        return tuple(each.state for each in self._receivers)

    def begin(self, notice: Notice) -> None:
        """Tell of what begins, or has changed. Waits for no receiver and no disk.

        One that lasts already keeps the time at which it began.
        """
        notice = cleaned(notice)
        with self._lock:
            before = self._open.get(notice.key)
            if before is not None:
                former = dict.fromkeys((*before.former, before.severity))
                former.pop(notice.severity, None)
                notice = replace(notice, starts=before.starts, former=tuple(former))
                if notice == before:
                    return
            self._open[notice.key] = notice
            if before is None or before.stamp != notice.stamp:
                self._ledger.keep(notice)
            self._offer(notice)

    def end(self, key: str, at: float) -> None:
        """Tell of what is over (epoch seconds); nothing where it does not last."""
        with self._lock:
            notice = self._open.pop(key, None)
            if notice is None:
                return
            notice = notice.over(at)
            self._ledger.keep(notice)
            self._offer(notice)

    def try_out(self, name: str, notice: Notice) -> str:
        """Tell one receiver a notice and its end at once, and wait; what went wrong, or nothing.

        Raises:
            KeyError: no receiver is called so.
        """
        receivers = {each.name: each for each in self._receivers}
        return receivers[name].try_out(cleaned(notice))

    def _offer(self, notice: Notice) -> None:
        for receiver in self._receivers:
            receiver.offer(notice)
        self._forget(notice)

    def _settled(self, receiver: str, notice: Notice, _result: str) -> None:
        with self._lock:
            self._ledger.tell(receiver, notice, self._clock())
            self._forget(notice)

    def _forget(self, notice: Notice) -> None:
        """Drop what is over once nobody has to be told of it any more."""
        if (
            notice.ended
            and notice.key not in self._open
            and not any(each.waits_for(notice.key) for each in self._receivers)
        ):
            self._ledger.forget(notice.key)
