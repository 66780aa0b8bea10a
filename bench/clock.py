"""Time that runs as fast as the work does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


class Clock:
    """The time of day and the boot clock, which move only when they are told to.

    Attributes:
        at: epoch seconds.
        boot: seconds on the boot clock.
    """

    def __init__(self, at: float = 1_790_000_000.0, boot: float = 5_000.0) -> None:
        self.at, self.boot = at, boot

    def pass_by(self, seconds: float) -> None:
        """Let both run on."""
        self.at += seconds
        self.boot += seconds

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Have this process go by it; what measures its own work goes by the machine's clocks.

        To be entered before anything of trustd is made.
        """
        real = time.clock_gettime

        def now() -> float:
            return self.at

        def gettime(which: int) -> float:
            return self.boot if which == time.CLOCK_BOOTTIME else real(which)

        with (
            mock.patch.object(time, "time", now),
            mock.patch.object(time, "clock_gettime", gettime),
        ):
            yield
