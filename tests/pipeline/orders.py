"""Orders given to a scripted line, and what came of them."""

from __future__ import annotations

from math import inf

from tests.lab.waiting import wait_until
from tests.pipeline.scripted import TOO_MUCH, guest_id
from trustd.model import (
    Author,
    Bound,
    OutcomeStatus,
    Override,
    Pause,
    Protection,
    Term,
)

A, B, C = (guest_id(number) for number in range(3))
STRANGER = guest_id(99)
ADA = Author(1000, 42, "ada")
WOULD = OutcomeStatus.WOULD_APPLY


def term(rig, seconds):
    return Term(rig.hypervisor.at, rig.hypervisor.clock, seconds)


def give(rig, order, **options):
    return rig.line.overriding.give(order, at=rig.hypervisor.at, **options)


def override(rig, band, bound=Bound.PIN, *, guest=A, seconds=60.0, **options):
    return give(rig, Override(guest, band, bound, term(rig, seconds), ADA, "because"), **options)


def protect(rig, guest=A, seconds=inf, **options):
    return give(rig, Protection(guest, term(rig, seconds), ADA, "because"), **options)


def pause(rig, seconds=60.0, *, keep=False, **options):
    return give(rig, Pause(keep, term(rig, seconds), ADA, "because"), **options)


def take(rig, kind, guest="", **options):
    return rig.line.overriding.take((kind, guest), ADA, "enough", at=rig.hypervisor.at, **options)


def band(rig, guest=A):
    return rig.fleet.guests[guest].band


def until(rig, condition):
    """Ticks until a condition holds: an attempt that is under way ends when it ends."""

    def so():
        rig.tick()
        return condition()

    # so many ticks are over sooner than a thread that the machine has no time for
    wait_until(so, "what the ticks bring about", seconds=90)


def statuses(rig, guest=A):
    return {outcome.status for outcome in rig.fleet.guests[guest].outcomes}


def fall(rig, guest=A):
    rig.hypervisor.writes[guest] = TOO_MUCH
    rig.tick()
    assert band(rig, guest) == "guarded"
