"""What the line keeps on disk: states for a restart, and changes for the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from trustd.model import Assessment, FeatureSpec, GuestId, Outcome
from trustd.policy import Saved
from trustd.repository import Database, Entry, GuestMemory, Journal, Memory
from trustd.trust import Engine

log = structlog.get_logger()


class Keeping:
    """The line's side of the repository. Writing never waits, and never fails the tick."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory = Memory(database)
        self._journal = Journal(database)
        self._known = self._memory.guests()

    @property
    def error(self) -> str:
        """Why the last write failed; empty while writes succeed."""
        return self._database.error

    def engine(self, features: tuple[FeatureSpec, ...]) -> Engine:
        """The scoring engine as it was saved last, each guest as it was saved last.

        Raises:
            StoreError: what was saved cannot be read; it is left as it is.
        """
        kept = self._memory.engine()
        if kept is None:
            engine, saved = Engine(features), 0.0
        else:
            saved, document = kept
            engine = Engine.load(document, features=features)
        for each in self._known.values():
            # a guest of which only the rest was saved later is in the engine's own state
            if each.saved > saved or each.guest not in engine.guests:
                engine.restore(each.engine)
        return engine

    def recall(self, guest: GuestId) -> GuestMemory | None:
        """What was saved of one guest; None if nothing ever was."""
        return self._known.get(guest)

    def save_engine(self, engine: Engine, at: float) -> None:
        """Keep what was learned of all guests."""
        self._memory.save_engine(engine.dump(), at)

    def save_guests(
        self,
        engine: Engine,
        guests: Mapping[GuestId, tuple[str, Saved]],
        *,
        at: float,
        clock: float,
    ) -> None:
        """Keep these guests' state: names and relays by UUID."""
        if not guests:
            return
        kept = [
            GuestMemory(guest, name, at, clock, engine.export(guest), relays)
            for guest, (name, relays) in guests.items()
        ]
        self._memory.save_guests(kept)
        self._known = {**self._known, **{each.guest: each for each in kept}}

    def note(self, entries: Iterable[Entry]) -> None:
        """Add to the journal what was decided and done in one tick."""
        kept = list(entries)
        if kept:
            self._journal.append(kept)


def band_entry(now: Assessment, before: str) -> Entry:
    """The journal's line on a guest that entered another band."""
    return Entry(
        now.at,
        now.id,
        now.guest.name,
        "band",
        {
            "before": before,
            "after": now.band,
            "trust": round(now.trust, 4),
            "freshness": now.freshness,
            "drivers": [driver.text for driver in now.drivers],
            "mode": now.mode,
            "policy": now.policy,
        },
    )


def action_entry(now: Assessment, outcome: Outcome) -> Entry:
    """The journal's line on an action on a guest."""
    action = outcome.action
    return Entry(
        outcome.at,
        now.id,
        now.guest.name,
        "action",
        {
            "lever": action.lever,
            "device": action.device,
            "setting": dict(action.setting),
            "because": action.because,
            "status": outcome.status,
            "prior": dict(outcome.prior),
            "error": outcome.error,
            "band": now.band,
            "mode": now.mode,
            "policy": now.policy,
        },
    )
