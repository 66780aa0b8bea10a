"""One guest: brings its devices to the states that are desired, and says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from math import inf

import libvirt
import structlog

from trustd.enforce.actuator import Actuator, Control, DeviceGone, Lasting, Removing, Slow
from trustd.enforce.calls import StillUnderWay, within
from trustd.enforce.escalate import escalation
from trustd.enforce.foreign import Quarrels, difference
from trustd.enforce.live import run_of
from trustd.enforce.returned import Returned, is_given_back
from trustd.enforce.settings import EnforceSettings
from trustd.enforce.settled import Desired, Disputed, Done, Hanging, Off, Settled
from trustd.enforce.undo import Priors, reclaimed, renewed
from trustd.errors import NoSuchGuest, Refused, StoreError, TimedOut, TrustdError
from trustd.hypervisor.connection import is_lost
from trustd.model import Action, GuestId, Intent, Mode, Outcome, OutcomeStatus, Place, Setting

log = structlog.get_logger()

GIVEN_BACK = "nothing asks for it any more"


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
        settings: EnforceSettings,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._control = control
        self._priors = priors
        self._actuators = actuators
        self._settings = settings
        self._clock = clock
        self._quarrels = Quarrels(settings.retry_first, settings.retry_most, clock)
        self._returned = Returned(settings.returned, clock)
        self._begun: set[Place] = set()

    def settle(
        self, guest: GuestId, desired: Desired, at: float, missing: Mapping[str, str]
    ) -> Settled:
        """Tighten first, then give back what nobody asks for, the latest change first.

        Args:
            missing: why this host cannot pull a lever.
        """
        self._priors.save(guest)
        enforced = desired.mode is Mode.ENFORCE
        outcomes: list[Outcome] = []
        waiting: list[float] = []
        wanted = {(each.lever, each.device) for each in desired.actions if enforced}

        def give_back(*, returning: bool) -> None:
            for kept in self._unwanted(guest, wanted, returning=returning):
                action = Action(guest, kept.lever, kept.device, kept.prior, GIVEN_BACK)
                work = partial(self._give_back, kept=kept, waiting=waiting)
                self._do(action, work, at, outcomes, waiting)

        def bring_about(action: Action) -> None:
            work = partial(self._bring_about, action=action, at=at, yielding=desired.yielding)
            self._do(action, work, at, outcomes, waiting)

        try:
            # a device that comes back is narrowed before anything of it is given back
            give_back(returning=True)
            # what takes long keeps nothing else waiting
            for action in sorted(desired.actions, key=lambda each: self._deadline(each.lever)):
                if error := self._lacks(action.lever, missing):
                    outcomes.append(Outcome(action, OutcomeStatus.REFUSED, at, error=error))
                elif enforced:
                    bring_about(action)
                else:
                    outcomes.append(Outcome(action, OutcomeStatus.WOULD_APPLY, at))
            pause = escalation(desired.actions, outcomes, self._priors.of(guest))
            if pause is not None and enforced and (pause.lever, pause.device) not in wanted:
                wanted.add((pause.lever, pause.device))
                bring_about(pause)
            give_back(returning=False)
        except StillUnderWay as error:
            hanging = Hanging(outcomes[-1], error.call)
            return Settled(_all_waiting(outcomes, desired, at), hanging)
        except Off:
            return Settled(())
        return Settled(tuple(outcomes), within=min(waiting, default=inf))

    def narrowed(self, guest: GuestId) -> bool:
        """Whether something is taken from a guest that is not given back."""
        return not all(map(self._is_returned, self._priors.of(guest)))

    def probe(self, guest: GuestId) -> Mapping[str, str]:
        """Why this host cannot pull a lever, by lever; empty texts where it can.

        Raises:
            HypervisorError: the guest cannot be reached.
            TimedOut: in time, neither.
        """

        def ask(domain: libvirt.virDomain) -> dict[str, str]:
            return {name: why_not(lever, domain) for name, lever in self._actuators.items()}

        return within(self._control, guest, ask, deadline=self._settings.probing)

    def _lacks(self, lever: str, missing: Mapping[str, str]) -> str:
        if lever not in self._actuators:
            return f"this trustd has no lever {lever}"
        why = missing.get(lever)
        return f"this host cannot pull {lever}: {why}" if why else ""

    def _deadline(self, lever: str) -> float:
        """Seconds after which an action of this lever is given up."""
        found = self._actuators.get(lever)
        return found.deadline if isinstance(found, Slow) else self._settings.deadline

    def _do(
        self,
        action: Action,
        work: Callable[[libvirt.virDomain], Done | None],
        at: float,
        outcomes: list[Outcome],
        waiting: list[float],
    ) -> None:
        """Do one thing to one device and note what became of it."""
        began, deadline = self._clock(), self._deadline(action.lever)

        def note(
            status: OutcomeStatus, prior: Setting, foreign: str = "", *, error: str = ""
        ) -> None:
            seconds = self._clock() - began
            outcomes.append(Outcome(action, status, at, prior, error, seconds, foreign))

        try:
            done = within(self._control, action.guest, work, deadline=deadline)
        except NoSuchGuest as error:
            raise Off from error
        except Off:
            raise
        except Disputed as error:
            waiting.append(error.within)
            note(OutcomeStatus.FAILED, {}, error.change, error=str(error))
        except TrustdError as error:
            note(_status(error), {}, error=str(error))
            if isinstance(error, StillUnderWay):
                raise
        else:
            if done is not None:
                note(*done)

    def _bring_about(
        self, domain: libvirt.virDomain, *, action: Action, at: float, yielding: bool
    ) -> Done:
        run = run_of(domain)
        if not run:
            raise Off
        lever, device = self._actuators[action.lever], action.device
        kept = self._priors.get(action.guest, action.lever, device)
        try:
            present = lever.read(domain, device)
        except DeviceGone:
            if not self._taken(action.guest, device):
                raise
            return Done(OutcomeStatus.HELD, {} if kept is None else kept.prior)
        if kept is not None:
            return self._keep(domain, action, kept, run, present, yielding=yielding)
        state = lever.tightened(present, action.setting, device)
        if present == state:
            return Done(OutcomeStatus.HELD, present)
        intent = Intent(action.guest, action.lever, device, run, present, (state,), at)
        return self._apply(domain, action, intent, present)

    def _keep(
        self,
        domain: libvirt.virDomain,
        action: Action,
        kept: Intent,
        run: str,
        present: Setting,
        *,
        yielding: bool,
    ) -> Done:
        """Keep in force what was put in force before, unless it is yielded."""
        lever = self._actuators[action.lever]
        prior = _before(kept, run, lever, domain, present)
        state = lever.tightened(prior, action.setting, action.device)
        if present == state:
            self._quarrels.seen(kept.place, run, state, action.setting)
            return Done(self._lasting(kept), prior)
        given_way = kept.yielded is not None and kept.run == run
        if given_way and yielding and kept.yielded == action.setting:
            return Done(OutcomeStatus.YIELDED, kept.prior, difference(kept.ours[-1], present))
        # what was yielded is known to be another's, and is not told again; a device that
        # is to leave is changed by the other levers until it does
        known = given_way or isinstance(lever, Removing)
        change = "" if known else self._quarrels.changed(kept, run, present, lever.facet)
        if change and yielding:
            _tell(action, change, "yield")
            self._priors.record(replace(kept, yielded=action.setting))
            return Done(OutcomeStatus.YIELDED, kept.prior, change)
        if change:
            self._reassert(action, change)
        return self._apply(
            domain, action, renewed(kept, run, prior, present, state), present, change
        )

    def _reassert(self, action: Action, change: str) -> None:
        """Go on where what somebody else changed is to be put in force again now.

        Raises:
            Disputed: it is to be later.
        """
        place = action.guest, action.lever, action.device
        times, pause = self._quarrels.pause(place, action.setting)
        if pause:
            raise Disputed(times, change, pause)
        _tell(action, change, "reassert", times)

    def _apply(
        self,
        domain: libvirt.virDomain,
        action: Action,
        intent: Intent,
        present: Setting,
        change: str = "",
    ) -> Done:
        lever, state = self._actuators[action.lever], intent.ours[-1]
        unsaved = self._priors.record(intent)
        if unsaved is not None and lever.loosens(present, state):
            raise unsaved
        self._returned.forget(intent.place)
        self._quarrels.unsure(intent.place)
        self._begun.add(intent.place)
        _write(lever, domain, intent.device, state)
        self._begun.discard(intent.place)
        self._quarrels.seen(intent.place, intent.run, state, action.setting)
        return Done(OutcomeStatus.APPLIED, intent.prior, change)

    def _give_back(
        self, domain: libvirt.virDomain, *, kept: Intent, waiting: list[float]
    ) -> Done | None:
        lever = self._actuators.get(kept.lever)
        if lever is None:
            raise Refused(f"this trustd has no lever {kept.lever}")
        run = run_of(domain)
        if not run and not isinstance(lever, Lasting):
            return None  # what is kept still counts: a saved image may bring the limit back
        try:
            present = lever.read(domain, kept.device)
        except DeviceGone:
            if not self._taken(kept.guest, kept.device):
                self._forget(kept)
            return None
        state = _before(kept, run, lever, domain, present)
        if state == present and self._is_returned(kept):
            self._believe(kept, run, waiting)
            return None  # that was told when it was plugged in
        if state == present and kept.run == run and isinstance(lever, Removing):
            return None  # the guest was asked, and may still let go of it
        if state != present:
            unsaved = self._priors.record(kept)
            if unsaved is not None:
                raise StoreError(f"loosening waits for the store: {unsaved}") from unsaved
            self._quarrels.unsure(kept.place)
            _write(lever, domain, kept.device, state)
            if isinstance(lever, Removing) and (left := self._returned.within(kept.place)):
                waiting.append(left)
                self._priors.record(renewed(kept, run, kept.prior, present, state))
                return Done(OutcomeStatus.RESTORED, kept.prior)
        self._forget(kept)
        return Done(OutcomeStatus.RESTORED, kept.prior)

    def _is_returned(self, kept: Intent) -> bool:
        """Whether it is a device that was plugged in again, and might be thrown out."""
        return self._removes(kept.lever) and is_given_back(kept)

    def _believe(self, kept: Intent, run: str, waiting: list[float]) -> None:
        """Forget a device that was plugged in again, once it has stayed there for long enough."""
        # asked once: by the end of the tick its time may be over, and nobody would look again
        left = self._returned.within(kept.place)
        if left and kept.run == run:
            waiting.append(left)
        else:
            self._forget(kept)

    def _unwanted(
        self, guest: GuestId, wanted: Collection[tuple[str, str]], *, returning: bool
    ) -> list[Intent]:
        """What nobody asks for any more: where a device returns, or everywhere else."""
        return [
            kept
            for kept in self._priors.of(guest)
            if (kept.lever, kept.device) not in wanted and self._removes(kept.lever) is returning
        ]

    def _taken(self, guest: GuestId, device: str) -> bool:
        """Whether it was trustd that had a device taken away."""
        return any(
            kept.device == device and self._removes(kept.lever) for kept in self._priors.of(guest)
        )

    def _removes(self, lever: str) -> bool:
        return isinstance(self._actuators.get(lever), Removing)

    def _lasting(self, kept: Intent) -> OutcomeStatus:
        """What to call a state that is in force: it may have come about after all."""
        if kept.place not in self._begun:
            return OutcomeStatus.HELD
        self._begun.discard(kept.place)
        return OutcomeStatus.APPLIED

    def _forget(self, kept: Intent) -> None:
        self._begun.discard(kept.place)
        self._returned.forget(kept.place)
        self._priors.forget(kept)
        self._quarrels.forget(kept.place)


def _status(error: TrustdError) -> OutcomeStatus:
    match error:
        case Refused():
            return OutcomeStatus.REFUSED
        case TimedOut():
            return OutcomeStatus.TIMED_OUT
        case _:
            return OutcomeStatus.FAILED


def _tell(action: Action, change: str, answer: str, times: int = 1) -> None:
    log.warning(
        "enforce.changed_by_somebody_else",
        guest=action.guest,
        lever=action.lever,
        device=action.device,
        change=change,
        times=times,
        answer=answer,
    )


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


def why_not(lever: Actuator, domain: libvirt.virDomain) -> str:
    """Why this host cannot pull a lever; empty where it can.

    Raises:
        libvirtError: the connection was lost meanwhile.
    """
    try:
        return lever.probe(domain)
    except libvirt.libvirtError as error:
        if is_lost(error):
            raise
        return f"it could not be tried: {error.get_error_message()}"
    except TrustdError as error:
        return f"it could not be tried: {error}"
