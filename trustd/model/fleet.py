"""The whole host at one tick: the one snapshot that every reader reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trustd.model.access import Mode
from trustd.model.assessment import Assessment
from trustd.model.guest import GuestId
from trustd.model.override import Orders


@dataclass(frozen=True, slots=True)
class HypervisorCondition:
    """The state of the connection to the hypervisor.

    Args:
        up: whether it answers.
        since: epoch seconds of the last change of ``up``.
        error: why it does not answer.
        abandoned: calls that were given up and have not come back.
        unresponsive: guests whose emulator does not answer.
    """

    up: bool
    since: float
    error: str = ""
    abandoned: int = 0
    unresponsive: int = 0


@dataclass(frozen=True, slots=True)
class HostLoad:
    """How busy the host is; each in [0, 1].

    Args:
        cpu, memory, io: share of time in which some work waited for it.
    """

    cpu: float = 0.0
    memory: float = 0.0
    io: float = 0.0

    @property
    def contention(self) -> float:
        """The worst of them: how much of a slowdown is not a guest's fault."""
        return max(self.cpu, self.memory, self.io)


@dataclass(frozen=True, slots=True)
class PluginHealth:
    """How one collector fares.

    Args:
        seconds: what its last run took.
        errors: how often it failed since the daemon started.
        error: why its last run failed; empty where it did not.
    """

    seconds: float = 0.0
    errors: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class LeverHealth:
    """Whether this host can pull a lever.

    Args:
        available: None while nobody was asked: nothing is enforced, or nothing runs.
        why: why it cannot; empty where it can.
    """

    available: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """The policy in force.

    Args:
        id: sha256 of its canonical form.
        loaded: epoch seconds.
        error: why a newer one was not taken; empty where it was.
    """

    name: str
    id: str
    path: str
    loaded: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class WallBreach:
    """A guest that runs, and that a wall of the policy in force refuses.

    Args:
        wall, value: the wall, and the guest's value; empty where it has no label.
        held: the value that runs here and conflicts; empty where the guest has no label.
    """

    guest: GuestId
    name: str
    wall: str
    value: str
    held: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every guest's assessment at one tick, and how the daemon itself fares.

    Args:
        tick: number of the tick since the daemon started, from 1.
        at: epoch seconds at which the tick began.
        seconds: what the tick took.
        interval: seconds between two ticks.
        overruns: ticks that were left out because the one before still ran.
        guests: by UUID.
        bands: every band of the policy, best first.
        mode: the policy's mode; a role's or a band's own stands in the assessment.
        host: None where the host does not say.
        plugins: by name.
        store_error: why the repository does not take writes; empty while it does.
        orders: what operators ordered, and has not ended.
        held: guests that are not narrowed as they should be, with the reason:
            ``too-many`` fell at once, the hypervisor is ``blind``, or ``paused``.
        breaches: what runs against a wall, by guest.
    """

    tick: int
    at: float
    seconds: float
    interval: float
    overruns: int
    guests: Mapping[GuestId, Assessment]
    bands: tuple[str, ...]
    mode: Mode
    policy: PolicyInfo
    hypervisor: HypervisorCondition
    host: HostLoad | None = None
    plugins: Mapping[str, PluginHealth] = field(default_factory=dict)
    store_error: str = ""
    levers: Mapping[str, LeverHealth] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    orders: Orders = field(default_factory=Orders)
    held: Mapping[GuestId, str] = field(default_factory=dict)
    breaches: tuple[WallBreach, ...] = ()
