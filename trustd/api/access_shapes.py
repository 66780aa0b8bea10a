"""The documents of the access half: decisions, labels, the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GateDoc:
    """One step of a decision; ``passed`` is null where it was not reached."""

    name: str
    passed: bool | None


@dataclass(frozen=True, slots=True)
class WhyDoc:
    """A decision with its reasons. Asking binds nobody and is not recorded.

    Of a time that has passed, ``at``, there are ``notes`` on what is known of it, and the last
    decision on the same question that was ``recorded`` by then, if any.
    """

    guest: str
    name: str
    action: str
    type: str
    id: str
    permit: bool
    reason: str
    text: str
    nearest: str
    gates: Sequence[GateDoc]
    band: str
    role: str
    mode: str
    policy: str
    trust: float | None
    labels: Mapping[str, str]
    object_labels: Mapping[str, str]
    at: float | None = None
    notes: Sequence[str] = ()
    recorded: DecisionDoc | None = None


@dataclass(frozen=True, slots=True)
class CanDoc:
    """What a guest may do to one object; what it may not, with the reason code."""

    type: str
    id: str
    permitted: Sequence[str]
    denied: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CanList:
    """What a guest may do to every object that is known."""

    guest: str
    name: str
    band: str
    mode: str
    policy: str
    roles: Sequence[str]
    objects: Sequence[CanDoc]


@dataclass(frozen=True, slots=True)
class DecisionDoc:
    """One decision that was given to a service."""

    at: float
    caller: str
    dialect: str
    subject_type: str
    subject: str
    action: str
    object_type: str
    object: str
    permit: bool
    reason: str
    band: str
    mode: str
    policy: str


@dataclass(frozen=True, slots=True)
class DecisionList:
    """Decisions, the newest first."""

    decisions: Sequence[DecisionDoc]


@dataclass(frozen=True, slots=True)
class ExceptionDoc:
    """An exception of the policy, and the guests that it is for."""

    id: str
    floor: str
    until: float
    over: bool
    actions: Sequence[str]
    object: str
    by: str
    reason: str
    guests: Sequence[str]


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The policy in force.

    ``error`` says why a newer one was not taken, ``violations`` what runs against its walls.
    """

    name: str
    id: str
    path: str
    mode: str
    loaded: float
    error: str
    bands: Sequence[str]
    exceptions: Sequence[ExceptionDoc]
    text: str
    violations: Sequence[BrokenDoc]


@dataclass(frozen=True, slots=True)
class LabelsDoc:
    """The labels of a guest or an object; ``given`` are those set by an administrator."""

    type: str
    id: str
    labels: Mapping[str, str]
    given: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabelChange:
    """Labels to set and to take away; with ``dry_run`` only to see what there would be."""

    type: str
    id: str
    set: Mapping[str, str] = field(default_factory=dict)
    remove: Sequence[str] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy's text, to be compared with the one in force; ``path`` is for its errors."""

    text: str
    path: str = "policy"


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """``force`` takes a policy over whose walls refuse what runs now; ``dry_run`` takes none."""

    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ReloadDoc:
    """The policy that came into force, or would; ``violations`` run against its walls."""

    name: str
    id: str
    doubts: Sequence[str]
    violations: Sequence[str]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class ObjectDoc:
    """An object by its stable identity; ``names`` mean it too, ``guests`` have it as a device."""

    type: str
    id: str
    names: Sequence[str]
    labels: Mapping[str, str]
    guests: Sequence[str]


@dataclass(frozen=True, slots=True)
class ObjectList:
    """Objects that are known, by type and identity."""

    objects: Sequence[ObjectDoc]


@dataclass(frozen=True, slots=True)
class ChangeDoc:
    """One answer that would differ."""

    guest: str
    name: str
    action: str
    type: str
    id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class MoveDoc:
    """A guest whose band, roles or mode would differ; each as before and after."""

    guest: str
    name: str
    band: Sequence[str]
    roles: Sequence[Sequence[str]]
    mode: Sequence[str]


@dataclass(frozen=True, slots=True)
class BrokenDoc:
    """A guest that runs and that a wall of the new policy refuses."""

    guest: str
    name: str
    wall: str
    value: str
    held: str


@dataclass(frozen=True, slots=True)
class DifferenceDoc:
    """What a policy would change on the guests and objects that there are."""

    old: str
    new: str
    questions: int
    granted: Sequence[ChangeDoc]
    revoked: Sequence[ChangeDoc]
    moved: Sequence[MoveDoc]
    broken: Sequence[BrokenDoc]
