"""What another policy would change on this host, as a document."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from trustd.api import access_shapes as shapes
from trustd.decisions import DecisionPoint, World
from trustd.model import GuestState, ObjectRef
from trustd.policy import Policy
from trustd.policy.diff import Change, Live, difference
from trustd.policy.terms import GUEST


def difference_of(
    point: DecisionPoint, new: Policy, *, at: float, clock: float
) -> shapes.DifferenceDoc:
    """Every guest x every known object x every action, by the policy in force and by another.

    Args:
        at: epoch seconds.
        clock: seconds of the boot clock.
    """
    world = point.world
    old = world.policy
    objects = _objects(world, new)
    found = difference(old, new, _guests(point, world), objects, at=at, clock=clock)
    names = {id_: seen.guest.name for id_, seen in world.guests.items()}

    def changed(change: Change) -> shapes.ChangeDoc:
        return shapes.ChangeDoc(
            change.guest,
            names[change.guest],
            change.action,
            change.object.type,
            change.object.id,
            change.before.reason,
            change.after.reason,
        )

    return shapes.DifferenceDoc(
        old=old.id,
        new=new.id,
        questions=len(world.guests) * len(objects) * len(old.actions | new.actions),
        granted=[changed(each) for each in found.granted],
        revoked=[changed(each) for each in found.revoked],
        moved=[
            shapes.MoveDoc(each.guest, names[each.guest], each.bands, each.roles, each.modes)
            for each in found.moved
        ],
        broken=[
            shapes.BrokenDoc(id_, names[id_], wall.wall, wall.value, wall.held)
            for id_, wall in found.broken
        ],
    )


def _guests(point: DecisionPoint, world: World) -> list[Live]:
    return [
        Live(
            id_,
            seen.guest.labels,
            seen.standing,
            trust=None if isnan(world.trust[id_]) else world.trust[id_],
            active=seen.subject.roles,
            history=point.history(GUEST, id_),
            running=seen.guest.state is not GuestState.SHUTOFF,
        )
        for id_, seen in sorted(world.guests.items())
    ]


def _objects(world: World, new: Policy) -> Mapping[ObjectRef, Mapping[str, str]]:
    """Labels of every known object, those included that only the new policy registers."""
    registry = world.directory.registry
    found = {
        ObjectRef(kind, id_): registry.object(ObjectRef(kind, id_))
        for kind in sorted(world.policy.objects.types | new.objects.types)
        for id_ in world.objects(kind)
    }
    return {**{ref: dict(labels) for ref, labels in new.registered.items()}, **found}
