"""The access half as the API shows and changes it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping
from math import isnan

import structlog

from trustd.api import access_shapes as shapes
from trustd.api.office import Duty
from trustd.api.peer import Peer
from trustd.api.then_shapes import ThenDoc
from trustd.config import AdministrationSettings
from trustd.daemon.access import Access, boot_clock
from trustd.daemon.between import Between
from trustd.daemon.differing import difference_of
from trustd.daemon.formerly import Formerly
from trustd.daemon.recounting import recount
from trustd.daemon.reloading import Reloading
from trustd.decisions import Asker, Question
from trustd.errors import Unsettled
from trustd.model import Assessment, GuestId, ObjectRef
from trustd.pipeline import objects_of
from trustd.policy.terms import GUEST
from trustd.repository import Entry

log = structlog.get_logger()

OPERATOR = Asker("trustctl", "api")
"""Whoever asks over the API: known, and bringing nothing."""

REFUSALS = (10, 60.0)
"""Refused changes that are journalled at most, and in how many seconds."""


class Administration:
    """Explains decisions, and changes labels and the policy."""

    def __init__(
        self,
        access: Access,
        settings: AdministrationSettings,
        between: Between,
        reloading: Reloading,
    ) -> None:
        self._access = access
        self._between = between
        self._reloading = reloading
        administrators, operators = {settings.group}, {settings.operators}
        self._groups = {
            Duty.ADMINISTER: administrators,
            Duty.OPERATE: administrators | operators,
        }
        self._changing = threading.Lock()
        self._refusals: dict[int | None, deque[float]] = {}

    def why(self, guest: Assessment, action: str, target: ObjectRef) -> shapes.WhyDoc:
        """Why a guest may do something, or not."""
        question = Question(GUEST, guest.id, action, target.type, target.id)
        told = self._access.point.explain(OPERATOR, question)
        decision = told.decision
        seen = self._access.point.world.guest(guest.id)
        return shapes.WhyDoc(
            guest=guest.id,
            name=guest.guest.name,
            action=action,
            type=target.type,
            id=target.id,
            permit=decision.permit,
            reason=decision.reason,
            text=told.text,
            nearest=told.nearest,
            gates=[shapes.GateDoc(gate.name, gate.passed) for gate in told.gates],
            band=decision.band,
            role=decision.role,
            mode=decision.mode,
            policy=decision.policy,
            trust=None if isnan(guest.trust) else guest.trust,
            labels=dict(seen.guest.labels) if seen else {},
            object_labels=dict(self._access.point.world.directory.registry.object(target)),
            notes=self._orders(question),
        )

    def _orders(self, question: Question) -> tuple[str, ...]:
        """What an operator ordered that has a say in an answer."""
        order = self._access.point.world.override(question, time.time(), boot_clock())
        if order is None:
            return ()
        said = f"{order.bound} {order.band} by {order.author.name}: {order.reason}"
        return (f"an override has the guest {said}",)

    def why_then(self, guest: str, action: str, target: ObjectRef, at: float) -> shapes.WhyDoc:
        """Why a guest was permitted something at a time that has passed, or was not."""
        registry = self._access.point.world.directory.registry
        stores = self._access.stores
        formerly = Formerly(stores.past, stores.versions)
        return formerly.why(guest, action, target, at, registry)

    def then(self, guest: str, at: float) -> ThenDoc:
        """How a guest stood at a time that has passed, and why."""
        stores = self._access.stores
        return recount(stores.past, Formerly(stores.past, stores.versions), guest, at)

    def can(self, guest: Assessment) -> shapes.CanList:
        """What a guest may do to every object that is known."""
        point = self._access.point
        world = point.world
        seen = world.guest(guest.id)
        actions = sorted(seen.subject.grants) if seen else []
        objects = []
        for kind in sorted(world.policy.objects.types):
            for identity in world.objects(kind):
                asked = [Question(GUEST, guest.id, each, kind, identity) for each in actions]
                decided = {each.action: point.explain(OPERATOR, each).decision for each in asked}
                objects.append(
                    shapes.CanDoc(
                        kind,
                        identity,
                        [action for action, found in decided.items() if found.permit],
                        {a: found.reason for a, found in decided.items() if not found.permit},
                    )
                )
        _, band = world.party(
            OPERATOR, Question(GUEST, guest.id, "", "", ""), time.time(), boot_clock()
        )
        return shapes.CanList(
            guest=guest.id,
            name=guest.guest.name,
            band=band,
            mode=guest.mode,
            policy=world.policy.id,
            roles=seen.subject.roles if seen else (),
            objects=objects,
        )

    def policy(self) -> shapes.PolicyText:
        """The policy in force."""
        world, loaded = self._access.point.world, self._access.loaded
        policy, now = world.policy, time.time()
        return shapes.PolicyText(
            name=policy.name,
            id=policy.id,
            path=str(self._access.source.path),
            mode=policy.mode,
            loaded=loaded.at,
            error=loaded.error,
            bands=policy.bands,
            exceptions=[
                shapes.ExceptionDoc(
                    id=each.id,
                    floor=each.floor,
                    until=each.until,
                    over=each.until <= now,
                    actions=each.actions,
                    object=each.object,
                    by=each.by,
                    reason=each.reason,
                    guests=[
                        id_
                        for id_, seen in sorted(world.guests.items())
                        if any(lift.id == each.id for lift in seen.subject.lifts)
                    ],
                )
                for each in policy.document.exceptions
            ],
            text=loaded.text,
            violations=[
                shapes.BrokenDoc(each.guest, each.name, each.wall, each.value, each.held)
                for each in self._access.breaches
            ],
        )

    async def reload(self, *, force: bool, dry_run: bool, peer: Peer) -> shapes.ReloadDoc:
        """Take over the policy file, between two ticks; or only say whether that would do."""
        by, reloading = {"uid": peer.uid, "pid": peer.pid}, self._reloading
        loaded = await self._between.do(
            lambda: reloading.read(force=force) if dry_run else reloading.now(force=force, by=by)
        )
        return shapes.ReloadDoc(
            loaded.policy.name,
            loaded.policy.id,
            [str(doubt.problem) for doubt in loaded.doubts],
            [problem.message for problem in loaded.broken],
            dry_run,
        )

    def objects(self, kind: str | None) -> shapes.ObjectList:
        """The objects that are known, with every name and label."""
        world = self._access.point.world
        registry = world.directory.registry
        held: dict[ObjectRef, list[str]] = {}
        for id_, seen in sorted(world.guests.items()):
            for ref in objects_of(seen.guest):
                held.setdefault(registry.identity(ref), []).append(id_)
        refs = (
            ObjectRef(each, identity)
            for each in sorted(world.policy.objects.types)
            if kind in {None, each}
            for identity in world.objects(each)
        )
        return shapes.ObjectList(
            [
                shapes.ObjectDoc(
                    ref.type,
                    ref.id,
                    [name.id for name in registry.names(ref) if name != ref],
                    dict(registry.object(ref)),
                    held.get(ref, []),
                )
                for ref in refs
            ]
        )

    def labels(self, kind: str, identity: str) -> shapes.LabelsDoc:
        """The labels of a guest or an object."""
        world = self._access.point.world
        registry = world.directory.registry
        given = registry.given.get((kind, identity), {})
        if kind == GUEST:
            seen = world.guest(identity)
            found = dict(seen.guest.labels) if seen else dict(given)
        else:
            found = dict(registry.object(ObjectRef(kind, identity)))
        return shapes.LabelsDoc(kind, identity, found, dict(given))

    def decisions(
        self, *, subject: str | None, permit: bool | None, most: int
    ) -> shapes.DecisionList:
        """The newest decisions that were recorded."""
        found = self._access.stores.rulings.last(subject=subject, permit=permit, most=most)
        return shapes.DecisionList([shapes.DecisionDoc(*record) for record in found])

    def difference(self, text: str, path: str) -> shapes.DifferenceDoc:
        """What another policy would change."""
        point, source = self._access.point, self._access.source
        new = source.parse(text, path)
        return difference_of(point, new, at=time.time(), clock=boot_clock())

    def relabel(self, change: shapes.LabelChange, peer: Peer) -> shapes.LabelsDoc:
        """Change labels; in force from the next tick on."""
        entity, store = (change.type, change.id), self._access.stores.labels
        with self._changing:
            before = dict(store.all().get(entity, {}))
            after = {
                name: value
                for name, value in {**before, **change.set}.items()
                if name not in change.remove
            }
            is_guest = change.type == GUEST
            seen = self._access.point.world.guest(change.id) if is_guest else None
            entry = Entry(
                time.time(),
                GuestId(change.id if is_guest else ""),
                seen.guest.name if seen else "",
                "label",
                {
                    "type": change.type,
                    "id": change.id,
                    "before": before,
                    "after": after,
                    "uid": peer.uid,
                    "pid": peer.pid,
                },
            )
            if not change.dry_run:
                try:
                    store.change(entity, change.set, change.remove, entry)
                except Unsettled:
                    # the next tick goes by what the disk has
                    self._access.labels_changed()
                    raise
        if not change.dry_run:
            self._access.labels_changed()
            log.info("labels changed", type=change.type, id=change.id, labels=after, uid=peer.uid)
        shown = self.labels(*entity).labels
        others = {name: value for name, value in shown.items() if name not in before}
        return shapes.LabelsDoc(*entity, {**others, **after}, after)

    def may_change(self, peer: Peer, groups: Collection[int], duty: Duty) -> bool:
        """Root, the daemon's own user, and the members of the groups of the settings."""
        return peer.uid in {0, os.geteuid()} or not self._groups[duty].isdisjoint(groups)

    def refused(self, peer: Peer | None, what: Mapping[str, str]) -> None:
        """Journal a change that was refused; not without bound, for anybody can ask."""
        most, within = REFUSALS
        now = boot_clock()
        # each user apart: whoever asks without end hides nobody else's asking
        asked = self._refusals.setdefault(peer.uid if peer else None, deque())
        while asked and now - asked[0] > within:
            asked.popleft()
        if len(asked) >= most:
            return
        asked.append(now)
        document = {**what, "uid": peer.uid if peer else None, "pid": peer.pid if peer else None}
        log.warning("a change was refused", **document)
        self._access.stores.journal.append(
            [Entry(time.time(), GuestId(""), "", "refused", document)]
        )
