"""What one tick changed, against the one before: a pure comparison."""

from __future__ import annotations

from collections.abc import Sequence

from trustd.api.shapes import Change, TickEvent
from trustd.api.views import LONGEST_NAME, counts, number, summary
from trustd.metrics import legible
from trustd.model import Assessment, Fleet, OutcomeStatus


def compare(before: Fleet | None, after: Fleet) -> TickEvent:
    """The event of a tick.

    Args:
        before: the fleet at the last tick; None at the first, when every guest is
            new.
    """
    known = before.guests if before else {}
    changed = [
        change
        for guest in after.guests.values()
        if (change := _change(known.get(guest.id), guest)) is not None
    ]
    return TickEvent(
        tick=after.tick,
        at=number(after.at),
        mode=after.mode,
        hypervisor_up=after.hypervisor.up,
        guests=counts(after),
        changed=changed,
        gone=sorted(known.keys() - after.guests.keys()),
    )


def _change(before: Assessment | None, after: Assessment) -> Change | None:
    was = None
    if before is not None:
        if _alike(before, after):
            return None
        now = _visible(after)
        was = {key: value for key, value in _visible(before).items() if value != now[key]}
    short = summary(after)
    return Change(
        id=short.id,
        name=short.name,
        trust=short.trust,
        uncertainty=short.uncertainty,
        band=short.band,
        freshness=short.freshness,
        state=short.state,
        since=short.since,
        actions=_actions(after),
        was=was,
    )


def _alike(before: Assessment, after: Assessment) -> bool:
    """Whether there is nothing to tell; quick, because that is so of almost every guest."""
    return (
        before.band == after.band
        and before.freshness is after.freshness
        and before.guest.state is after.guest.state
        and before.guest.name == after.guest.name
        and (before.outcomes == after.outcomes or _actions(before) == _actions(after))
    )


def _visible(guest: Assessment) -> dict[str, str | Sequence[str]]:
    """What makes a change worth an event."""
    return {
        "band": guest.band,
        "freshness": guest.freshness,
        "state": guest.guest.state,
        "name": legible(guest.guest.name, LONGEST_NAME),
        "actions": _actions(guest),
    }


def _actions(guest: Assessment) -> list[str]:
    """``lever device status`` of each action; one that lasts is applied still.

    A dash stands for the whole guest.
    """
    return sorted(
        f"{outcome.action.lever} {legible(outcome.action.device, LONGEST_NAME) or '-'}"
        f" {_lasting(outcome.status)}"
        for outcome in guest.outcomes
    )


def _lasting(status: OutcomeStatus) -> OutcomeStatus:
    return OutcomeStatus.APPLIED if status is OutcomeStatus.HELD else status
