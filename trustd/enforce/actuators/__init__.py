"""The levers that trustd pulls, one a file."""

from __future__ import annotations

from pathlib import Path

from trustd.enforce.actuator import Actuator
from trustd.enforce.actuators.cpu_quota import CpuQuota
from trustd.enforce.actuators.disk_throttle import DiskThrottle
from trustd.enforce.actuators.nic_link import NicLink
from trustd.enforce.cgroups import CGROUPS

__all__ = ["CpuQuota", "DiskThrottle", "NicLink", "standard_actuators"]


def standard_actuators(cgroups: Path = CGROUPS) -> tuple[Actuator, ...]:
    """Every lever that this trustd has.

    Args:
        cgroups: where the control groups of the hypervisor's host are mounted.
    """
    return (CpuQuota(cgroups), DiskThrottle(), NicLink())
