"""The documents of the API, field by field; the schema is generated from these.

Times are epoch seconds. A number that does not exist is null, and the field
beside it, or ``freshness``, says why; it is never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trustd.api.feedback_shapes import StandingDoc
from trustd.api.override_shapes import OrdersDoc, OverrideDoc, PauseDoc, ProtectionDoc


@dataclass(frozen=True, slots=True)
class DriverDoc:
    """One of the terms that made the trust value what it is."""

    name: str
    share: float | None
    text: str


@dataclass(frozen=True, slots=True)
class ActionDoc:
    """An action on one of the guest's devices and what became of it.

    ``foreign`` is what somebody else had changed of it. ``tries`` is how often it failed
    in a row and ``again`` when it is tried next, in epoch seconds; null where it is not.
    """

    lever: str
    device: str
    setting: Mapping[str, int | str | bool]
    because: str
    weaker: str
    status: str
    at: float | None
    prior: Mapping[str, int | str | bool]
    error: str
    seconds: float | None
    foreign: str
    tries: int
    again: float | None


@dataclass(frozen=True, slots=True)
class GuestSummary:
    """A guest in a list. ``restricted`` names the levers that narrow it, or would.

    ``automatic`` is the band that trust makes of it, ``override`` and ``protection``
    what operators made of that.
    """

    id: str
    name: str
    state: str
    freshness: str
    age: float | None
    at: float | None
    trust: float | None
    uncertainty: float | None
    band: str
    since: float | None
    mode: str
    roles: Sequence[str]
    labels: Mapping[str, str]
    drivers: Sequence[DriverDoc]
    lost: int
    restricted: Sequence[str]
    automatic: str
    override: OverrideDoc | None
    protection: ProtectionDoc | None


@dataclass(frozen=True, slots=True)
class GuestList:
    """One page of the guests. ``next`` is the address of the page after it.

    ``bands`` are those of the policy, best first.
    """

    tick: int
    at: float | None
    mode: str
    bands: Sequence[str]
    total: int
    next: str | None
    guests: Sequence[GuestSummary]
    pause: PauseDoc | None


@dataclass(frozen=True, slots=True)
class OpinionDoc:
    """Belief, disbelief and uncertainty, which add up to 1."""

    belief: float | None
    disbelief: float | None
    uncertainty: float | None
    base_rate: float | None


@dataclass(frozen=True, slots=True)
class SampleDoc:
    """One measured number, or null with the reason for which there is none."""

    value: float | None
    unit: str
    gap: str | None


@dataclass(frozen=True, slots=True)
class FindingDoc:
    """One discrete piece of behaviour that is still open."""

    kind: str
    key: str
    severity: str
    family: str
    source: str
    at: float | None
    summary: str
    facts: Mapping[str, str | int | float | None]


@dataclass(frozen=True, slots=True)
class AccessDoc:
    """What a guest may do to one object, and what its band took away."""

    type: str
    id: str
    held: Sequence[str]
    lost: Sequence[str]


@dataclass(frozen=True, slots=True)
class PermissionsDoc:
    """What a guest's roles permit in its present band."""

    id: str
    name: str
    mode: str
    band: str
    roles: Sequence[str]
    policy: str
    access: Sequence[AccessDoc]


@dataclass(frozen=True, slots=True)
class DiskDoc:
    """A disk of a guest."""

    target: str
    identity: str
    kind: str
    readonly: bool


@dataclass(frozen=True, slots=True)
class NicDoc:
    """A network interface of a guest."""

    mac: str
    network: str
    tap: str
    link: bool


@dataclass(frozen=True, slots=True)
class GuestDoc:
    """Everything that is known of a guest at the last tick."""

    tick: int
    summary: GuestSummary
    policy: str
    vcpus: int
    memory: int
    disks: Sequence[DiskDoc]
    nics: Sequence[NicDoc]
    host_devices: Sequence[str]
    opinion: OpinionDoc
    samples: Mapping[str, SampleDoc]
    findings: Sequence[FindingDoc]
    access: Sequence[AccessDoc]
    actions: Sequence[ActionDoc]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a guest's trust is what it is, and what follows from it.

    ``missing`` gives the reason for each feature that could not be measured.
    ``standing`` is the scoring engine's own account; null where a tick that is
    under way leaves it no time.
    """

    tick: int
    id: str
    name: str
    at: float | None
    freshness: str
    age: float | None
    trust: float | None
    opinion: OpinionDoc
    band: str
    since: float | None
    mode: str
    policy: str
    drivers: Sequence[DriverDoc]
    findings: Sequence[FindingDoc]
    missing: Mapping[str, str]
    lost: Sequence[AccessDoc]
    actions: Sequence[ActionDoc]
    automatic: str
    override: OverrideDoc | None
    protection: ProtectionDoc | None
    standing: StandingDoc | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many guests there are, by what."""

    total: int
    restricted: int
    by_band: Mapping[str, int]
    by_freshness: Mapping[str, int]
    by_state: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PolicyDoc:
    """The policy in force; ``error`` says why a newer one was not taken."""

    name: str
    id: str
    path: str
    loaded: float | None
    error: str


@dataclass(frozen=True, slots=True)
class HypervisorDoc:
    """The connection to the hypervisor."""

    up: bool
    since: float | None
    error: str
    abandoned: int
    unresponsive: int


@dataclass(frozen=True, slots=True)
class HostDoc:
    """Share of time in which work on the host waited for each resource."""

    cpu: float | None
    memory: float | None
    io: float | None


@dataclass(frozen=True, slots=True)
class PluginDoc:
    """How one collector fares."""

    seconds: float | None
    errors: int
    error: str


@dataclass(frozen=True, slots=True)
class LeverDoc:
    """Whether this host can pull a lever; null before it was tried, ``why`` where not."""

    name: str
    available: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of readiness."""

    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether what the daemon shows can be relied upon, condition by condition."""

    ready: bool
    checks: Mapping[str, Check]


@dataclass(frozen=True, slots=True)
class Liveness:
    """The process answers; nothing is said of what it watches."""

    alive: bool
    version: str


@dataclass(frozen=True, slots=True)
class WallBreachDoc:
    """A guest that runs, and that a wall of the policy refuses; ``held`` runs here too."""

    guest: str
    name: str
    wall: str
    value: str
    held: str


@dataclass(frozen=True, slots=True)
class Status:
    """The daemon's condition in one document.

    ``incidents`` counts those that nobody has resolved yet; null where none are kept.
    ``local`` is whether it was asked for over the unix socket, where more is answered.
    """

    version: str
    ready: bool
    checks: Mapping[str, Check]
    tick: int
    at: float | None
    age: float
    seconds: float | None
    interval: float
    overruns: int
    mode: str
    bands: Sequence[str]
    guests: Counts
    policy: PolicyDoc
    hypervisor: HypervisorDoc
    host: HostDoc | None
    plugins: Mapping[str, PluginDoc]
    levers: Sequence[LeverDoc]
    store_error: str
    streams: int
    wall_violations: Sequence[WallBreachDoc]
    orders: OrdersDoc
    on_stop: str
    incidents: int | None
    local: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A guest whose band, freshness, state or actions changed in a tick.

    ``was`` has the former values of the fields that differ; it is null for a
    guest that is new.
    """

    id: str
    name: str
    trust: float | None
    uncertainty: float | None
    band: str
    freshness: str
    state: str
    since: float | None
    actions: Sequence[str]
    was: Mapping[str, str | Sequence[str]] | None


@dataclass(frozen=True, slots=True)
class TickEvent:
    """What one tick changed. ``gone`` are the identities of guests that left."""

    tick: int
    at: float | None
    mode: str
    hypervisor_up: bool
    guests: Counts
    changed: Sequence[Change]
    gone: Sequence[str]


@dataclass(frozen=True, slots=True)
class ProblemDoc:
    """What is wrong with a request (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
