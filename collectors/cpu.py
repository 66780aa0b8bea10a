"""How much processor time a guest takes, and how much the host keeps from it."""

from __future__ import annotations

import numpy as np

from trustd.model import (
    Columns,
    FeatureSpec,
    FloatArray,
    ReplyTable,
    StatGroup,
    Unit,
    counter_rate,
    device_rate,
    scaled,
    while_running,
)


class Cpu:
    """Processor use and steal, each in percent of the guest's present vCPUs.

    Source: ``cpu.time``, ``vcpu.current`` and ``vcpu.N.delay`` of libvirt's bulk
    statistics, in nanoseconds. Use is not cut off at 100: the emulator's own
    threads count too, and a guest can keep them busy.
    """

    name = "cpu"
    features = (
        FeatureSpec("cpu.usage", Unit.PERCENT, "cpu"),
        FeatureSpec("cpu.steal", Unit.PERCENT, "cpu", contended=True),
    )
    groups = StatGroup.STATE | StatGroup.CPU_TOTAL | StatGroup.VCPU

    def collect(self, before: ReplyTable, after: ReplyTable, *, seconds: FloatArray) -> Columns:
        """Measure every guest of the fleet at once."""
        vcpus = after.column("vcpu.current")
        # Nanoseconds a second, to percent of all vCPUs.
        percent = 1e-7 / np.where(vcpus >= 1, vcpus, np.nan)
        usage = counter_rate(before.column("cpu.time"), after.column("cpu.time"), seconds)
        steal = device_rate(before.devices("vcpu"), after.devices("vcpu"), "delay", seconds)
        both = Columns.stack([scaled(usage, percent), scaled(steal, percent)])
        return while_running(both, before, after)
