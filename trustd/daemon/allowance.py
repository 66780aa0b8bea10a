"""How much a sender may say in a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(slots=True)
class _Left:
    tokens: float
    at: float


class Allowance:
    """A bucket a sender: it holds a minute's reports, and fills as time passes.

    Args:
        clock: steady seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: dict[str, _Left] = {}

    def spend(self, sender: str, reports: int, per_minute: int) -> float:
        """Count reports while any is left; else the seconds until one is.

        A batch passes whole where one report would, and is paid for afterwards.

        >>> allowance = Allowance(lambda: 0.0)
        >>> allowance.spend("ids", 70, per_minute=60), allowance.spend("ids", 1, per_minute=60)
        (0.0, 11.0)
        """
        now = self._clock()
        left = self._left.get(sender)
        if left is None:
            left = self._left[sender] = _Left(float(per_minute), now)
        pace = per_minute / MINUTE
        left.tokens = min(left.tokens + (now - left.at) * pace, float(per_minute))
        left.at = now
        if reports and left.tokens < 1.0:
            return (1.0 - left.tokens) / pace
        left.tokens -= reports
        return 0.0
