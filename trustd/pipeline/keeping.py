"""The line's side of the repository: writing never waits and never fails a tick."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

import structlog

from trustd.errors import StoreError
from trustd.model import FeatureSpec, GuestId
from trustd.repository import (
    Aliases,
    Changes,
    Database,
    EngineState,
    Entry,
    GuestMemory,
    Holding,
    Kin,
    Memory,
)
from trustd.trust import Engine

log = structlog.get_logger()

LATE = 30.0
"""Seconds after which a write that is not done is told as a failure."""
MOST_ENTRIES = 50_000
"""Entries for the journal that wait for a store that fails; beyond it the oldest are lost."""


@dataclass(frozen=True, slots=True)
class _Flight:
    """A write that is under way."""

    changes: Changes
    done: Future[None]
    since: float


class Keeping:
    """Stores what the ticks change, one transaction at a time.

    What cannot be written waits in memory, merged with what comes later, and is
    tried again at every tick: a store that fails loses nothing unless the daemon
    dies before it recovers.

    Args:
        clock: steady seconds.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._memory = Memory(database)
        self.aliases = Aliases(database)
        self._clock = clock
        self._waiting = Changes()
        self._flight: _Flight | None = None
        self._error = ""

    @property
    def error(self) -> str:
        """Why what was learned is not on the disk; empty while writes succeed."""
        flight = self._flight
        if flight is not None and self._clock() - flight.since > LATE:
            return f"a write has taken more than {LATE:g} s"
        return self._error or self._database.error

    def engine(self, features: tuple[FeatureSpec, ...]) -> Engine:
        """The scoring engine as it was saved last, each guest as it was saved last.

        Raises:
            StoreError: what was saved cannot be read; it is left as it is.
        """
        kept = self._memory.engine()
        if kept is None:
            return Engine(features)
        engine = Engine.load(kept, features=features)
        histories = self._memory.histories()
        for guest in engine.guests:
            if guest in histories:
                # instead of, not merged with: the worse of both would undo a recovery
                engine.retire(guest)
                engine.restore(histories[guest])
        return engine

    def recall(self, guests: Collection[GuestId]) -> Mapping[GuestId, GuestMemory]:
        """What was saved of some guests, written already or not.

        Raises:
            StoreError: the repository cannot be read.
        """
        found = dict(self._memory.guests(guests))
        pending = self._waiting
        if self._flight is not None:
            pending = pending.after(self._flight.changes)
        for id_ in pending.guests.keys() & set(guests):
            history = found[id_].history if id_ in found else None
            found[id_] = replace(
                pending.guests[id_], history=pending.guests[id_].history or history
            )
        return found

    def save_engine(self, engine: Engine, guests: Iterable[GuestId], at: float) -> None:
        """Keep what was learned of all guests.

        Args:
            guests: those of which the engine knows all that was ever kept.
        """
        state = EngineState(at, engine.dump(), frozenset(guests))
        self._waiting = Changes(engine=state).after(self._waiting)

    def note(
        self,
        guests: Iterable[GuestMemory] = (),
        entries: Iterable[Entry] = (),
        *,
        heard: Iterable[int] = (),
    ) -> None:
        """Keep guests as they are now, together with what the journal says of it.

        Args:
            heard: places of reports that the guests have taken in.
        """
        known = {each.guest: each for each in guests}
        self._wait(Changes(guests=known, entries=tuple(entries), heard=tuple(heard)))

    def relate(self, holdings: Iterable[Holding] = (), kin: Iterable[Kin] = ()) -> None:
        """Keep what guests run with, and who took over from whom."""
        held = {(each.alias, each.guest): each for each in holdings}
        self._wait(Changes(holdings=held, kin=tuple(kin)))

    def flush(self) -> None:
        """Have what waits written; called once a tick."""
        self._land()
        if self._flight is None and self._waiting:
            changes, self._waiting = self._waiting, Changes()
            self._flight = _Flight(changes, self._database.submit(changes.write), self._clock())

    def settle(self, within: float) -> None:
        """Have everything written now, and wait for it.

        Raises:
            StoreError: it is not written within so many seconds; it waits on.
        """
        end = self._clock() + within
        while self._flight is not None or self._waiting:
            self.flush()
            if self._flight is None:
                return  # what was under way had come down, and nothing waited for it
            try:
                self._flight.done.result(max(0.0, end - self._clock()))
            except TimeoutError as error:
                raise StoreError("it took too long") from error
            self._land()

    def close(self, within: float = 5.0) -> None:
        """Have everything written, as far as that is possible in this time."""
        try:
            self.settle(within)
        except StoreError as error:
            log.error("not everything was stored", error=str(error))  # noqa: TRY400 - no mistake of ours

    def _wait(self, now: Changes) -> None:
        if now:
            self._waiting = now.after(self._waiting)

    def _land(self) -> None:
        """Take in what became of the write that was under way."""
        flight = self._flight
        if flight is None or not flight.done.done():
            return
        self._flight = None
        error = flight.done.exception()
        if error is None:
            if self._error:
                log.info("the repository takes writes again")
            self._error = ""
            return
        if not isinstance(error, StoreError):
            # it would fail again, and take everything later with it
            log.error("changes cannot be stored and are lost", exc_info=error)
            return
        if not self._error:
            log.error("the repository takes no writes", error=str(error))
        self._error = str(error)
        merged = self._waiting.after(flight.changes)
        lost = len(merged.entries) - MOST_ENTRIES
        if lost > 0:
            log.error("entries of the journal are lost", lost=lost)
            merged = replace(merged, entries=merged.entries[lost:])
        self._waiting = merged
