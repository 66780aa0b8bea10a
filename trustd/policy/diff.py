"""What a new policy would change, on the guests and objects that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trustd.model import Decision, Mode, ObjectRef
from trustd.policy.bands import Standing
from trustd.policy.compile import Policy
from trustd.policy.decide import decide
from trustd.policy.entities import Subject
from trustd.policy.selectors import Labels, Values
from trustd.policy.terms import GUEST
from trustd.policy.walls import NOTHING, Blocked, History, occupancy, violations


@dataclass(frozen=True, slots=True)
class Live:
    """One guest as it is now.

    Args:
        standing: under the old policy.
        trust: in [0, 1]; None where there is none.
        active: the roles it holds in this run.
        running: whether it runs on the host.
    """

    id: str
    labels: Labels
    standing: Standing
    trust: float | None = None
    active: tuple[str, ...] = ()
    history: History = field(default_factory=lambda: NOTHING)
    running: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """One answer that differs."""

    guest: str
    action: str
    object: ObjectRef
    before: Decision
    after: Decision

    @property
    def granted(self) -> bool:
        """Whether the new policy permits what the old one denies."""
        return self.after.permit


@dataclass(frozen=True, slots=True)
class Moved:
    """A guest whose band, roles or mode differ."""

    guest: str
    bands: tuple[str, str]
    roles: tuple[tuple[str, ...], tuple[str, ...]]
    modes: tuple[Mode, Mode]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs.

    Args:
        broken: guests that run now and that a wall of the new policy refuses.
    """

    granted: tuple[Change, ...]
    revoked: tuple[Change, ...]
    moved: tuple[Moved, ...]
    broken: tuple[tuple[str, Blocked], ...]


def difference(
    old: Policy,
    new: Policy,
    guests: Iterable[Live],
    objects: Mapping[ObjectRef, Mapping[str, str]],
    *,
    at: float,
    clock: float,
) -> Difference:
    """Compare two policies: guests x actions x objects.

    Args:
        objects: labels by object.
        at: epoch seconds.
        clock: seconds of the clock on which dwell is measured.
    """
    guests = list(guests)
    changes: list[Change] = []
    moved: list[Moved] = []
    sides = [_Side(policy, guests, objects) for policy in (old, new)]
    for live in guests:
        saved = old.relays.save(live.standing)
        standing = new.relays.restore(saved, at=at)
        standing = new.relays.step(standing, live.trust, at=at, clock=clock)
        bands = (live.standing.band, standing.band)
        subjects = [side.subject(live) for side in sides]
        moved.extend(_moved(live.id, bands, sides, subjects))
        for ref in objects:
            for action in sorted(old.actions | new.actions):
                before, after = (
                    side.decision(live, subject, action, ref, band=band, at=at)
                    for side, subject, band in zip(sides, subjects, bands, strict=True)
                )
                if before.permit != after.permit:
                    changes.append(Change(live.id, action, ref, before, after))
    return Difference(
        tuple(change for change in changes if change.granted),
        tuple(change for change in changes if not change.granted),
        tuple(moved),
        violations(new.walls, sides[1].running),
    )


class _Side:
    """One of the two policies with the present guests and objects."""

    def __init__(
        self,
        policy: Policy,
        guests: Sequence[Live],
        objects: Mapping[ObjectRef, Mapping[str, str]],
    ) -> None:
        self.policy = policy
        self.running: Mapping[str, Values] = {
            live.id: policy.values(live.id, live.labels) for live in guests if live.running
        }
        self._occupied = occupancy(policy.walls, self.running)
        self._targets = {ref: policy.target(ref, labels) for ref, labels in objects.items()}

    def subject(self, live: Live) -> Subject | None:
        """A guest as this policy sees it."""
        return self.policy.subject(GUEST, live.id, live.labels, live.active)

    def decision(
        self,
        live: Live,
        subject: Subject | None,
        action: str,
        ref: ObjectRef,
        *,
        band: str,
        at: float,
    ) -> Decision:
        """What this policy answers."""
        return decide(
            self.policy,
            subject,
            action,
            self._targets[ref],
            band=band,
            at=at,
            history=live.history,
            occupied=self._occupied,
        ).decision


def _moved(
    guest: str,
    bands: tuple[str, str],
    sides: Sequence[_Side],
    subjects: Sequence[Subject | None],
) -> Iterable[Moved]:
    old, new = (subject.roles if subject else () for subject in subjects)
    before, after = (
        side.policy.mode_of(roles, band)
        for side, roles, band in zip(sides, (old, new), bands, strict=True)
    )
    if bands[0] != bands[1] or old != new or before is not after:
        yield Moved(guest, bands, (old, new), (before, after))
