"""An operator's word on what a guest did: weighed, journalled and kept, between two ticks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from trustd.errors import StoreError
from trustd.model import GuestId, Reading
from trustd.pipeline.keeping import Keeping
from trustd.pipeline.roster import Roster
from trustd.repository import Entry
from trustd.trust import Engine

WITHIN = 2.0
"""Seconds for which the line waits for the disk at most."""
KIND = "acknowledge"


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said of a guest.

    Args:
        at: epoch seconds.
        name: the guest's, as the journal has it.
        reason: why, in their words.
        by: who it was, for the journal.
    """

    at: float
    guest: GuestId
    name: str
    verdict: Literal["benign", "attack"]
    reason: str
    by: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a word changed.

    Args:
        before, after: the guest's trust; NaN where there was none.
        ended: kinds of the findings that it ended, the gravest first.
    """

    before: float
    after: float
    ended: tuple[str, ...]


class Acknowledging:
    """Takes words to the engine; called on the line's thread."""

    def __init__(self, engine: Engine, roster: Roster, keeping: Keeping) -> None:
        self._engine = engine
        self._roster = roster
        self._keeping = keeping

    def hear(self, word: Word, reading: Reading, *, dry_run: bool = False) -> Heard:
        """Act on a word; when this returns it is on the disk.

        Args:
            reading: the last one.
            dry_run: whether only to say what it would change.

        Raises:
            NoSuchGuest: the guest is not watched.
            StoreError: it cannot be stored. ``benign`` changed nothing then, unless the
                repository failed just now; ``attack`` counts, and is stored later.
        """
        engine, keeping = self._engine, self._keeping
        if dry_run:
            # the same arithmetic on a copy: what is said is what would be
            engine = Engine.load(engine.dump(), features=engine.features)
        row = engine.row(word.guest)
        if word.verdict == "benign" and keeping.error:
            raise StoreError(f"nothing was changed: {keeping.error}")
        before = engine.explain(row)
        engine.acknowledge(word.guest, word.verdict, at=reading.at)
        after = engine.explain(row)
        ended = [each.finding.kind for each in before.findings if each not in after.findings]
        heard = Heard(before.trust, after.trust, tuple(ended))
        if dry_run:
            return heard
        changed = (word.guest,)
        keeping.note(
            self._roster.memories(changed, behaved=changed, at=reading.at, clock=reading.clock),
            (_entry(word, heard),),
        )
        try:
            keeping.settle(WITHIN)
        except StoreError as error:
            raise StoreError(f"it counts, and is to be stored at the next tick: {error}") from error
        return heard


def _entry(word: Word, heard: Heard) -> Entry:
    return Entry(
        word.at,
        word.guest,
        word.name,
        KIND,
        {
            **word.by,
            "verdict": word.verdict,
            "reason": word.reason,
            "before": _trust(heard.before),
            "after": _trust(heard.after),
            "ended": list(heard.ended),
        },
    )


def _trust(value: float) -> float | None:
    return round(value, 4) if isfinite(value) else None
