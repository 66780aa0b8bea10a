"""May a guest start here, arrive or be restored; may others manage it? Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from trustd.model import Mode
from trustd.policy import Policy, Subject
from trustd.policy import reasons as why
from trustd.policy.walls import NOBODY, Occupied, occupied_by

BAND_START = "band-start"
BAND_MANAGE = "band-manage"

_OVERRIDE = "trust, or an override of its band, changes that"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A guest at the door.

    Args:
        subject: made by the policy that decides.
        band: where it stands now.
    """

    subject: Subject
    band: str


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a guest is not let in.

    Args:
        reason: a stable code.
        text: half a sentence for a person, in the policy's words.
        remedy: the other half: what changes it.
    """

    reason: str
    text: str
    remedy: str
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether somebody is let in.

    Args:
        objection: what stands against it; in observe mode it is told, and does not count.
    """

    mode: Mode
    objection: Objection | None

    @property
    def permit(self) -> bool:
        """Whether it may happen."""
        return self.objection is None or self.mode is Mode.OBSERVE

    @property
    def reason(self) -> str:
        """A stable code."""
        return self.objection.reason if self.objection else why.PERMIT


Check = Callable[[Policy, Visitor, Occupied], Objection | None]
"""One reason not to let a guest in; None where it does not object."""


def by_band(policy: Policy, visitor: Visitor, _occupied: Occupied) -> Objection | None:
    """Guests in some bands do not start."""
    if policy.starts[_rank(policy, visitor)]:
        return None
    text = f"it is in the band {visitor.band}, in which the policy lets no guest start"
    return Objection(BAND_START, text, _OVERRIDE, {"band": visitor.band})


def by_walls(policy: Policy, visitor: Visitor, occupied: Occupied) -> Objection | None:
    """Guests with conflicting values of a label never run together."""
    blocked = occupied_by(policy.running_walls, visitor.subject.values, occupied)
    if blocked is None:
        return None
    label = next(wall.label for wall in policy.running_walls if wall.name == blocked.wall)
    detail = {"wall": blocked.wall, "value": blocked.value, "held": blocked.held}
    if not blocked.value:
        text = f'it has no label "{label}", which the wall "{blocked.wall}" asks of every guest'
        return Objection(why.WALL, text, "give it one", detail)
    others = sorted(occupied[blocked.wall][blocked.held] - {visitor.subject.id})
    text = (
        f'the wall "{blocked.wall}" keeps {label} {blocked.value} from {blocked.held},'
        f" and {others[0]} runs here or is about to"
    )
    remedy = "it may come when that one has gone"
    return Objection(why.WALL, text, remedy, {**detail, "guest": others[0]})


def by_management(policy: Policy, visitor: Visitor, _occupied: Occupied) -> Objection | None:
    """Guests in some bands are not snapshotted, saved, moved, changed or removed."""
    if policy.manages[_rank(policy, visitor)]:
        return None
    text = f"it is in the band {visitor.band}, in which the policy lets nobody do that"
    return Objection(BAND_MANAGE, text, _OVERRIDE, {"band": visitor.band})


ENTRY: tuple[Check, ...] = (by_band, by_walls)
"""What is asked of a guest that comes, in this order."""
MANAGEMENT: tuple[Check, ...] = (by_management,)
"""What is asked where somebody would manage a guest."""


def admit(
    policy: Policy, visitor: Visitor, checks: Iterable[Check], occupied: Occupied = NOBODY
) -> Admission:
    """Decide by the first check that objects.

    Args:
        occupied: who runs on the host, and who is about to.
    """
    mode = visitor.subject.modes[policy.rank(visitor.band)]
    found = (objection for check in checks if (objection := check(policy, visitor, occupied)))
    return Admission(mode, next(found, None))


def _rank(policy: Policy, visitor: Visitor) -> int:
    """The rank that counts: a protected guest is never narrowed."""
    return 0 if visitor.subject.protected else policy.rank(visitor.band)
