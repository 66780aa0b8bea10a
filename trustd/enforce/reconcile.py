"""Desired states against what is really in force, for every guest, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from math import inf

import structlog

from trustd.enforce.actuator import Actuator, Control
from trustd.enforce.settings import EnforceSettings
from trustd.enforce.settle import Desired, Hanging, Settled, Settler
from trustd.enforce.undo import Ledger, Priors
from trustd.model import Guest, GuestEvent, GuestId, Intent, Mode, Outcome, OutcomeStatus

log = structlog.get_logger()

_FAILED = frozenset({OutcomeStatus.FAILED, OutcomeStatus.REFUSED, OutcomeStatus.TIMED_OUT})
_TELLING = frozenset({"lifecycle", "tunable", "metadata", "device-added", "device-removed"})
"""Kinds of events after which something else may be in force."""


@dataclass(slots=True)
class _Seat:
    """One guest that is narrowed, or is to be, or still has something to be given back."""

    desired: Desired
    outcomes: tuple[Outcome, ...] = ()
    dirty: bool = True
    due: float = inf
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
                landed if each is self.hanging.outcome else each for each in self.outcomes
            )
        self.hanging, self.dirty, self.failures = None, True, 0
        return self.outcomes

    @property
    def settled(self) -> bool:
        failed = any(each.status in _FAILED for each in self.outcomes)
        return not (self.dirty or self.busy or failed)


class Enforcer:
    """Keeps every guest in its desired state.

    All methods are for one thread, the line's. A guest that nobody narrows costs
    nothing; one whose emulator hangs costs one of the pool's threads until the
    deadline, and no other guest anything.

    Args:
        control: used only where something must be applied, read back or given back.
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
        self._settler = Settler(
            control, self._priors, self._levers, deadline=self._settings.deadline, clock=clock
        )
        self._pool = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="enforce")
        self._seats: dict[GuestId, _Seat] = {}
        self._unclaimed = set(self._priors.guests())
        self._undisturbed: dict[GuestId, tuple[Guest, Sequence[Intent], Guest]] = {}

    @property
    def levers(self) -> frozenset[str]:
        """The levers that an action can name."""
        return frozenset(self._levers)

    @property
    def unsettled(self) -> int:
        """Guests that are not, or not yet known to be, in their desired state."""
        return sum(not seat.settled for seat in self._seats.values())

    def outcomes(self, guest: GuestId) -> tuple[Outcome, ...]:
        """What became of a guest's actions, as far as it is known now."""
        seat = self._seats.get(guest)
        return seat.outcomes if seat is not None else ()

    def undisturbed(self, guest: Guest) -> Guest:
        """The guest as it would be described if trustd had changed nothing of it.

        The same object as long as it and what is in force on it are the same.
        """
        kept = self._priors.of(guest.id)
        known = self._undisturbed.get(guest.id)
        if known is not None and known[0] is guest and known[1] == kept:
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
            seat = self._seats.get(event.guest)
            if seat is not None and event.kind in _TELLING:
                seat.dirty = True

    def resync(self) -> None:
        """Take in that anything may have happened to any guest."""
        for seat in self._seats.values():
            seat.dirty = True

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
        told = self._collect()
        now = self._clock()
        begun = []
        for guest, seat in self._by_urgency():
            if seat.busy:
                continue
            if seat.hanging is not None:
                told[guest] = seat.land()
            elif seat.dirty or seat.due <= now:
                begun.append(self._begin(guest, seat, at))
        wait(begun, timeout=self._settings.patience)
        return {**told, **self._collect()}

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
            wait(
                [seat.work for seat in self._seats.values() if seat.work is not None], timeout=0.05
            )
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
        elif seat.desired != want:
            seat.desired, seat.dirty, seat.failures = want, True, 0

    def _by_urgency(self) -> list[tuple[GuestId, _Seat]]:
        """Whoever is to be narrowed before whoever is only given back to."""
        return sorted(self._seats.items(), key=lambda item: not item[1].desired.actions)

    def _begin(self, guest: GuestId, seat: _Seat, at: float) -> Future[Settled]:
        seat.dirty, seat.due = False, inf
        if seat.desired.mode is Mode.OBSERVE and not self._priors.of(guest):
            # nothing will be asked of the hypervisor, so that no thread is needed
            seat.work = Future()
            seat.work.set_result(self._settler.settle(guest, seat.desired, at))
        else:
            seat.work = self._pool.submit(self._settler.settle, guest, seat.desired, at)
        return seat.work

    def _collect(self) -> dict[GuestId, tuple[Outcome, ...]]:
        """Take in what the pool has finished."""
        told = {}
        for guest, seat in list(self._seats.items()):
            if seat.work is not None and seat.work.done():
                settled = self._result(guest, seat)
                seat.work, seat.hanging = None, settled.hanging
                seat.outcomes = _since(seat.outcomes, settled.outcomes)
                told[guest] = seat.outcomes
                self._plan_next(seat)
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

    def _plan_next(self, seat: _Seat) -> None:
        settings = self._settings
        if any(each.status in _FAILED for each in seat.outcomes):
            pause = min(settings.retry_first * 2**seat.failures, settings.retry_most)
            seat.failures = min(seat.failures + 1, 32)
        else:
            pause, seat.failures = settings.audit, 0
        seat.due = self._clock() + pause

    def _age(self) -> None:
        """What was applied at the last call is held now; what was restored is told once."""
        for guest, seat in list(self._seats.items()):
            seat.outcomes = tuple(
                replace(each, status=OutcomeStatus.HELD)
                if each.status is OutcomeStatus.APPLIED
                else each
                for each in seat.outcomes
                if each.status is not OutcomeStatus.RESTORED
            )
            idle = not (seat.desired.actions or seat.outcomes or seat.dirty or seat.busy)
            if idle and not self._priors.of(guest):
                del self._seats[guest]


def _since(before: tuple[Outcome, ...], after: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """The new outcomes; one that is only held keeps the time at which it was applied."""
    known = {(each.action.lever, each.action.device): each for each in before}
    return tuple(
        replace(each, at=old.at, seconds=old.seconds)
        if each.status is OutcomeStatus.HELD
        and (old := known.get((each.action.lever, each.action.device))) is not None
        and old.status in (OutcomeStatus.APPLIED, OutcomeStatus.HELD)
        else each
        for each in after
    )
