"""Waiting for conditions, and reading the ends of logs when they do not come."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.errors import LabError

NOT_YET = (LabError, OSError, LookupError, ValueError)
"""What asking too early raises: a command that failed, nobody who answers, half a document."""
LONGEST_PAUSE = 0.5


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float) -> None:
    """Wait until ``condition()``; raise LabError naming ``what`` was not so in time.

    A condition that raises one of ``NOT_YET`` is not so yet; what it raised last is the cause of
    the LabError. Any other error is a mistake, and is raised at once.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        problem: Exception | None = None
        try:
            if condition():
                return
        except NOT_YET as error:
            problem = error
        now = time.monotonic()
        if now > deadline:
            told = "" if problem is None else f"; at last {type(problem).__name__}: {problem}"
            raise LabError(f"not within {seconds:g} s: {what}{told}") from problem
        # what costs much is asked seldom: whoever is waited for needs the processor as well
        time.sleep(min(max(now - asked, 0.01), LONGEST_PAUSE))


def tail(log: Path, *, lines: int) -> str:
    """Return the last lines of a file that may not be there yet."""
    if not log.exists():
        return "(nothing)"
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-lines:])
