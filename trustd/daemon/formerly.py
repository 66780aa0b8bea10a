"""What was answered, or would have been, at a time that has passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isnan

from trustd.api.access_shapes import DecisionDoc, GateDoc, WhyDoc
from trustd.api.office import NotKnown
from trustd.errors import PolicyError
from trustd.model import GuestState, Mode, ObjectRef
from trustd.pipeline import GONE, Registry
from trustd.pipeline.registry import labels_under
from trustd.policy import Policy, Subject, explain, load_policy
from trustd.policy.terms import GUEST
from trustd.policy.walls import NOBODY, Occupied, occupancy
from trustd.repository import Entry, Past, PolicyVersions
from trustd.repository.past import Run

_ABSENT = frozenset({GuestState.SHUTOFF, GONE})


@dataclass(frozen=True, slots=True)
class Then:
    """One guest at a time.

    Args:
        seen: the last that was told of it as a whole.
        band: its band, as told last, at ``since``.
        run, following: the run of the daemon that had begun, and the one after it.
    """

    seen: Entry
    band: str
    trust: float | None
    since: float
    run: Run
    following: Run | None


class Formerly:
    """Tells from the repository what the decision point said. Blocks, for it reads and compiles."""

    def __init__(self, past: Past, versions: PolicyVersions) -> None:
        self._past = past
        self._versions = versions

    def why(
        self, key: str, action: str, target: ObjectRef, at: float, registry: Registry
    ) -> WhyDoc:
        """Why a guest was permitted something at a time, or was not.

        Args:
            key: the guest's UUID, or its name at that time.
            at: epoch seconds.
            registry: the present one, by whose names an object may be meant.

        Raises:
            NotKnown: nothing is known of that time, or of that guest then.
            StoreError: the repository cannot be read.
        """
        past, then = self._past, self.then(key, at)
        guest, document = then.seen.guest, then.seen.document
        version = self._versions.get(document["policy"])
        if version is None:
            raise NotKnown(f"the policy of {shown(at)} was not kept: {document['policy']}")
        try:
            policy = load_policy(version.text, version.path)
        except PolicyError as error:
            raise NotKnown(
                f"the policy that was in force at {shown(at)} can no longer be read: {error}"
            ) from error
        names = registry.names(target)
        labels = labels_under(names, past.objects(at))
        told = explain(
            policy,
            _subject(policy, then.seen),
            action,
            policy.target(target, labels, [name.id for name in names]),
            band=then.band,
            at=at,
            trust=then.trust,
            history=past.bound(GUEST, guest, at),
            occupied=self._occupied(policy, then, at),
        )
        decision = told.decision
        recorded = past.ruling(guest, action, target, at)
        return WhyDoc(
            guest=guest,
            name=then.seen.name,
            action=action,
            type=target.type,
            id=target.id,
            permit=decision.permit,
            reason=decision.reason,
            text=told.text,
            nearest=told.nearest,
            gates=[GateDoc(gate.name, gate.passed) for gate in told.gates],
            band=decision.band,
            role=decision.role,
            mode=decision.mode,
            policy=decision.policy,
            trust=then.trust,
            labels=document["labels"],
            object_labels=labels,
            at=at,
            notes=tuple(_notes(then, at)),
            recorded=None if recorded is None else DecisionDoc(*recorded),
        )

    def then(self, key: str, at: float) -> Then:
        """A guest at a time.

        Raises:
            NotKnown: nothing is known of that time, or of that guest then.
        """
        run, following = self._past.runs(at)
        if run is None:
            begins = f": the journal begins at {shown(following.at)}" if following else ""
            raise NotKnown(f"nothing is known of {shown(at)}{begins}")
        guest = self._past.named(key, at)
        seen = None if guest is None else self._past.seen(guest, at)
        if seen is None:
            raise NotKnown(f"no guest {key[:64]!r} was known at {shown(at)}")
        if seen.document["state"] == GONE:
            raise NotKnown(f"{seen.name} was gone at {shown(at)}, since {shown(seen.at)}")
        moved = self._past.band(seen.guest, at)
        if moved is not None and moved.at >= seen.at:
            trust, band, since = moved.document["trust"], moved.document["after"], moved.at
        else:
            trust, band, since = seen.document["trust"], seen.document["band"], seen.at
        return Then(seen, band, trust, since, run, following)

    def _occupied(self, policy: Policy, then: Then, at: float) -> Occupied:
        """Who ran on the host, as far as a wall looks at it."""
        if not policy.running_walls:
            return NOBODY
        return occupancy(
            policy.running_walls,
            {
                guest: policy.values(guest, entry.document["labels"])
                for guest, entry in self._past.everybody(at).items()
                # who was told of in an earlier run only may be gone since
                if entry.at >= then.run.at and entry.document["state"] not in _ABSENT
            },
        )


def _subject(policy: Policy, seen: Entry) -> Subject:
    """The guest as decisions saw it, with the orders of operators heeded."""
    document = seen.document
    subject = policy.subject(GUEST, seen.guest, document["labels"], document["roles"])
    assert subject is not None  # noqa: S101 - every policy knows guests
    modes = (Mode.OBSERVE,) * len(subject.modes) if document["observed"] else subject.modes
    return replace(subject, protected=document["protected"], modes=modes)


def _notes(then: Then, at: float) -> Iterator[str]:
    """What is to be known about the answer."""
    trust = "unknown" if then.trust is None or isnan(then.trust) else f"{then.trust:.2f}"
    yield f"band {then.band} was told at {shown(then.since)}, with trust {trust}"
    yield from doubts(then, at)


def doubts(then: Then, at: float) -> Iterator[str]:
    """What is uncertain of a time."""
    if then.seen.at < then.run.at:
        yield f"the guest was not heard of since trustd began at {shown(then.run.at)}"
    following = then.following
    if following is not None and not isnan(following.heard) and following.heard < at:
        yield (
            f"trustd may not have run then: its last sign is of {shown(following.heard)}, and it"
            f" began again at {shown(following.at)}; shown is what held at the last"
        )


def shown(at: float) -> str:
    """A time for people.

    >>> shown(0.0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
