"""From real units to the scale on which behaviour is compared, and its weight.

Rates span seven orders of magnitude, so they are compressed; percentages do not.
Whether a deviation *matters* is a question of absolute units: a guest that sends
2 KB/s instead of 0.1 KB/s is rare and harmless.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trustd.model import FeatureSpec, Unit
from trustd.trust.columns import Array
from trustd.trust.settings import Pace, Range

SCALES = {Unit.BYTES_PER_SECOND: 4e3, Unit.EVENTS_PER_SECOND: 4.0, Unit.PERCENT: 10.0}
"""A rate below its scale is nearly nothing; percentages are counted in tens."""
TRIPLE = float(np.log(3.0))
POINTS = 2.0
"""Three times its highest rate, or 20 points more, is wholly new to a guest."""
FAMILIAR = -0.5
MOST_LOG = 60.0
TINY = 1e-9


class Units:
    """The measures of some features, as rows to compute with.

    >>> units = Units([FeatureSpec("tx", Unit.BYTES_PER_SECOND, "network")], ())
    >>> units.compress(np.array([[4e3 * (np.e - 1)]])).round(6).tolist()
    [[1.0]]
    """

    def __init__(self, features: Sequence[FeatureSpec], paces: Sequence[Pace]) -> None:
        self._percent = np.array([feature.unit is Unit.PERCENT for feature in features])
        percent = self._percent
        scale = np.array([SCALES[feature.unit] for feature in features])
        self._scale = scale.astype("f4")
        self._span_new = np.where(percent, POINTS, TRIPLE).astype("f4")
        self._ranges = []
        for pace in paces:
            ranges = [range_of(pace, feature.unit) for feature in features]
            low = np.array([each.low for each in ranges])
            high = np.array([each.high for each in ranges])
            low = np.where(percent, low, np.log(low))
            span = np.where(percent, high, np.log(high)) - low
            self._ranges.append((low.astype("f4"), (1.0 / span).astype("f4"), pace))

    def compress(self, values: Array) -> Array:
        """Real units to compressed ones, shape (guests, features); NaN stays."""
        scaled = values / self._scale
        return np.asarray(np.where(self._percent, scaled, np.log(scaled + 1.0)))

    def expand(self, compressed: Array) -> Array:
        """The inverse of :meth:`compress`."""
        wide = np.exp(np.minimum(compressed, MOST_LOG)) - 1.0
        return np.asarray(np.where(self._percent, compressed, wide) * self._scale)

    def materiality(self, apart: Array) -> list[Array]:
        """How much a deviation in real units matters, from 0, a pace each.

        Linear in percent, logarithmic in rates.
        """
        size = np.abs(apart)
        size = np.where(self._percent, size, np.log(np.maximum(size, TINY)))
        down = apart < 0
        found = []
        for low, slope, pace in self._ranges:
            weight = np.clip((size - low) * slope, 0.0, pace.most)
            weight *= np.where(down, np.float32(pace.drop), np.float32(1.0))
            found.append(weight)
        return found

    def novelty(self, compressed: Array, highest: Array) -> Array:
        """How far a value is beyond the highest so far, in [-0.5, 1]; 0: as high.

        Args:
            compressed, highest: in compressed units.
        """
        return np.asarray(np.clip((compressed - highest) / self._span_new, FAMILIAR, 1.0))


def range_of(pace: Pace, unit: Unit) -> Range:
    """The deviations of a unit that matter to a pace."""
    if unit is Unit.PERCENT:
        return pace.percent
    return pace.bytes if unit is Unit.BYTES_PER_SECOND else pace.events
