"""What the metric of a feature is called."""

from __future__ import annotations

import re

from trustd.model import FeatureSpec, Unit

_SUFFIX = {
    Unit.BYTES_PER_SECOND: ("bytes", "_per_second", 1.0),
    Unit.EVENTS_PER_SECOND: ("", "_per_second", 1.0),
    Unit.PERCENT: ("", "_ratio", 0.01),
}
"""By unit: the base unit that the name must tell, its ending, the factor to it."""


def metric_name(feature: FeatureSpec) -> str:
    """The feature's name in Prometheus' words, with its base unit.

    >>> metric_name(FeatureSpec("net.tx.bytes", Unit.BYTES_PER_SECOND, "network"))
    'trustd_guest_net_tx_bytes_per_second'
    >>> metric_name(FeatureSpec("cpu.usage", Unit.PERCENT, "cpu"))
    'trustd_guest_cpu_usage_ratio'
    """
    base, ending, _ = _SUFFIX[feature.unit]
    stem = re.sub(r"[^a-z0-9]+", "_", feature.name.lower()).strip("_")
    if base and not stem.endswith(base):
        stem = f"{stem}_{base}"
    return f"trustd_guest_{stem}{ending}"


def base_factor(feature: FeatureSpec) -> float:
    """What a value of the feature is multiplied by to be in its base unit."""
    return _SUFFIX[feature.unit][2]
