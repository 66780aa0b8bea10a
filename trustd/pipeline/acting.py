"""From what a guest may do to what is to be done to it, within the blast radius."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from trustd.enforce import Desired, plan
from trustd.model import Action, EffectivePermissions, Guest, GuestId, Intent, Mode, Outcome
from trustd.model import OutcomeStatus as Status
from trustd.pipeline.heeding import narrows
from trustd.pipeline.radius import Radius
from trustd.pipeline.verdict import Verdict
from trustd.policy import Policy

log = structlog.get_logger()

TOO_MANY = "held back: too many guests fell at once, which is more often a fault than their guilt"
BLIND = "held back: the hypervisor cannot be reached, so nothing is known of the guest"
PAUSED = "held back: an operator paused enforcement, and has what is narrowed kept as it is"
REASONS = {TOO_MANY: "too-many", BLIND: "blind", PAUSED: "paused"}
"""Why a guest is not narrowed, as one word."""
_NAMED = 20
"""Guests that a log line names."""


class Carrying(Protocol):
    """Who carries out what is decided here: the enforcer, as far as this stage knows it."""

    @property
    def levers(self) -> Collection[str]:
        """Those that the host has; the same object as long as they are the same."""

    def reconcile(self, desired: Mapping[GuestId, Desired], *, at: float) -> object:
        """Bring guests into new desired states."""

    def outcomes(self, guest: GuestId) -> tuple[Outcome, ...]:
        """What became of a guest's actions."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """What was last worked out for a guest, and from what."""

    guest: Guest
    permissions: EffectivePermissions
    mode: Mode
    policy: Policy
    levers: Collection[str]
    desired: Desired


@dataclass(frozen=True, slots=True)
class _Granted:
    """What the enforcer was last told of a guest, and the band that asked for it.

    Args:
        policy: its id: what is in force for long keeps no policy alive.
    """

    desired: Desired
    rank: int
    policy: str


@dataclass(frozen=True, slots=True)
class _Held:
    """Why a guest is not narrowed, and since when, in epoch seconds."""

    why: str
    since: float


class Acting:
    """Plans each guest's actions when something changed, and has them carried out.

    Args:
        in_force: what an earlier run of the daemon left, oldest first: those guests
            are narrowed already, and may have been a short time ago.
    """

    def __init__(self, enforcer: Carrying, in_force: Sequence[Intent] = ()) -> None:
        self._enforcer = enforcer
        self._inherited: Sequence[Intent] | None = in_force
        self._narrowed = {intent.guest for intent in in_force}
        self._radius = Radius()
        self._planned: dict[GuestId, _Planned] = {}
        self._granted: dict[GuestId, _Granted] = {}
        self._held: dict[GuestId, _Held] = {}
        self._suspended: dict[GuestId, _Granted] = {}
        self._accepted: set[GuestId] = set()
        self._holding = False

    def act(
        self,
        guests: Mapping[GuestId, Guest],
        verdicts: Mapping[GuestId, Verdict],
        policy: Policy,
        *,
        running: Collection[GuestId],
        blind: bool,
        at: float,
        clock: float,
    ) -> None:
        """Bring every guest's devices into line with its permissions.

        Args:
            running: guests that run; one that does not has nothing to be narrowed.
            blind: whether the hypervisor cannot be reached: then nobody is narrowed
                further, because all that is known is that nothing is.
            at: epoch seconds.
            clock: seconds on a clock that never steps.
        """
        self._inherit(at, clock)
        due: dict[GuestId, Desired] = {}
        falling: list[tuple[int, GuestId, _Granted]] = []
        for id_, verdict in verdicts.items():
            desired = self._desired(guests[id_], verdict, policy)
            granted = self._granted.get(id_)
            if granted is not None and granted.desired is desired:
                continue
            new = _Granted(desired, policy.rank(verdict.band), policy.id)
            if self._falls(id_, new, self._suspended.get(id_, granted)):
                falling.append((-new.rank, id_, new))
            else:
                self._suspend(id_, verdict)
                self._grant(id_, new, due)
        runs = set(running) if falling else set()
        limits = policy.limits.demotions
        # the worst first: what is left of the budget is best spent on them
        for _, id_, new in sorted(falling, key=lambda each: each[0]):
            ordered, automatic = verdicts[id_].ordered, verdicts[id_].standing.band
            if id_ not in runs:
                self._held.pop(id_, None)
            elif narrows(policy, ordered, automatic):
                # a person's word is no sign of a fault
                self._grant(id_, new, due)
            elif ordered.pause is not None:
                self._hold(id_, PAUSED, at)
            elif blind:
                self._hold(id_, BLIND, at)
            elif id_ in self._accepted or self._radius.allows(id_, limits, len(runs), clock):
                self._grant(id_, new, due)
            else:
                self._hold(id_, TOO_MANY, at)
        self._accepted &= self._held.keys()
        self._tell()
        self._enforcer.reconcile(due, at=at)

    @property
    def held(self) -> Mapping[GuestId, str]:
        """Guests that are not narrowed as they should be, and the word of :data:`REASONS`."""
        return {id_: REASONS[held.why] for id_, held in self._held.items()}

    def stands(self, guest: GuestId) -> bool:
        """Whether what is wanted of a guest now was handed to the enforcer."""
        planned, granted = self._planned.get(guest), self._granted.get(guest)
        return (
            planned is not None
            and granted is not None
            and granted.desired is planned.desired
            and guest not in self._held
        )

    def narrows(self, guest: GuestId) -> bool:
        """Whether anything is done to a guest by what was handed to the enforcer."""
        granted = self._granted.get(guest)
        return granted is not None and bool(granted.desired.actions)

    def accept(self) -> None:
        """Let those be narrowed at the next tick that are held because they are too many."""
        self._accepted = {id_ for id_, held in self._held.items() if held.why == TOO_MANY}

    def preview(self, guest: Guest, verdict: Verdict, policy: Policy) -> tuple[Desired, Desired]:
        """What is in force on a guest by trustd's will, and what would be with another verdict."""
        granted = self._granted.get(guest.id)
        now = granted.desired if granted is not None else Desired((), verdict.mode)
        return now, self._wanted(guest, verdict, policy)

    def outcomes(self, guest: GuestId) -> tuple[Outcome, ...]:
        """What became of a guest's actions, those that are held back included."""
        outcomes = self._enforcer.outcomes(guest)
        held = self._held.get(guest)
        if held is None:
            return outcomes
        # what would be done when only observing is not done now that it would be
        stands = tuple(each for each in outcomes if each.status is not Status.WOULD_APPLY)
        known = [each.action for each in stands]
        withheld = (
            Outcome(action, Status.WITHHELD, held.since, error=held.why)
            for action in self._planned[guest].desired.actions
            if action not in known
        )
        return (*stands, *withheld)

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone."""
        self._planned.pop(guest, None)
        self._granted.pop(guest, None)
        self._held.pop(guest, None)
        self._suspended.pop(guest, None)

    def _inherit(self, at: float, clock: float) -> None:
        """Count what was narrowed before a restart: it does not renew the budget."""
        if self._inherited is not None:
            spent = [(clock - max(0.0, at - each.at), each.guest) for each in self._inherited]
            self._radius, self._inherited = Radius(spent), None

    def _grant(self, guest: GuestId, new: _Granted, due: dict[GuestId, Desired]) -> None:
        self._held.pop(guest, None)
        self._granted[guest] = new
        due[guest] = new.desired
        if new.desired.mode is Mode.ENFORCE:
            self._suspended.pop(guest, None)

    def _suspend(self, guest: GuestId, verdict: Verdict) -> None:
        """Remember what a pause gives back: to narrow the guest so far again is no new fall."""
        granted = self._granted.get(guest)
        if (
            verdict.ordered.pause is not None
            and verdict.mode is Mode.OBSERVE
            and granted is not None
            and granted.desired.mode is Mode.ENFORCE
            and granted.desired.actions
        ):
            self._suspended[guest] = granted

    def _hold(self, guest: GuestId, why: str, at: float) -> None:
        held = self._held.get(guest)
        if held is None or held.why != why:
            self._held[guest] = _Held(why, at)

    def _falls(self, guest: GuestId, new: _Granted, before: _Granted | None) -> bool:
        """Whether a guest would be narrowed that is not, or further than it is."""
        if new.desired.mode is not Mode.ENFORCE or not new.desired.actions:
            return False
        if before is None:
            return guest not in self._narrowed
        if before.desired.mode is not Mode.ENFORCE:
            return True
        if before.policy == new.policy:
            # in the same band it is the guest's devices or labels that changed
            return new.rank > before.rank
        return any(
            all(not _same(action, other) for other in before.desired.actions)
            for action in new.desired.actions
        )

    def _desired(self, guest: Guest, verdict: Verdict, policy: Policy) -> Desired:
        kept = self._planned.get(guest.id)
        if (
            kept is not None
            and kept.guest is guest
            and kept.permissions is verdict.permissions
            and kept.mode is verdict.mode
            and kept.policy is policy
            and kept.levers is self._enforcer.levers
        ):
            return kept.desired
        desired = self._wanted(guest, verdict, policy)
        if kept is not None and kept.desired == desired:
            desired = kept.desired
        self._planned[guest.id] = _Planned(
            guest, verdict.permissions, verdict.mode, policy, self._enforcer.levers, desired
        )
        return desired

    def _wanted(self, guest: Guest, verdict: Verdict, policy: Policy) -> Desired:
        if verdict.protected:
            return Desired((), verdict.mode)
        measures = policy.enforcement(verdict.band, verdict.permissions.roles)
        standing = [each.model_dump(exclude_none=True) for each in measures if not each.once]
        actions = plan(guest, verdict.permissions, standing, levers=self._enforcer.levers)
        return Desired(actions, verdict.mode, yielding=policy.limits.foreign == "yield")

    def _tell(self) -> None:
        if bool(self._held) == self._holding:
            return
        self._holding = bool(self._held)
        if self._held:
            log.error(
                "narrowing is held back",
                guests=len(self._held),
                first=sorted(self._held)[:_NAMED],
                why=sorted({held.why for held in self._held.values()}),
            )
        else:
            log.info("nothing is held back any more")


def _same(one: Action, other: Action) -> bool:
    """Whether two actions bring about the same, for whatever reason."""
    return (one.lever, one.device, one.setting) == (other.lever, other.device, other.setting)
