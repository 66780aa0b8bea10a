"""The levers that trustd pulls, one a file."""

from __future__ import annotations

from pathlib import Path

from trustd.enforce.actuator import Actuator
from trustd.enforce.actuators.cpu_quota import CpuQuota
from trustd.enforce.actuators.disk_gate import DiskGate
from trustd.enforce.actuators.disk_throttle import DiskThrottle
from trustd.enforce.actuators.isolate_port import IsolatePort
from trustd.enforce.actuators.nic_bandwidth import NicBandwidth
from trustd.enforce.actuators.nic_filter import NicFilter
from trustd.enforce.actuators.nic_link import NicLink
from trustd.enforce.actuators.pause import Pause
from trustd.enforce.actuators.quarantine import Quarantine
from trustd.enforce.actuators.unplug import Unplug
from trustd.enforce.cgroups import CGROUPS
from trustd.gate import Gates

__all__ = [
    "CpuQuota",
    "DiskGate",
    "DiskThrottle",
    "IsolatePort",
    "NicBandwidth",
    "NicFilter",
    "NicLink",
    "Pause",
    "Quarantine",
    "Unplug",
    "standard_actuators",
]


def standard_actuators(cgroups: Path = CGROUPS, gates: Gates | None = None) -> tuple[Actuator, ...]:
    """Every lever that this trustd has.

    Args:
        cgroups: where the control groups of the hypervisor's host are mounted.
        gates: of its guests' disks; None for none.
    """
    return (
        CpuQuota(cgroups),
        DiskGate(gates or Gates()),
        DiskThrottle(),
        IsolatePort(),
        NicBandwidth(),
        NicFilter(),
        NicLink(),
        Pause(),
        Quarantine(),
        Unplug(),
    )
