"""Everything about one guest in one tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trustd.model.access import EffectivePermissions, Mode
from trustd.model.features import Gap
from trustd.model.findings import Finding
from trustd.model.guest import Guest, GuestId
from trustd.model.opinion import Opinion
from trustd.model.override import UNORDERED, Ordered


class Freshness(StrEnum):
    """What is known of a guest at a tick. Unknown is neither good nor bad."""

    FRESH = "fresh"
    """Its emulator answered in this tick."""
    PARTIAL = "partial"
    """The emulator does not answer; what can be had without it is shown."""
    STALE = "stale"
    """The hypervisor cannot be reached; the last values are shown with their age."""
    IDLE = "idle"
    """It does not run, so there is nothing to measure."""


class OutcomeStatus(StrEnum):
    """What became of an action."""

    APPLIED = "applied"
    WOULD_APPLY = "would-apply"
    HELD = "held"
    """It was applied before and still is."""
    RESTORED = "restored"
    WITHHELD = "withheld"
    """Too many guests fell at once; trustd waits for somebody to look."""
    YIELDED = "yielded"
    """Somebody else changed it, and the policy gives way to them."""
    DONE = "done"
    """It happened once, when the guest entered its band."""
    REFUSED = "refused"
    FAILED = "failed"
    TIMED_OUT = "timed-out"


Setting = Mapping[str, int | str | bool]
"""A state of a device, in the words of the lever that sets it."""


@dataclass(frozen=True, slots=True)
class Action:
    """A desired state of one of a guest's devices. Doing it twice is doing it once.

    Args:
        guest: whose device it is.
        lever: the actuator's name (``disk-throttle``, ``cpu-quota``, ``nic-link``).
        device: the device's name in the lever's terms; empty for the whole guest.
        setting: the state to bring about.
        because: why, for a person: the band, and the permission that it makes untrue.
        weaker: what the exact lever would be where this one is only the nearest
            that the host can do; empty where it is exact.
    """

    guest: GuestId
    lever: str
    device: str
    setting: Setting
    because: str
    weaker: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action.

    Args:
        at: epoch seconds.
        prior: the device's state before trustd first changed it.
        error: why it failed; empty where it did not.
        seconds: how long it took.
        foreign: what somebody else had changed of it; empty where nobody did.
        tries: how often it failed one after the other.
        again: epoch seconds at which it is tried again; 0 where nothing is to be.
    """

    action: Action
    status: OutcomeStatus
    at: float
    prior: Setting = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0
    foreign: str = ""
    tries: int = 0
    again: float = 0.0


Place = tuple[GuestId, str, str]
"""A guest, a lever and a device."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A device's state before trustd changed it, kept until it is given back.

    Args:
        run: which run of the guest; what was set live in another run is void.
        prior: the state before the first change.
        ours: states that trustd may have put in force, the latest last.
        at: epoch seconds of the first change.
        yielded: what was wanted when somebody else's change in this run was yielded
            to; None where none was.
    """

    guest: GuestId
    lever: str
    device: str
    run: str
    prior: Setting
    ours: tuple[Setting, ...]
    at: float
    yielded: Setting | None = None

    @property
    def place(self) -> Place:
        """What it is about."""
        return self.guest, self.lever, self.device


@dataclass(frozen=True, slots=True)
class Driver:
    """One of the terms that made the trust value what it is.

    Args:
        name: a feature, or a finding's kind.
        share: its part of the evidence against the guest, in [0, 1].
        text: value, expectation and rarity in real units, for a person.
    """

    name: str
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything about one guest in one tick: what every reader reads.

    Args:
        tick: number of the tick since the daemon started.
        at: epoch seconds of the sample, or of the tick where there is none.
        age: seconds since the guest was last sampled whole; NaN if never.
        samples: by feature.
        trust: in [0, 1].
        since: epoch seconds since which it is in its band.
        outcomes: of the actions in force and of those that ended in this tick.
        mode: the mode in which the actions were taken.
        policy: sha256 of the policy.
        automatic: the band that it would be in without orders; empty where it is in it.
        ordered: what operators ordered of it.
    """

    guest: Guest
    tick: int
    at: float
    freshness: Freshness
    age: float
    samples: Mapping[str, float | Gap]
    findings: tuple[Finding, ...]
    opinion: Opinion
    trust: float
    drivers: tuple[Driver, ...]
    permissions: EffectivePermissions
    since: float
    outcomes: tuple[Outcome, ...]
    mode: Mode
    policy: str
    automatic: str = ""
    ordered: Ordered = UNORDERED

    @property
    def id(self) -> GuestId:
        """The guest's UUID."""
        return self.guest.id

    @property
    def band(self) -> str:
        """The guest's band."""
        return self.permissions.band
