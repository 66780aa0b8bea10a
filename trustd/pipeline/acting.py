"""From what a guest may do to what is to be done to it, within the blast radius."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog

from trustd.enforce import Desired, Enforcer, plan
from trustd.model import Action, EffectivePermissions, Guest, GuestId, Intent, Mode, Outcome
from trustd.model import OutcomeStatus as Status
from trustd.pipeline.narrowing import Verdict
from trustd.pipeline.radius import Radius
from trustd.policy import Policy

log = structlog.get_logger()

TOO_MANY = "held back: too many guests fell at once, which is more often a fault than their guilt"
BLIND = "held back: the hypervisor cannot be reached, so nothing is known of the guest"
_NAMED = 20
"""Guests that a log line names."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """What was last worked out for a guest, and from what."""

    guest: Guest
    permissions: EffectivePermissions
    mode: Mode
    policy: Policy
    desired: Desired


@dataclass(frozen=True, slots=True)
class _Granted:
    """What the enforcer was last told of a guest, and the band that asked for it."""

    desired: Desired
    rank: int
    policy: Policy


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

    def __init__(self, enforcer: Enforcer, in_force: Sequence[Intent] = ()) -> None:
        self._enforcer = enforcer
        self._inherited: Sequence[Intent] | None = in_force
        self._narrowed = {intent.guest for intent in in_force}
        self._radius = Radius()
        self._planned: dict[GuestId, _Planned] = {}
        self._granted: dict[GuestId, _Granted] = {}
        self._held: dict[GuestId, _Held] = {}
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
            new = _Granted(desired, policy.rank(verdict.standing.band), policy)
            if self._falls(id_, new, granted):
                falling.append((-new.rank, id_, new))
            else:
                self._grant(id_, new, due)
        runs = set(running) if falling else set()
        limits = policy.limits.demotions
        # the worst first: what is left of the budget is best spent on them
        for _, id_, new in sorted(falling, key=lambda each: each[0]):
            if id_ not in runs:
                self._held.pop(id_, None)
            elif blind:
                self._hold(id_, BLIND, at)
            elif self._radius.allows(id_, limits, len(runs), clock):
                self._grant(id_, new, due)
            else:
                self._hold(id_, TOO_MANY, at)
        self._tell()
        self._enforcer.reconcile(due, at=at)

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

    def _inherit(self, at: float, clock: float) -> None:
        """Count what was narrowed before a restart: it does not renew the budget."""
        if self._inherited is not None:
            spent = [(clock - max(0.0, at - each.at), each.guest) for each in self._inherited]
            self._radius, self._inherited = Radius(spent), None

    def _grant(self, guest: GuestId, new: _Granted, due: dict[GuestId, Desired]) -> None:
        self._held.pop(guest, None)
        self._granted[guest] = new
        due[guest] = new.desired

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
        if before.policy is new.policy:
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
        ):
            return kept.desired
        actions: tuple[Action, ...] = ()
        if not verdict.protected:
            measures = policy.enforcement(verdict.standing.band, verdict.permissions.roles)
            standing = [each.model_dump(exclude_none=True) for each in measures if not each.once]
            actions = plan(guest, verdict.permissions, standing, levers=self._enforcer.levers)
        desired = Desired(actions, verdict.mode)
        if kept is not None and kept.desired == desired:
            desired = kept.desired
        self._planned[guest.id] = _Planned(
            guest, verdict.permissions, verdict.mode, policy, desired
        )
        return desired

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
