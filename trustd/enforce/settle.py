"""One guest: brings its devices to the states that are desired, and says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import libvirt

from trustd.enforce.actuator import Actuator, Control, DeviceGone
from trustd.enforce.calls import Call, StillUnderWay, within
from trustd.enforce.live import run_of
from trustd.enforce.undo import Priors, reclaimed, renewed
from trustd.errors import EnforceError, NoSuchGuest, Refused, StoreError, TimedOut, TrustdError
from trustd.model import Action, GuestId, Intent, Mode, Outcome, OutcomeStatus, Setting

GIVEN_BACK = "nothing asks for it any more"


@dataclass(frozen=True, slots=True)
class Desired:
    """The states that a guest's devices should be in, and whether to act on it."""

    actions: tuple[Action, ...]
    mode: Mode


@dataclass(frozen=True, slots=True)
class Hanging:
    """An action that was given up while it was under way."""

    outcome: Outcome
    call: Call[tuple[OutcomeStatus, Setting] | None]

    def landed(self) -> Outcome | None:
        """What became of it in the end; None where it failed or had nothing to do."""
        if self.call.result is None:
            return None
        status, prior = self.call.result
        return replace(self.outcome, status=status, prior=prior, error="")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a guest's actions.

    Args:
        hanging: what was given up and may still come about.
    """

    outcomes: tuple[Outcome, ...]
    hanging: Hanging | None = None


class _Off(EnforceError):
    """The guest does not run: there is nothing to narrow."""


class Settler:
    """Compares, records, acts and reads back; from any thread, one at a time for a guest.

    Args:
        clock: steady seconds, for the time that an action takes.
    """

    def __init__(
        self,
        control: Control,
        priors: Priors,
        actuators: Mapping[str, Actuator],
        *,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self._control = control
        self._priors = priors
        self._actuators = actuators
        self._deadline = deadline
        self._clock = clock

    def settle(self, guest: GuestId, desired: Desired, at: float) -> Settled:
        """Tighten first, then give back what nobody asks for, the latest change first."""
        self._priors.save(guest)
        enforced = desired.mode is Mode.ENFORCE
        outcomes: list[Outcome] = []
        try:
            for action in desired.actions:
                if action.lever not in self._actuators:
                    error = f"this trustd has no lever {action.lever}"
                    outcomes.append(Outcome(action, OutcomeStatus.REFUSED, at, error=error))
                elif enforced:
                    work = partial(self._bring_about, action=action, at=at)
                    self._do(action, work, at, outcomes)
                else:
                    outcomes.append(Outcome(action, OutcomeStatus.WOULD_APPLY, at))
            wanted = {(each.lever, each.device) for each in desired.actions if enforced}
            for kept in self._priors.of(guest):
                if (kept.lever, kept.device) not in wanted:
                    action = Action(guest, kept.lever, kept.device, kept.prior, GIVEN_BACK)
                    self._do(action, partial(self._give_back, kept=kept), at, outcomes)
        except StillUnderWay as error:
            hanging = Hanging(outcomes[-1], error.call)
            return Settled(_all_waiting(outcomes, desired, at), hanging)
        except _Off:
            return Settled(())
        return Settled(tuple(outcomes))

    def probe(self, guest: GuestId) -> Mapping[str, str]:
        """Why this host cannot pull a lever, by lever; empty texts where it can.

        Raises:
            HypervisorError: the guest cannot be reached.
            TimedOut: in time, neither.
        """

        def ask(domain: libvirt.virDomain) -> dict[str, str]:
            return {name: lever.probe(domain) for name, lever in self._actuators.items()}

        return within(self._control, guest, ask, deadline=self._deadline)

    def _do(
        self,
        action: Action,
        work: Callable[[libvirt.virDomain], tuple[OutcomeStatus, Setting] | None],
        at: float,
        outcomes: list[Outcome],
    ) -> None:
        """Do one thing to one device and note what became of it."""
        began = self._clock()

        def note(status: OutcomeStatus, prior: Setting, error: str = "") -> None:
            seconds = self._clock() - began
            outcomes.append(Outcome(action, status, at, prior, error, seconds))

        try:
            done = within(self._control, action.guest, work, deadline=self._deadline)
        except StillUnderWay as error:
            note(OutcomeStatus.TIMED_OUT, {}, str(error))
            raise
        except NoSuchGuest as error:
            raise _Off from error
        except Refused as error:
            note(OutcomeStatus.REFUSED, {}, str(error))
        except TimedOut as error:
            note(OutcomeStatus.TIMED_OUT, {}, str(error))
        except _Off:
            raise
        except TrustdError as error:
            note(OutcomeStatus.FAILED, {}, str(error))
        else:
            if done is not None:
                note(*done)

    def _bring_about(
        self, domain: libvirt.virDomain, *, action: Action, at: float
    ) -> tuple[OutcomeStatus, Setting]:
        run = run_of(domain)
        if not run:
            raise _Off
        lever, device = self._actuators[action.lever], action.device
        present = lever.read(domain, device)
        kept = self._priors.get(action.guest, action.lever, device)
        prior = present if kept is None else _before(kept, run, lever, domain, present)
        state = lever.tightened(prior, action.setting, device)
        if present == state:
            return OutcomeStatus.HELD, prior
        if kept is None:
            intent = Intent(action.guest, action.lever, device, run, prior, (state,), at)
        else:
            intent = renewed(kept, run, prior, present, state)
        unsaved = self._priors.record(intent)
        if unsaved is not None and lever.loosens(present, state):
            raise unsaved
        _write(lever, domain, device, state)
        return OutcomeStatus.APPLIED, prior

    def _give_back(
        self, domain: libvirt.virDomain, *, kept: Intent
    ) -> tuple[OutcomeStatus, Setting] | None:
        lever = self._actuators.get(kept.lever)
        if lever is None:
            raise Refused(f"this trustd has no lever {kept.lever}")
        run = run_of(domain)
        if not run:
            raise _Off  # what is kept still counts: a saved image may bring the limit back
        try:
            present = lever.read(domain, kept.device)
        except DeviceGone:
            self._priors.forget(kept)
            return None
        state = _before(kept, run, lever, domain, present)
        if state != present:
            unsaved = self._priors.record(kept)
            if unsaved is not None:
                raise StoreError(f"loosening waits for the store: {unsaved}") from unsaved
            _write(lever, domain, kept.device, state)
        self._priors.forget(kept)
        return OutcomeStatus.RESTORED, kept.prior


def _before(
    kept: Intent, run: str, lever: Actuator, domain: libvirt.virDomain, present: Setting
) -> Setting:
    """The state that trustd found, as far as nobody else changed it since."""
    anew = kept.run != run
    configured = lever.read(domain, kept.device, config=True) if anew else None
    return reclaimed(kept, present, lever.facet, configured)


def _write(lever: Actuator, domain: libvirt.virDomain, device: str, state: Setting) -> None:
    lever.write(domain, device, state)
    if lever.read(domain, device) != state:
        raise Refused(f"{lever.name} {device}: read back, it is not in the state that was set")


def _all_waiting(outcomes: list[Outcome], desired: Desired, at: float) -> tuple[Outcome, ...]:
    """The outcomes so far, and that the others wait for the call that is under way."""
    told = {(each.action.lever, each.action.device) for each in outcomes}
    waiting = [
        Outcome(each, OutcomeStatus.TIMED_OUT, at, error="waits for an earlier call")
        for each in desired.actions
        if (each.lever, each.device) not in told
    ]
    return (*outcomes, *waiting)
