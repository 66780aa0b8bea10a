"""The shape of a policy document. What it means as a whole is checked in references.py."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trustd.documents import Instant, Level, PerHour, Ratio, Seconds, Strict
from trustd.model import Mode, Severity
from trustd.policy.measures import Measure
from trustd.policy.terms import GUEST, LabelOrId, Name, Names, Select, SubjectRef, Texts


class SubjectType(Strict):
    """A type of subject that trustd does not measure, such as ``user``."""

    properties: Literal["refuse", "accept"] = Field(
        default="refuse",
        description="whether a registered caller may bring properties, which then win",
    )


class SubjectRule(Strict):
    """Subjects whose labels fit have these roles."""

    type: Name = GUEST
    id: Texts | None = None
    select: Select = Field(default_factory=dict)
    roles: Names


class ObjectSet(Strict):
    """Objects of one type whose labels fit; without ``select``, all of the type."""

    type: Name
    id: Texts | None = None
    select: Select = Field(default_factory=dict)


class Permit(Strict):
    """Actions on an object set, where labels of object and subject match."""

    actions: Names
    object: Name = Field(description="the name of an object set")
    match: dict[LabelOrId, LabelOrId] = Field(
        default_factory=dict, description="object label: guest label ($id is the identity)"
    )


class Drop(Strict):
    """Actions on an object set that are taken away."""

    actions: Names
    object: Name


class Narrow(Strict):
    """What remains of a role in a band and in all worse ones."""

    keep: tuple[Name, ...] | None = Field(default=None, description="only these actions remain")
    drop: tuple[Drop, ...] = ()


class Role(Strict):
    """A named permission set."""

    permits: tuple[Permit, ...] = ()
    narrow: dict[Name, Narrow] = Field(default_factory=dict)
    mode: Mode | None = None
    enforce: dict[Name, tuple[Measure, ...]] = Field(default_factory=dict)


class Band(Strict):
    """A level of trust. The last band has neither ``enter`` nor ``leave``."""

    name: Name
    enter: Ratio | None = Field(default=None, description="trust at which the band is entered")
    leave: Ratio | None = Field(default=None, description="trust below which it is left")
    cap: tuple[Name, ...] | None = Field(
        default=None, description="the only actions that remain; absent: all"
    )
    mode: Mode | None = None
    start: bool = Field(
        default=True, description="whether a guest in it may start, arrive or be restored"
    )
    manage: bool = Field(
        default=True,
        description="whether others may snapshot, save, move, change or remove a guest in it",
    )


class Dwell(Strict):
    """How long trust must hold before a change. Falling takes no time."""

    up: Seconds = 300.0


class Stale(Strict):
    """What a guest that is not measured any more is worth."""

    after: Seconds = 30.0
    then: Literal["bottom", "cap", "hold"] = "cap"
    band: Name | None = Field(
        default=None, description="for cap: no better than this; absent: the last but one"
    )
    give_up: Seconds | None = Field(default=None, description="after this, the bottom band")


class Trust(Strict):
    """Bands, best first."""

    bands: Annotated[tuple[Band, ...], Field(min_length=2, max_length=16)]
    dwell: Dwell = Dwell()
    stale: Stale = Stale()


class Wall(Strict):
    """A Chinese Wall over the values of one label."""

    name: Name
    label: Name
    conflicts: Annotated[
        tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...], Field(min_length=1)
    ]
    mode: Literal["running", "history"] = Field(
        description="running: two conflicting guests never run together; "
        "history: who touched one value never touches another"
    )
    write_rule: Literal["none", "strict"] = "none"
    writes: tuple[Name, ...] = Field(
        default=(), description="for write_rule strict: the actions that write"
    )


class TypeRule(Strict):
    """Simple Type Enforcement: without a common value there is no access."""

    label: Name
    types: Annotated[tuple[Name, ...], Field(min_length=1)]


class Demotions(Strict):
    """At most this many guests are narrowed in this time; beyond it, hold and alert."""

    max: Annotated[int, Field(ge=1)] = 3
    percent: Annotated[float, Field(gt=0, le=100)] = 20.0
    per: Seconds = 600.0


class Limits(Strict):
    """Bounds of what trustd may do by itself."""

    demotions: Demotions = Demotions()
    foreign: Literal["reassert", "yield"] = Field(
        default="reassert",
        description="when somebody else changes what trustd put in force on a guest",
    )


class Incidents(Strict):
    """When a fall of trust becomes something that a person has to look at."""

    open_at: Name | None = Field(
        default=None,
        description="a guest in this band or a worse one; absent: the last two, never the first",
    )
    severities: dict[Name, Severity] = Field(
        default_factory=dict,
        description="by band; absent: critical in the last one, else major",
    )
    hold: Severity = Field(
        default=Severity.CRITICAL, description="of a hold because too many guests fell at once"
    )
    respond: dict[Severity, Seconds] = Field(
        default_factory=lambda: {Severity.CRITICAL: 900.0, Severity.MAJOR: 4 * 3600.0},
        description="until when it should be acknowledged, by severity; absent: no deadline",
    )
    reopen: Seconds = Field(
        default=24 * 3600.0,
        description="a guest that falls again so soon after a resolution re-opens its incident",
    )
    resolve: Seconds | None = Field(
        default=None,
        description="resolve by itself what has been recovered for so long; absent: never",
    )


class ExceptionRule(Strict):
    """For a time, one subject is treated as if it were in a better band."""

    id: Name
    subject: SubjectRef
    actions: Names
    object: Name
    floor: Name
    until: Instant
    by: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]


class Forbid(Strict):
    """Never, whatever the roles permit. What is left out means all."""

    subject: SubjectRef | None = None
    actions: Names | None = None
    object: Name | None = None
    match: dict[LabelOrId, LabelOrId] = Field(
        default_factory=dict,
        description="only where labels of object and subject match, as in a permit",
    )
    reason: Annotated[str, Field(min_length=1)]


class Exclusive(Strict):
    """Of these roles, a subject is active in at most ``max`` during one run."""

    roles: Annotated[tuple[Name, ...], Field(min_length=2)]
    max: Annotated[int, Field(ge=1)] = 1


class Never(Strict):
    """An invariant: a policy that breaks it is not loaded."""

    roles: Names | None = Field(default=None, description="absent: every role")
    actions: Names
    object: Name
    at_or_below: Name | None = Field(default=None, description="absent: in every band")


class Expectation(Strict):
    """Bounds for one feature, stated by the operator."""

    max: Level | None = None
    min: Level | None = None
    sustained: Seconds = Field(default=0.0, alias="for")
    severity: Severity = Severity.MAJOR


class HalfLife(Strict):
    """How fast evidence fades."""

    good: Seconds | None = None
    bad: Seconds | None = None


class Family(Strict):
    """How much one source of evidence may say."""

    cap: Annotated[float, Field(gt=0)] = 100.0
    reliability: Ratio = 1.0


class BehaviourRule(Strict):
    """What behaviour is worth. In a role, what is left out is the default's."""

    warmup: Seconds | None = None
    probation: Name | None = Field(default=None, description="the band of a newcomer")
    half_life: HalfLife = HalfLife()
    rise: PerHour | None = None
    families: dict[Name, Family] = Field(default_factory=dict)
    findings: dict[Name, Severity] = Field(default_factory=dict)
    ceilings: dict[Severity, Ratio] = Field(default_factory=dict)
    expect: dict[Name, Expectation] = Field(default_factory=dict)
    ignore: tuple[Name, ...] = ()


class Source(Strict):
    """What another service may report of guests, and how far it is believed."""

    families: Names = Field(description="the families of evidence that it may speak of")
    reliability: Ratio = Field(default=1.0, description="how far all that it says is believed")
    severity: Severity = Field(
        default=Severity.MAJOR, description="what a finding of it counts as at most"
    )
    longest: Annotated[Seconds, Field(gt=0)] = Field(
        default=86400.0, description="how long a finding of it may hold unless it is repeated"
    )
    good: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0,
        description="good evidence that it may give a guest at most; 0: it may say nothing good",
    )
    per_minute: Annotated[int, Field(ge=1, le=60_000)] = Field(
        default=600, description="reports that are taken of it in a minute"
    )


Identity = Annotated[str, Field(min_length=1)]


class LabelledObject(Strict):
    """Labels of one object, by its stable identity. Each has one value."""

    type: Name
    id: Identity
    labels: dict[Name, str] = Field(default_factory=dict)


class LabelledSubject(Strict):
    """Labels of one subject that is not a guest; a label may have several values."""

    type: Name
    id: Identity
    labels: dict[Name, Texts] = Field(default_factory=dict)


class Registry(Strict):
    """Labels that are given in a document."""

    objects: tuple[LabelledObject, ...] = ()
    subjects: tuple[LabelledSubject, ...] = ()


class RegistryDocument(Registry):
    """A document of labels beside the policy."""

    api_version: Literal["trustd/v1"] = Field(alias="apiVersion")


class PolicyDocument(Strict):
    """A whole policy."""

    stand_ins: ClassVar[dict[str, str]] = {"apiVersion": "trustd/v1", "name": "unnamed"}

    api_version: Literal["trustd/v1"] = Field(alias="apiVersion")
    name: Name
    mode: Mode = Mode.OBSERVE
    actions: dict[Name, tuple[Name, ...]] = Field(default_factory=dict, max_length=1000)
    subject_types: dict[Name, SubjectType] = Field(default_factory=dict)
    subjects: tuple[SubjectRule, ...] = ()
    objects: dict[Name, ObjectSet] = Field(default_factory=dict)
    roles: dict[Name, Role] = Field(default_factory=dict)
    trust: Trust
    walls: tuple[Wall, ...] = ()
    types: tuple[TypeRule, ...] = ()
    forbid: tuple[Forbid, ...] = ()
    exclusive: tuple[Exclusive, ...] = ()
    never: tuple[Never, ...] = ()
    protect: tuple[SubjectRef, ...] = ()
    enforce: dict[Name, tuple[Measure, ...]] = Field(default_factory=dict)
    limits: Limits = Limits()
    incidents: Incidents = Incidents()
    exceptions: tuple[ExceptionRule, ...] = ()
    behaviour: dict[Name, BehaviourRule] = Field(default_factory=dict)
    sources: dict[Name, Source] = Field(
        default_factory=dict, description="senders of evidence, by their names in the settings"
    )
    registry: Registry = Registry()
