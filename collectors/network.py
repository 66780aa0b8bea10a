"""What a guest sends and receives."""

from __future__ import annotations

from trustd.model import (
    Columns,
    FeatureSpec,
    FloatArray,
    ReplyTable,
    StatGroup,
    Unit,
    device_rate,
    total,
    while_running,
)


class Network:
    """Bytes and packets a second over all of a guest's NICs, and what was lost.

    Source: ``net.N.*`` of libvirt's bulk statistics. They are read from the host's
    end of each NIC and libvirt turns them round: ``rx`` is what the guest
    receives, ``tx`` what it sends.
    """

    name = "network"
    features = (
        FeatureSpec("net.rx.bytes", Unit.BYTES_PER_SECOND, "network", suffered=True),
        FeatureSpec("net.tx.bytes", Unit.BYTES_PER_SECOND, "network"),
        FeatureSpec("net.rx.packets", Unit.EVENTS_PER_SECOND, "network", suffered=True),
        FeatureSpec("net.tx.packets", Unit.EVENTS_PER_SECOND, "network"),
        FeatureSpec("net.drops", Unit.EVENTS_PER_SECOND, "network", contended=True, suffered=True),
    )
    groups = StatGroup.STATE | StatGroup.INTERFACE

    def collect(self, before: ReplyTable, after: ReplyTable, *, seconds: FloatArray) -> Columns:
        """Measure every guest of the fleet at once."""
        earlier, later = before.devices("net"), after.devices("net")

        def rate(field: str) -> Columns:
            return device_rate(earlier, later, field, seconds)

        drops = total([rate(field) for field in ("rx.drop", "tx.drop", "rx.errs", "tx.errs")])
        columns = [rate("rx.bytes"), rate("tx.bytes"), rate("rx.pkts"), rate("tx.pkts"), drops]
        return while_running(Columns.stack(columns), before, after)
