"""Whether what the daemon shows can be relied upon."""

from __future__ import annotations

from trustd.api.shapes import Check, Readiness
from trustd.metrics import legible
from trustd.model import Fleet

LATE = 3.0
"""Intervals after which the last tick is too old to be called present."""


def readiness(fleet: Fleet | None, age: float, *, local: bool = False) -> Readiness:
    """Judge the last tick.

    A policy that could not be reloaded is no reason: the former one is in force.

    Args:
        fleet: None before the first tick.
        age: seconds since it was published.
        local: whether it is for somebody at the unix socket; others do not hear who paused
            enforcement, and why.
    """
    if fleet is None:
        waiting = Check(ok=False, reason="no tick has been carried out yet")
        checks = dict.fromkeys(
            ("policy", "collection", "hypervisor", "store", "enforcement"), waiting
        )
    else:
        checks = {
            "policy": Check(ok=True, reason=""),
            "collection": _collection(fleet, age),
            "hypervisor": _check(fleet.hypervisor.up, fleet.hypervisor.error, "it does not answer"),
            "store": _check(not fleet.store_error, fleet.store_error, "it takes no writes"),
            "enforcement": _enforcement(fleet, local=local),
        }
    return Readiness(ready=all(check.ok for check in checks.values()), checks=checks)


def _collection(fleet: Fleet, age: float) -> Check:
    if age <= LATE * fleet.interval:
        return Check(ok=True, reason="")
    return Check(
        ok=False,
        reason=f"the last tick is {age:.0f} s old, and one is due every {fleet.interval:g} s",
    )


def _enforcement(fleet: Fleet, *, local: bool) -> Check:
    """What is asked to be enforced and cannot be is an error, never left out in silence."""
    reasons = "; ".join(f"{lever}: {why}" for lever, why in sorted(fleet.lacking.items()))
    if not reasons and (pause := fleet.orders.pause) is not None:
        # somebody wants it so: shown, and no reason to be called unready
        how = "what is narrowed is kept" if pause.keep else "everything is given back"
        why = f"paused by {pause.author.name}, {how}: {pause.reason}" if local else f"paused, {how}"
        return Check(ok=True, reason=legible(why, 1024))
    return _check(
        not reasons, f"the policy needs levers that cannot be pulled: {reasons}", "a lever lacks"
    )


def _check(ok: bool, error: str, otherwise: str) -> Check:  # noqa: FBT001 - a condition as such
    return Check(ok=ok, reason="" if ok else legible(error, 1024) or otherwise)
