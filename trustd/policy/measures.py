"""What ``enforce:`` may ask for: each measure with its parameters.

A new measure is a new class in :data:`Measure`; nothing else in the policy knows
them one by one. Standing measures hold while a guest is in the band or in a worse
one; the others happen once, when it enters.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from trustd.documents import Percent, PerSecond, Strict
from trustd.model import Severity
from trustd.policy.terms import Name


class _Measure(Strict):
    """A measure; of two of the same kind and place, the tighter one holds."""

    once: ClassVar[bool] = False

    @property
    def place(self) -> tuple[str, ...]:
        """Measures of one place replace one another."""
        return (self.do,)  # type: ignore[attr-defined]

    def tightened(self, other: Self) -> Self:
        """The tighter of the two in every number, and what either of them asks for."""
        limits: dict[str, object] = {}
        for name in type(self).model_fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, bool):
                limits[name] = mine or theirs
            elif isinstance(mine, int | float) and isinstance(theirs, int | float):
                limits[name] = min(mine, theirs)
            elif mine is None:
                limits[name] = theirs
        return self.model_copy(update=limits)


class Throttle(_Measure):
    """Limit every disk of the guest."""

    do: Literal["throttle"]
    disk_iops: PerSecond | None = Field(default=None, description="requests a second")
    disk_read_iops: PerSecond | None = None
    disk_write_iops: PerSecond | None = None
    disk_bytes: PerSecond | None = Field(default=None, description="such as 4MiB/s")
    disk_read_bytes: PerSecond | None = None
    disk_write_bytes: PerSecond | None = None


class CpuQuota(_Measure):
    """Limit the processors of the guest."""

    do: Literal["cpu-quota"]
    percent: Percent = Field(gt=0, description="of each virtual processor")


class NicLink(_Measure):
    """Take the link of every network interface down."""

    do: Literal["nic-link"]
    state: Literal["down"] = "down"


class NicBandwidth(_Measure):
    """Limit every network interface."""

    do: Literal["nic-bandwidth"]
    receive: PerSecond | None = Field(default=None, description="such as 10MiB/s")
    send: PerSecond | None = None


class NicFilter(_Measure):
    """Put a filter of the host on every network interface."""

    do: Literal["nic-filter"]
    filter: Name


class IsolatePort(_Measure):
    """Let the guest's ports reach no other isolated port."""

    do: Literal["isolate-port"]


class Quarantine(_Measure):
    """Move every network interface to a network of its own."""

    do: Literal["quarantine"]
    network: Name


class DiskGate(_Measure):
    """Let reads or writes of a gated disk fail at once."""

    do: Literal["disk-gate"]
    deny: Literal["write", "read", "all"] = "write"

    @property
    def place(self) -> tuple[str, ...]:
        """Reading and writing are gated apart."""
        return (self.do, self.deny)


class Unplug(_Measure):
    """Detach the devices of one type; needs the guest's co-operation."""

    do: Literal["unplug"]
    type: Literal["volume", "network", "device"]
    or_pause: bool = Field(default=False, description="pause a guest that refuses")

    @property
    def place(self) -> tuple[str, ...]:
        """Each type of device is apart."""
        return (self.do, self.type)


class Pause(_Measure):
    """Stop the guest's processors."""

    do: Literal["pause"]


class Capture(_Measure):
    """Keep the guest's memory or disks as evidence."""

    once: ClassVar[bool] = True
    do: Literal["capture"]
    memory: bool = True
    disks: bool = False


class Alert(_Measure):
    """Tell the operator."""

    once: ClassVar[bool] = True
    do: Literal["alert"]
    severity: Severity = Severity.MAJOR

    @property
    def place(self) -> tuple[str, ...]:
        """Alerts of different severity go to different people."""
        return (self.do, self.severity)


class Hook(_Measure):
    """Run a command that the settings name; the policy cannot bring one."""

    once: ClassVar[bool] = True
    do: Literal["hook"]
    name: Name

    @property
    def place(self) -> tuple[str, ...]:
        """Each command is apart."""
        return (self.do, self.name)


Measure = Annotated[
    Throttle
    | CpuQuota
    | NicLink
    | NicBandwidth
    | NicFilter
    | IsolatePort
    | Quarantine
    | DiskGate
    | Unplug
    | Pause
    | Capture
    | Alert
    | Hook,
    Field(discriminator="do"),
]
"""One entry of ``enforce:``."""
