"""What a guest reads from and writes to its disks."""

from __future__ import annotations

from trustd.model import (
    Columns,
    FeatureSpec,
    FloatArray,
    ReplyTable,
    StatGroup,
    Unit,
    device_rate,
    while_running,
)


class Disk:
    """Bytes and requests a second over all of a guest's disks and drives.

    Source: ``block.N.*`` of libvirt's bulk statistics, counted by the emulator:
    what the guest asked of its virtual disks, not what reached the host's.
    """

    name = "disk"
    features = (
        FeatureSpec("disk.read.bytes", Unit.BYTES_PER_SECOND, "disk"),
        FeatureSpec("disk.write.bytes", Unit.BYTES_PER_SECOND, "disk"),
        FeatureSpec("disk.read.requests", Unit.EVENTS_PER_SECOND, "disk"),
        FeatureSpec("disk.write.requests", Unit.EVENTS_PER_SECOND, "disk"),
        FeatureSpec("disk.flush.requests", Unit.EVENTS_PER_SECOND, "disk"),
    )
    groups = StatGroup.STATE | StatGroup.BLOCK

    def collect(self, before: ReplyTable, after: ReplyTable, *, seconds: FloatArray) -> Columns:
        """Measure every guest of the fleet at once."""
        earlier, later = before.devices("block"), after.devices("block")
        fields = ("rd.bytes", "wr.bytes", "rd.reqs", "wr.reqs", "fl.reqs")
        rates = [device_rate(earlier, later, field, seconds) for field in fields]
        return while_running(Columns.stack(rates), before, after)
