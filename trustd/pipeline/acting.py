"""From what a guest may do to what is to be done to it, within the blast radius."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from trustd.enforce import Desired, Enforcer, plan
from trustd.model import Action, Guest, GuestId, Mode, Outcome, OutcomeStatus
from trustd.pipeline.narrowing import Verdict
from trustd.policy import Policy
from trustd.policy.schema import Demotions

log = structlog.get_logger()


class Radius:
    """How many guests may be narrowed further in a time: beyond it trustd holds.

    A fall of many guests at once is more often a collector's fault, or the host's,
    than that of so many guests.
    """

    def __init__(self) -> None:
        self._spent: deque[tuple[float, GuestId]] = deque()
        self.holding = False

    def allows(self, guest: GuestId, limits: Demotions, guests: int, clock: float) -> bool:
        """Whether one more guest may be narrowed now; if so, it is counted.

        A guest that was counted already is narrowed further without being counted
        again: holding it half-way would serve nobody.

        Args:
            guests: that are running; a share of them, but always one, may be narrowed.
            clock: seconds on a clock that never steps.
        """
        while self._spent and clock - self._spent[0][0] > limits.per:
            self._spent.popleft()
        known = {counted for _, counted in self._spent}
        most = max(1, min(limits.max, int(limits.percent * guests / 100)))
        if guest not in known and len(known) >= most:
            return False
        self._spent.append((clock, guest))
        return True


@dataclass(frozen=True, slots=True)
class _Granted:
    """What the enforcer was last told of a guest, and the rank of its band then."""

    desired: Desired
    rank: int


class Acting:
    """Plans each guest's actions when something changed, and has them carried out."""

    def __init__(self, enforcer: Enforcer) -> None:
        self._enforcer = enforcer
        self._radius = Radius()
        self._planned: dict[GuestId, tuple[tuple[object, ...], Desired]] = {}
        self._granted: dict[GuestId, _Granted] = {}
        self._held: set[GuestId] = set()

    def act(
        self,
        guests: Mapping[GuestId, Guest],
        verdicts: Mapping[GuestId, Verdict],
        policy: Policy,
        *,
        running: int,
        at: float,
        clock: float,
    ) -> None:
        """Bring every guest's devices into line with its permissions."""
        due: dict[GuestId, Desired] = {}
        for id_, verdict in verdicts.items():
            desired = self._desired(guests[id_], verdict, policy)
            rank = policy.rank(verdict.standing.band)
            granted = self._granted.get(id_)
            if granted is not None and granted.desired is desired:
                continue
            new = _Granted(desired, rank)
            if _tightens(new, granted) and not self._radius.allows(
                id_, policy.limits.demotions, running, clock
            ):
                self._held.add(id_)
                continue
            self._held.discard(id_)
            self._granted[id_] = new
            due[id_] = desired
        self._tell()
        self._enforcer.reconcile(due, at=at)

    def outcomes(self, guest: GuestId, at: float) -> tuple[Outcome, ...]:
        """What became of a guest's actions, those that are held back included."""
        outcomes = self._enforcer.outcomes(guest)
        if guest not in self._held:
            return outcomes
        _, desired = self._planned[guest]
        withheld = (
            Outcome(action, OutcomeStatus.WITHHELD, at, error=_WHY_HELD)
            for action in desired.actions
            if action not in (outcome.action for outcome in outcomes)
        )
        return (*outcomes, *withheld)

    def forget(self, guest: GuestId) -> None:
        """Drop a guest that is gone."""
        self._planned.pop(guest, None)
        self._granted.pop(guest, None)
        self._held.discard(guest)

    def _desired(self, guest: Guest, verdict: Verdict, policy: Policy) -> Desired:
        key = (guest, verdict.permissions, verdict.mode, policy)
        kept = self._planned.get(guest.id)
        if kept is not None and all(a is b for a, b in zip(kept[0], key, strict=True)):
            return kept[1]
        actions: tuple[Action, ...] = ()
        if not verdict.protected:
            measures = policy.enforcement(verdict.standing.band, verdict.permissions.roles)
            standing = [each.model_dump(exclude_none=True) for each in measures if not each.once]
            actions = plan(guest, verdict.permissions, standing, levers=self._enforcer.levers)
        desired = Desired(actions, verdict.mode)
        if kept is not None and kept[1] == desired:
            desired = kept[1]
        self._planned[guest.id] = (key, desired)
        return desired

    def _tell(self) -> None:
        if bool(self._held) == self._radius.holding:
            return
        self._radius.holding = bool(self._held)
        if self._held:
            log.error("blast radius: narrowing is held back", guests=sorted(self._held))
        else:
            log.info("blast radius: nothing is held back any more")


_WHY_HELD = "held back: too many guests fell at once, which is more often a fault than their guilt"


def _tightens(new: _Granted, before: _Granted | None) -> bool:
    """Whether a guest falls; the first sight of one, after a restart say, is no fall."""
    if before is None or new.desired.mode is not Mode.ENFORCE or not new.desired.actions:
        return False
    return new.rank > before.rank or before.desired.mode is not Mode.ENFORCE
