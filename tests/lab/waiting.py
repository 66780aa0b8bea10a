"""Waiting for conditions, and reading the ends of logs when they do not come."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.errors import LabError


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait until ``condition()``; raise LabError naming ``what`` was not so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def tail(log: Path, *, lines: int) -> str:
    """Return the last lines of a file that may not be there yet."""
    if not log.exists():
        return "(nothing)"
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-lines:])
