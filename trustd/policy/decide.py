"""May this subject do this to that object? A pure function.

The gates, in their order: what is unknown, what is forbidden, walls, types, and then
a role's permit that the band leaves open. Whatever fails says why.
"""

from __future__ import annotations

from collections.abc import Mapping

from trustd.model import Decision, Mode
from trustd.policy import reasons
from trustd.policy.compile import Policy
from trustd.policy.entities import Ruling, Subject, Target
from trustd.policy.grants import Grant
from trustd.policy.selectors import NONE
from trustd.policy.walls import (
    NOBODY,
    NOTHING,
    Blocked,
    History,
    Occupied,
    bindings,
    bound,
    occupied_by,
)

NO_GRANTS: Mapping[int, tuple[Grant, ...]] = {}

Detail = Mapping[str, str | float]
Failure = tuple[str, Detail]
"""A reason code and the terms of it."""


def decide(
    policy: Policy,
    subject: Subject | None,
    action: str,
    target: Target | None,
    *,
    band: str,
    at: float,
    history: History = NOTHING,
    occupied: Occupied = NOBODY,
) -> Ruling:
    """Decide.

    Args:
        subject, target: made by the same policy; None where they are not known.
        band: of the subject; ignored for subjects that are not measured. A name that
            the policy does not know is its last band.
        at: epoch seconds; exceptions end by it.
        history: what the subject is bound to by history walls.
        occupied: who runs on the host, for running walls.

    Raises:
        ValueError: subject or target was made by another policy.
    """
    if subject is None or target is None or action not in policy.actions:
        return _refused(policy, subject, band, _unknown(policy, subject, action))
    if subject.policy != policy.id or target.policy != policy.id:
        # Its object sets have other bits there: whatever came out would be by chance.
        raise ValueError("subject and target must be made by the policy that decides")
    if subject.bans or target.guards or policy.barriers:
        barred = _barred(policy, subject, action, target, history=history, occupied=occupied)
        if barred is not None:
            return _refused(policy, subject, band, barred)
    rank = policy.ranks.get(band, policy.lowest) if subject.measured else 0
    ruling = _by_roles(policy, subject, action, target, rank=rank, at=at)
    if target.guards and ruling.decision.permit:
        binds = bindings(target.guards, history)
        return Ruling(ruling.decision, binds) if binds else ruling
    return ruling


def _by_roles(
    policy: Policy, subject: Subject, action: str, target: Target, *, rank: int, at: float
) -> Ruling:
    """The permits of the active roles, as far as the band leaves them."""
    lifted, exception = rank, ""
    if subject.lifts or subject.protected:
        lifted, exception = lifted_rank(subject, action, target, rank, at)
    sets = target.sets
    mode = subject.modes[rank]
    near: Grant | None = None
    grants = subject.grants.get(action, NO_GRANTS)
    for bit in target.bits:
        for grant in grants.get(bit, ()):
            if grant.match and not grant.fits(subject.values, target.values):
                continue
            if lifted <= grant.floor and not grant.drops[lifted] & sets:
                key = (grant, rank, mode, exception)
                return policy.rulings.get(key) or _permitted(policy, key)
            if near is None or grant.reach(sets) > near.reach(sets):
                near = grant
    if near is not None:
        narrowed = (near, rank, mode, lifted, near.reach(sets))
        return policy.rulings.get(narrowed) or _narrowed(policy, narrowed)
    return _ungranted(policy, subject, action, target, rank)


def lifted_rank(
    subject: Subject, action: str, target: Target, rank: int, at: float
) -> tuple[int, str]:
    """The band's rank for this request, and the exception that lifted it, if any."""
    if subject.protected:
        return 0, ""
    exception = ""
    for lift in subject.lifts:
        if (
            lift.floor < rank
            and at < lift.until
            and action in lift.actions
            and lift.bit & target.sets
        ):
            rank, exception = lift.floor, lift.id
    return rank, exception


def _unknown(policy: Policy, subject: Subject | None, action: str) -> Failure:
    """Which of action, subject and type the policy does not know."""
    if action not in policy.actions:
        return reasons.UNKNOWN_ACTION, {"action": action}
    return (reasons.UNKNOWN_SUBJECT if subject is None else reasons.UNKNOWN_TYPE), {}


def _barred(
    policy: Policy,
    subject: Subject,
    action: str,
    target: Target,
    *,
    history: History,
    occupied: Occupied,
) -> Failure | None:
    """The first of forbid, wall and type that stands in the way."""
    for ban in subject.bans:
        if ban.covers(action, subject.values, target.values, target.sets):
            return reasons.FORBID, {"rule": ban.reason}
    if policy.running_walls and subject.measured:
        # Only guests run on the host; other subjects meet the walls of history alone.
        wall = occupied_by(policy.running_walls, subject.values, occupied)
        if wall is not None:
            return _walled(wall)
    if target.guards:
        wall = bound(target.guards, action, history)
        if wall is not None:
            return _walled(wall)
    for label in policy.type_labels.get(target.ref.type, ()):
        if subject.values.get(label, NONE).isdisjoint(target.values.get(label, NONE)):
            return reasons.TYPE, {"label": label}
    return None


def _walled(wall: Blocked) -> Failure:
    return reasons.WALL, {"wall": wall.wall, "value": wall.value, "held": wall.held}


def _refused(policy: Policy, subject: Subject | None, band: str, failure: Failure) -> Ruling:
    """A denial before any role was looked at."""
    reason, detail = failure
    rank = policy.rank(band) if subject is None or subject.measured else 0
    mode = policy.mode if subject is None else subject.modes[rank]
    return _denial(policy, reason, rank, mode, detail=detail)


def _denial(
    policy: Policy, reason: str, rank: int, mode: Mode, *, role: str = "", detail: Detail
) -> Ruling:
    return Ruling(
        Decision(
            permit=False,
            reason=reason,
            mode=mode,
            policy=policy.id,
            band=policy.bands[rank],
            role=role,
            detail=detail,
        )
    )


def _permitted(policy: Policy, key: tuple[Grant, int, Mode, str]) -> Ruling:
    """The answer of one grant in one band; kept, for it is given again and again."""
    grant, rank, mode, exception = key
    detail: dict[str, str | float] = {"object_set": grant.object_set}
    if exception:
        detail["exception"] = exception
    decision = Decision(
        permit=True,
        reason=reasons.PERMIT,
        mode=mode,
        policy=policy.id,
        band=policy.bands[rank],
        role=grant.role,
        detail=detail,
    )
    return policy.rulings.setdefault(key, Ruling(decision))


def _narrowed(policy: Policy, key: tuple[Grant, int, Mode, int, int]) -> Ruling:
    """A permit that the band closed, with the band that would open it."""
    grant, rank, mode, lifted, reach = key
    reason = reasons.BAND_DROP
    if lifted > grant.cap_floor:
        reason = reasons.BAND_CAP
    elif lifted > grant.keep_floor:
        reason = reasons.BAND_KEEP
    detail: dict[str, str | float] = {
        "object_set": grant.object_set,
        "closed_in": policy.bands[reach + 1],
    }
    if reach >= 0:
        detail.update(policy.needs(reach))
    denial = _denial(policy, reason, rank, mode, role=grant.role, detail=detail)
    return policy.rulings.setdefault(key, denial)


def _ungranted(policy: Policy, subject: Subject, action: str, target: Target, rank: int) -> Ruling:
    """No permit covers the request: none at all, or one whose labels do not match."""
    mode = subject.modes[rank]
    for bit in target.bits:
        for grant in subject.grants.get(action, NO_GRANTS).get(bit, ()):
            theirs, mine = grant.misfit(subject.values, target.values)
            detail = {"object_set": grant.object_set, "object_label": theirs, "label": mine}
            return _denial(policy, reasons.MATCH, rank, mode, role=grant.role, detail=detail)
    reason = reasons.NO_GRANT if subject.roles else reasons.NO_ROLE
    key = (reason, rank, mode)
    return policy.rulings.get(key) or policy.rulings.setdefault(
        key, _denial(policy, reason, rank, mode, detail={})
    )
