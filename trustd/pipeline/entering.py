"""What is done once, when a guest enters a band: when it is due, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Thread
from typing import Protocol

import structlog

from trustd.enforce.errands import Runner
from trustd.errors import StoreError
from trustd.model import (
    Action,
    Assessment,
    EffectivePermissions,
    Guest,
    GuestId,
    Mode,
    Outcome,
)
from trustd.model import OutcomeStatus as Status
from trustd.pipeline.acting import REASONS, TOO_MANY, Acting
from trustd.pipeline.radius import Radius
from trustd.pipeline.verdict import Verdict
from trustd.policy import Policy
from trustd.repository import Entered, ErrandStore

log = structlog.get_logger()

CUT_OFF = "trustd ended before it was done"
UPKEEP = 600.0
"""Seconds between two looks for what an errand may have left behind."""


class Upkeep(Protocol):
    """What errands change of guests for a while."""

    def mend(self) -> None:
        """Put right what an errand left behind; called off the line's thread."""

    def undiverted(self, guests: Mapping[GuestId, Guest]) -> Mapping[GuestId, Guest]:
        """The guests as they would be described without it; quick."""


@dataclass(slots=True)
class _Seat:
    """One guest: what it entered, and what of the present band was said or done.

    Args:
        entered: as it is stored.
        begun: what is stored of errands that are under way, in case they never end.
        shown: outcomes of errands that are not done, since trustd observes or holds.
        basis: what all this was worked out from; None where it is to be looked at again.
    """

    entered: Entered
    begun: tuple[Outcome, ...] = ()
    shown: tuple[Outcome, ...] = ()
    basis: tuple[EffectivePermissions, Mode, Policy, bool] | None = None


@dataclass(frozen=True, slots=True)
class _Tick:
    """What all guests of one tick have in common.

    Args:
        held: guests whose fall is not granted, and why.
        guests: how many run.
    """

    policy: Policy
    acting: Acting
    held: Mapping[GuestId, str]
    guests: int
    at: float
    clock: float


class Entering:
    """Begins the errands of a band for each guest that falls into it.

    A guest enters a band when it falls into it and the fall is granted; one that
    rises into it from a worse one does not. What was done stays on show while the
    guest is in the band, is stored, and is not done again until it was in a better
    band and falls anew: neither after a restart nor when it comes back from elsewhere,
    because what it entered is read when it comes. Nothing is done while that cannot be read.

    Args:
        upkeep: knows what errands changed of guests, and puts it right.
    """

    def __init__(self, runner: Runner, store: ErrandStore, upkeep: Upkeep | None = None) -> None:
        self._runner = runner
        self._store = store
        self._upkeep = upkeep
        self._looked: float | None = None
        self._looking: Thread | None = None
        self._seats: dict[GuestId, _Seat] = {}
        self._unread = False
        self._radius = Radius()
        self._due: dict[GuestId, tuple[Action, ...]] = {}
        self._changed: set[GuestId] = set()

    def step(
        self,
        verdicts: Mapping[GuestId, Verdict],
        policy: Policy,
        acting: Acting,
        *,
        running: Collection[GuestId],
        at: float,
        clock: float,
    ) -> None:
        """Work out which errands are due at this tick, and take in what ended.

        Args:
            acting: knows which falls are granted.
            running: guests that run.
            at: epoch seconds.
            clock: seconds on a clock that never steps.
        """
        self._tend(clock)
        for guest, outcome in self._runner.finished():
            seat = self._seats.get(guest)
            if seat is not None and outcome.action.because == _because(seat.entered.band):
                done = (*seat.entered.outcomes, outcome)
                seat.entered = replace(seat.entered, outcomes=done)
                seat.begun = tuple(each for each in seat.begun if not _same(each, outcome))
                self._changed.add(guest)
        if new := [id_ for id_ in verdicts if id_ not in self._seats]:
            self._seat(new)
        runs = frozenset(running)
        tick = _Tick(policy, acting, acting.held, len(runs), at, clock)
        for id_, verdict in verdicts.items():
            seat = self._seats.get(id_)
            if seat is None:
                continue
            stands = id_ in runs and acting.stands(id_)
            basis = (verdict.permissions, verdict.mode, policy, stands)
            if seat.basis is None or not all(map(_is, basis, seat.basis)):
                seat.basis = basis
                self._look(id_, seat, verdict, tick)

    def begin(self, assessments: Mapping[GuestId, Assessment]) -> None:
        """Have done what is due, with the assessments of this tick; and store what changed."""
        for guest, errands in self._due.items():
            for errand in errands:
                self._runner.begin(errand, assessments[guest])
        self._due.clear()
        if self._changed:
            changed = {each: _stored(self._seats[each]) for each in self._changed}
            self._store.save(changed).add_done_callback(_tell)
            self._changed.clear()

    def undiverted(self, guests: Mapping[GuestId, Guest]) -> Mapping[GuestId, Guest]:
        """The guests as they would be described if no errand were under way."""
        return guests if self._upkeep is None else self._upkeep.undiverted(guests)

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone; the disk keeps what it entered."""
        self._seats.pop(guest, None)
        self._changed.discard(guest)

    def outcomes(self, guest: GuestId) -> tuple[Outcome, ...]:
        """What became of the errands of the band in which a guest is."""
        seat = self._seats.get(guest)
        return () if seat is None else (*seat.entered.outcomes, *seat.shown)

    def _seat(self, guests: Collection[GuestId]) -> None:
        """Take in what guests that come had entered before, in this run or an earlier one."""
        try:
            kept = self._store.load(guests)
        except StoreError as error:
            if not self._unread:
                log.error("nobody's errands are known", error=str(error))  # noqa: TRY400 - the disk's mistake
            self._unread = True
            return
        self._unread = False
        for guest in guests:
            self._seats[guest] = _Seat(kept.get(guest, Entered("")))

    def _look(self, id_: GuestId, seat: _Seat, verdict: Verdict, tick: _Tick) -> None:
        """What a guest's band means for its errands, now that something about it changed."""
        policy, at = tick.policy, tick.at
        seat.shown = ()
        now = policy.rank(verdict.band)
        known = seat.entered.band in policy.bands
        before = policy.rank(seat.entered.band) if known else -1 if not seat.entered.band else now
        if now < before:
            self._enter(id_, seat, verdict.band)
        if now <= before or verdict.protected:
            return
        errands = _errands(id_, verdict, policy)
        if verdict.mode is Mode.OBSERVE:
            seat.shown = tuple(Outcome(each, Status.WOULD_APPLY, at) for each in errands)
            return
        if not errands:
            self._enter(id_, seat, verdict.band)
            return
        why = tick.held.get(id_, "")
        stands = seat.basis is not None and seat.basis[-1]
        if not stands and not why:
            return  # it does not run: its turn comes when it does
        if not why and not tick.acting.narrows(id_):
            # nobody counted this fall yet
            allowed = self._radius.allows(id_, policy.limits.demotions, tick.guests, tick.clock)
            why = "" if allowed else REASONS[TOO_MANY]
        if why:
            seat.shown = tuple(Outcome(each, Status.WITHHELD, at, error=why) for each in errands)
            seat.basis = None  # what is left of the budget changes with time
            return
        self._enter(id_, seat, verdict.band)
        self._due[id_] = errands
        seat.begun = tuple(Outcome(each, Status.FAILED, at, error=CUT_OFF) for each in errands)

    def _enter(self, guest: GuestId, seat: _Seat, band: str) -> None:
        seat.entered, seat.begun = Entered(band), ()
        self._changed.add(guest)

    def _tend(self, clock: float) -> None:
        """Look after what was left behind: at the start, and now and then."""
        busy = self._looking is not None and self._looking.is_alive()
        if self._upkeep is None or busy:
            return
        if self._looked is None or clock - self._looked > UPKEEP:
            self._looked = clock
            self._looking = Thread(target=self._upkeep.mend, name="errand-upkeep", daemon=True)
            self._looking.start()


def _errands(guest: GuestId, verdict: Verdict, policy: Policy) -> tuple[Action, ...]:
    """The errands of the band that a guest is in, one action each."""
    return tuple(
        Action(
            guest,
            each.do,
            "/".join(each.place[1:]),
            each.model_dump(exclude={"do"}),
            _because(verdict.band),
        )
        for each in policy.enforcement(verdict.band, verdict.permissions.roles)
        if each.once
    )


def _stored(seat: _Seat) -> Entered:
    return replace(seat.entered, outcomes=(*seat.entered.outcomes, *seat.begun))


def _same(one: Outcome, other: Outcome) -> bool:
    return (one.action.lever, one.action.device) == (other.action.lever, other.action.device)


def _because(band: str) -> str:
    return f"{band}: entered"


def _is(one: object, other: object) -> bool:
    return one is other


def _tell(saved: Future[None]) -> None:
    """What could not be stored may be done again in the next run, or for who comes back."""
    error = None if saved.cancelled() else saved.exception()
    if error is not None:
        log.error("what was done on entering a band is not stored", error=str(error))
