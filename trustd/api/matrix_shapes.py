"""The document of the fleet's last day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MatrixDoc:
    """The band of each guest over the last day, one character for each stretch of time.

    ``rows`` gives each guest's characters by its UUID, oldest first; the last one stands
    for the stretch that ends at ``until`` and is still under way. ``step`` is the length
    of a stretch in seconds. A letter is the worst band in the stretch, ``a`` for the first
    of ``bands``; ``~`` that the guest did not answer for most of it, ``.`` that it did not
    run, a blank that nothing is known.
    """

    tick: int
    until: float
    step: float
    bands: Sequence[str]
    rows: Mapping[str, str]
