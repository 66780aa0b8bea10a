"""Which levers this host can pull: asked once it can be, and again after a reconnect."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor, Future
from math import inf

import structlog

from trustd.errors import TrustdError
from trustd.model import GuestId, LeverHealth

log = structlog.get_logger()


class Levers:
    """What is known of each lever. One that was not asked about is taken to work.

    Args:
        names: of every lever of this trustd.
        probe: asks a running guest why its host cannot pull a lever, by lever.
        pool: where that is done, since an emulator may hang.
        clock: steady seconds.
        first, most: seconds before it is tried again where it failed.
    """

    def __init__(
        self,
        names: Collection[str],
        probe: Callable[[GuestId], Mapping[str, str]],
        pool: Executor,
        clock: Callable[[], float],
        *,
        first: float,
        most: float,
    ) -> None:
        self._probe = probe
        self._pool = pool
        self._clock = clock
        self._first = first
        self._most = most
        self._work: Future[Mapping[str, str]] | None = None
        self._due = 0.0
        self._tries = 0
        self.names = frozenset(names)
        self.available = self.names
        self.missing: Mapping[str, str] = {}
        self.health: Mapping[str, LeverHealth] = dict.fromkeys(sorted(names), LeverHealth())

    def doubt(self) -> None:
        """Take in that it may be another host, or the same one with other means."""
        self._due, self._tries = min(self._due, self._clock()), 0

    def examine(self, guests: Iterable[GuestId]) -> bool:
        """Ask one of the guests where that is due; whether something is known anew."""
        if self._work is not None:
            return self._work.done() and self._take(self._work)
        known = tuple(guests) if self._due <= self._clock() else ()
        if known:
            # another one each time: the first may be the one that does not answer
            self._work = self._pool.submit(self._probe, known[self._tries % len(known)])
            self._due = inf
        return False

    def _take(self, work: Future[Mapping[str, str]]) -> bool:
        self._work = None
        try:
            told = work.result()
        except TrustdError as error:
            self._again(str(error))
            return False
        except Exception:
            log.exception("enforce.probe_failed")
            self._again("a lever's own mistake")
            return False
        self._tries = 0
        health = {name: LeverHealth(not told[name], told[name]) for name in sorted(told)}
        if health == self.health:
            return False
        self.health = health
        self.missing = {name: why for name, why in told.items() if why}
        available = self.names - self.missing.keys()
        if available != self.available:
            self.available = available
        for name, why in sorted(self.missing.items()):
            log.warning("enforce.lever_not_available", lever=name, why=why)
        log.info("enforce.levers", available=sorted(self.available))
        return True

    def _again(self, why: str) -> None:
        pause = min(self._first * 2 ** min(self._tries, 32), self._most)
        self._tries += 1
        # a reconnect meanwhile asks for it sooner
        self._due = min(self._due, self._clock() + pause)
        log.warning("enforce.levers_not_known", why=why, again=pause)
