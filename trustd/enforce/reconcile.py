"""Desired states against what is really in force, for every guest, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import structlog

from trustd.enforce.actuator import Actuator, Control
from trustd.enforce.agenda import Agenda
from trustd.enforce.probing import Levers
from trustd.enforce.settings import EnforceSettings
from trustd.enforce.settle import Settler
from trustd.enforce.settled import Desired, Hanging, Settled
from trustd.enforce.undo import Ledger, Priors
from trustd.model import (
    Guest,
    GuestEvent,
    GuestId,
    Intent,
    LeverHealth,
    Mode,
    Outcome,
    OutcomeStatus,
)

log = structlog.get_logger()

_IN_FORCE = frozenset({OutcomeStatus.APPLIED, OutcomeStatus.HELD})
_FAILED = frozenset({OutcomeStatus.FAILED, OutcomeStatus.REFUSED, OutcomeStatus.TIMED_OUT})
_TELLING = frozenset(
    {
        "lifecycle",
        "tunable",
        "metadata",
        "device-added",
        "device-removed",
        "device-removal-failed",
    }
)
"""Kinds of events after which something else may be in force."""


@dataclass(slots=True)
class _Seat:
    """One guest that is narrowed, or is to be, or still has something to be given back."""

    desired: Desired
    outcomes: tuple[Outcome, ...] = ()
    failures: int = 0
    work: Future[Settled] | None = None
    hanging: Hanging | None = None

    @property
    def busy(self) -> bool:
        return self.work is not None or (self.hanging is not None and self.hanging.call.under_way)

    def land(self) -> tuple[Outcome, ...]:
        """Take in what became of the action that was given up; the others wait no longer."""
        assert self.hanging is not None  # noqa: S101 - the caller looked
        landed = self.hanging.landed()
        if landed is not None:
            self.outcomes = tuple(
                landed if each.action is self.hanging.outcome.action else each
                for each in self.outcomes
            )
        self.hanging, self.failures = None, 0
        return self.outcomes


class Enforcer:
    """Keeps every guest in its desired state.

    All methods are for one thread, the line's. A guest that nobody narrows costs
    nothing; one whose emulator hangs costs one of the pool's threads until the
    deadline, and no other guest anything.

    Args:
        control: used only where something must be applied, read back or given back, or
            the levers are tried.
        ledger: what an earlier run of the daemon left in force.
        actuators: the levers of this trustd.
        clock: steady seconds.
    """

    def __init__(
        self,
        control: Control,
        ledger: Ledger,
        actuators: Collection[Actuator],
        settings: EnforceSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or EnforceSettings()
        self._clock = clock
        self._priors = Priors(ledger)
        self._levers = {each.name: each for each in actuators}
        self._settler = Settler(control, self._priors, self._levers, self._settings, clock=clock)
        self._pool = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="enforce")
        self._host = Levers(
            self._levers,
            self._settler.probe,
            self._pool,
            clock,
            first=self._settings.retry_first,
            most=self._settings.retry_most,
        )
        self._seats: dict[GuestId, _Seat] = {}
        self._agenda = Agenda()
        self._working: set[GuestId] = set()
        self._fresh: set[GuestId] = set()
        self._unclaimed = set(self._priors.guests())
        self._undisturbed: dict[GuestId, tuple[Guest, tuple[Intent, ...], Guest]] = {}

    @property
    def levers(self) -> frozenset[str]:
        """The levers that this host can pull, as far as it was asked.

        The same object as long as they are the same.
        """
        return self._host.available

    @property
    def health(self) -> Mapping[str, LeverHealth]:
        """What is known of every lever of this trustd."""
        return self._host.health

    @property
    def unsettled(self) -> int:
        """Guests that are not, or not yet known to be, in their desired state."""
        return sum(
            self._agenda.waits(guest)
            or seat.busy
            or any(each.status in _FAILED for each in seat.outcomes)
            for guest, seat in self._seats.items()
        )

    @property
    def narrowed(self) -> frozenset[GuestId]:
        """Guests from which something is taken that is not given back yet."""
        return frozenset(filter(self._settler.narrowed, self._priors.guests()))

    def outcomes(self, guest: GuestId) -> tuple[Outcome, ...]:
        """What became of a guest's actions, as far as it is known now."""
        seat = self._seats.get(guest)
        return seat.outcomes if seat is not None else ()

    def undisturbed(self, guest: Guest) -> Guest:
        """The guest as it would be described if trustd had changed nothing of it.

        The same object as long as it and what is in force on it are the same.
        """
        kept = self._priors.of(guest.id)
        if not kept and guest.id not in self._undisturbed:
            return guest
        known = self._undisturbed.get(guest.id)
        if known is not None and known[0] is guest and known[1] is kept:
            return known[2]
        before = guest
        for intent in kept:
            if (lever := self._levers.get(intent.lever)) is not None:
                before = lever.as_before(before, intent.device, intent.prior)
        if kept:
            self._undisturbed[guest.id] = (guest, kept, before)
        else:
            self._undisturbed.pop(guest.id, None)
        return before

    def forget(self, guest: GuestId) -> None:
        """Drop how a guest that is gone was described; what is in force on it stays known."""
        self._undisturbed.pop(guest, None)

    def probe(self, guest: GuestId) -> Mapping[str, str]:
        """Why this host cannot pull a lever, by lever; asks a running guest.

        Raises:
            HypervisorError: the guest cannot be reached.
            TimedOut: it does not answer.
        """
        return self._settler.probe(guest)

    def mark(self, events: Iterable[GuestEvent]) -> None:
        """Take in that something else may be in force since."""
        for event in events:
            if event.guest in self._seats and event.kind in _TELLING:
                self._agenda.now(event.guest)

    def resync(self) -> None:
        """Take in that anything may have happened to any guest, and to the host."""
        self._host.doubt()
        self._look_at_all()

    def examine(self, guests: Iterable[GuestId]) -> None:
        """Find out what this host can do, where that is not known; waits for nothing.

        Args:
            guests: those that run and may be acted upon; not looked at where nothing
                is to be asked. Where there are none nothing is: who only observes
                opens no door to act through.
        """
        if self._host.examine(guests):
            self._look_at_all()

    def reconcile(
        self, desired: Mapping[GuestId, Desired], *, at: float
    ) -> Mapping[GuestId, tuple[Outcome, ...]]:
        """Bring what changed into its desired state; waits no longer than its patience.

        Args:
            desired: guests whose desired state is new; the others keep theirs.
            at: epoch seconds.

        Returns:
            The outcomes of the guests that were worked on since the last call.
        """
        self._age()
        for guest, want in desired.items():
            self._want(guest, want)
        landed = self._land()
        told = self._collect(at)
        begun = [
            self._begin(guest, self._seats[guest], at)
            for guest in self._by_urgency(self._agenda.ripe(self._clock()))
            # what has just landed is told before it is looked at again
            if guest not in landed and guest not in self._working
        ]
        wait(begun, timeout=self._settings.patience)
        return {**landed, **told, **self._collect(at)}

    def restore_all(
        self, *, at: float, within: float = 10.0
    ) -> Mapping[GuestId, tuple[Outcome, ...]]:
        """Give everything back, also what an earlier run of the daemon left.

        What cannot be given back in time stays in the ledger.

        Args:
            at: epoch seconds.
            within: seconds that it may take.
        """
        end = self._clock() + within
        nothing = dict.fromkeys({*self._seats, *self._unclaimed}, Desired((), Mode.ENFORCE))
        told = dict(self.reconcile(nothing, at=at))
        while self.unsettled and self._clock() < end:
            work = [seat.work for seat in self._seats.values() if seat.work is not None]
            # where all of it hangs, or is tried again later, there is a moment to wait for
            wait(work or [Future()], timeout=0.05)
            told |= self.reconcile({}, at=at)
        return told

    def close(self) -> None:
        """End the threads; what is in force stays in force."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _want(self, guest: GuestId, want: Desired) -> None:
        seat = self._seats.get(guest)
        if seat is None:
            if not want.actions and guest not in self._unclaimed:
                return
            self._unclaimed.discard(guest)
            self._seats[guest] = _Seat(want)
            self._agenda.now(guest)
        elif seat.desired != want:
            seat.desired, seat.failures = want, 0
            self._agenda.now(guest)

    def _look_at_all(self) -> None:
        for guest in self._seats:
            self._agenda.now(guest)

    def _by_urgency(self, guests: set[GuestId]) -> list[GuestId]:
        """Whoever is to be narrowed before whoever is only given back to."""
        return sorted(guests, key=lambda guest: (not self._seats[guest].desired.actions, guest))

    def _begin(self, guest: GuestId, seat: _Seat, at: float) -> Future[Settled]:
        self._agenda.drop(guest)
        self._working.add(guest)
        missing = self._host.missing
        if seat.desired.mode is Mode.OBSERVE and not self._priors.of(guest):
            # nothing will be asked of the hypervisor, so that no thread is needed
            seat.work = Future()
            seat.work.set_result(self._settler.settle(guest, seat.desired, at, missing))
        else:
            seat.work = self._pool.submit(self._settler.settle, guest, seat.desired, at, missing)
        return seat.work

    def _land(self) -> dict[GuestId, tuple[Outcome, ...]]:
        """Take in what came back after it was given up."""
        told = {}
        for guest in [each for each in self._working if self._seats[each].work is None]:
            seat = self._seats[guest]
            if not seat.busy:
                told[guest] = seat.land()
                self._working.discard(guest)
                self._fresh.add(guest)
                self._agenda.now(guest)
        return told

    def _collect(self, at: float) -> dict[GuestId, tuple[Outcome, ...]]:
        """Take in what the pool has finished."""
        told = {}
        for guest in list(self._working):
            seat = self._seats[guest]
            if seat.work is None or not seat.work.done():
                continue
            settled = self._result(guest, seat)
            seat.work, seat.hanging = None, settled.hanging
            seat.outcomes = _since(seat.outcomes, settled.outcomes)
            self._plan_next(guest, seat, settled, at)
            told[guest] = seat.outcomes
            self._fresh.add(guest)
            if seat.hanging is None:
                self._working.discard(guest)
        return told

    def _result(self, guest: GuestId, seat: _Seat) -> Settled:
        """The one place that catches what a lever throws unforeseen."""
        assert seat.work is not None  # noqa: S101 - the caller looked
        try:
            return seat.work.result()
        except Exception as error:  # a lever's bug must not end the line
            log.exception("enforce.lever_failed", guest=guest)
            return Settled(
                tuple(
                    Outcome(
                        each, OutcomeStatus.FAILED, 0.0, error=f"{type(error).__name__}: {error}"
                    )
                    for each in seat.desired.actions
                )
            )

    def _plan_next(self, guest: GuestId, seat: _Seat, settled: Settled, at: float) -> None:
        """When the guest is looked at next; what did not come about says when that is."""
        failed = [each for each in seat.outcomes if each.status in _FAILED]
        if not failed:
            seat.failures, pause = 0, min(self._settings.audit, settled.within)
        else:
            first, most = self._settings.retry_first, self._settings.retry_most
            pause = min(first * 2 ** min(seat.failures, 32), most)
            disputed = all(each.foreign for each in failed)
            pause = settled.within if disputed else min(pause, settled.within)
            seat.failures += 1
            seat.outcomes = tuple(
                replace(each, tries=seat.failures, again=at + pause)
                if each.status in _FAILED
                else each
                for each in seat.outcomes
            )
        if not self._agenda.waits(guest):
            self._agenda.at(guest, self._clock() + pause)

    def _age(self) -> None:
        """What was applied at the last call is held now; what was restored is told once."""
        for guest in self._fresh:
            seat = self._seats[guest]
            seat.outcomes = tuple(
                replace(each, status=OutcomeStatus.HELD)
                if each.status is OutcomeStatus.APPLIED
                else each
                for each in seat.outcomes
                if each.status is not OutcomeStatus.RESTORED
            )
            idle = not (
                seat.desired.actions
                or seat.outcomes
                or self._agenda.waits(guest)
                or guest in self._working
            )
            if idle and not self._priors.of(guest):
                del self._seats[guest]
                self._agenda.drop(guest)
        self._fresh.clear()


def _since(before: tuple[Outcome, ...], after: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """The new outcomes; one that is only held keeps the time at which it was applied."""
    known = {(each.action.lever, each.action.device): each for each in before}
    return tuple(
        _lasting(old, each)
        if (old := known.get((each.action.lever, each.action.device))) is not None
        else each
        for each in after
    )


def _lasting(before: Outcome, now: Outcome) -> Outcome:
    """The new outcome, with the time and the news of the old one where that only lasts."""
    lasts = (now.status is OutcomeStatus.HELD and before.status in _IN_FORCE) or (
        now.status is before.status is OutcomeStatus.YIELDED
    )
    if not lasts:
        return now
    return replace(now, at=before.at, seconds=before.seconds, foreign=before.foreign)
