"""Tells from the journal how a guest stood at a time that has passed, and why."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from trustd.api.then_shapes import DeedDoc, MoveDoc, SaidDoc, ThenDoc
from trustd.daemon.formerly import Formerly, doubts
from trustd.model import GuestId, OutcomeStatus
from trustd.pipeline.acknowledging import KIND as ACKNOWLEDGE
from trustd.pipeline.news import ENDED
from trustd.repository import Entry, Past
from trustd.repository.past import BAND

_MOVES, _FOLLOWING, _WORDS = 5, 3, 3
"""How many entries of each kind are looked at."""
_OVER = frozenset({OutcomeStatus.RESTORED, OutcomeStatus.DONE, ENDED})
"""What an action is when nothing of it is in force any more."""


def recount(past: Past, formerly: Formerly, key: str, at: float) -> ThenDoc:
    """How a guest stood; blocks, for it reads.

    Args:
        key: the guest's UUID, or its name at that time.
        at: epoch seconds.

    Raises:
        NotKnown: nothing is known of that time, or of that guest then.
        StoreError: the repository cannot be read.
    """
    then = formerly.then(key, at)
    guest, document = then.seen.guest, then.seen.document
    moves = [_move(each) for each in past.told(guest, BAND, at, _MOVES)][::-1]
    mode = moves[-1].mode if moves else "observe" if document["observed"] else ""
    return ThenDoc(
        guest=guest,
        name=then.seen.name,
        at=at,
        state=document["state"],
        band=then.band,
        since=then.since,
        trust=then.trust,
        mode=mode,
        policy=document["policy"],
        protected=document["protected"],
        roles=document["roles"],
        labels=document["labels"],
        moves=moves,
        actions=list(_in_force(past, guest, at)),
        words=[_said(each) for each in past.told(guest, ACKNOWLEDGE, at, _WORDS)][::-1],
        afterwards=[_move(each) for each in past.after(guest, BAND, at, _FOLLOWING)],
        notes=list(doubts(then, at)),
    )


def _in_force(past: Past, guest: GuestId, at: float) -> Iterator[DeedDoc]:
    """What was done to its devices and was not given back by then."""
    for deed in map(_deed, past.deeds(guest, at)):
        if deed.status not in _OVER:
            yield deed


def _deed(entry: Entry) -> DeedDoc:
    said = entry.document
    return DeedDoc(
        at=entry.at,
        lever=said["lever"],
        device=said["device"],
        setting=said["setting"],
        status=said["status"],
        because=said["because"],
        error=said["error"],
    )


def _move(entry: Entry) -> MoveDoc:
    said = entry.document
    trust = said["trust"]
    return MoveDoc(
        at=entry.at,
        before=said["before"],
        after=said["after"],
        trust=trust if trust is not None and isfinite(trust) else None,
        mode=said["mode"],
        because=said["drivers"],
    )


def _said(entry: Entry) -> SaidDoc:
    return SaidDoc(entry.at, entry.document["verdict"], entry.document["reason"])
