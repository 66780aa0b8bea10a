"""How much of its memory a guest uses, and how hard it swaps."""

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
    is_interval,
    scaled,
    total,
    while_running,
)

KIB = 1024


class Memory:
    """Memory in use, swap traffic and major faults, as the guest's driver tells.

    Source: ``balloon.*`` of libvirt's bulk statistics, in KiB. The guest's balloon
    driver fills them in from time to time (``balloon.last-update``), and between
    two fillings libvirt repeats the old ones: those are gaps, not measurements.
    """

    name = "memory"
    features = (
        FeatureSpec("memory.used", Unit.PERCENT, "memory"),
        FeatureSpec("memory.swap", Unit.BYTES_PER_SECOND, "memory"),
        FeatureSpec("memory.faults", Unit.EVENTS_PER_SECOND, "memory"),
    )
    groups = StatGroup.STATE | StatGroup.BALLOON

    def collect(self, before: ReplyTable, after: ReplyTable, *, seconds: FloatArray) -> Columns:
        """Measure every guest of the fleet at once.

        The rates are over the driver's own interval: ``seconds`` lies between two
        questions, not between two answers of the driver.
        """
        told_before, told = _told(before), _told(after)
        interval = np.where(is_interval(seconds), told - told_before, np.nan)

        def rate(field: str) -> Columns:
            return counter_rate(before.column(field), after.column(field), interval)

        # Exactly 1 where the driver told something new; else a gap and its reason.
        news = counter_rate(told_before, told, interval)
        columns = [
            scaled(news, _used(after)),
            scaled(total([rate("balloon.swap_in"), rate("balloon.swap_out")]), KIB),
            rate("balloon.major_fault"),
        ]
        return while_running(Columns.stack(columns), before, after)


def _told(table: ReplyTable) -> FloatArray:
    """When the driver last told anything, epoch seconds; NaN where it never did."""
    told = table.column("balloon.last-update")
    return np.where((told > 0) & (told < np.inf), told, np.nan)


def _used(table: ReplyTable) -> FloatArray:
    """Percent of the memory that the guest sees; NaN where the claim cannot be true.

    ``usable`` leaves out what the guest can drop (its page cache). An old driver
    tells only ``unused``, and then the cache counts as used.
    """
    usable, unused = table.column("balloon.usable"), table.column("balloon.unused")
    free = np.where(np.isnan(usable), unused, usable)
    seen = table.column("balloon.available")
    possible = (seen > 0) & (free >= 0) & (free <= seen)
    with np.errstate(all="ignore"):
        return np.where(possible, 100.0 * (1.0 - free / seen), np.nan)
