"""One measurement on real guests at a time: two would measure each other."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.results import DIRECTORY


@contextmanager
def alone(directory: Path = DIRECTORY) -> Iterator[None]:
    """Hold the lock of measurements on real guests; it ends with the process, however that ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".guests.lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("another measurement on real guests runs: wait for its end") from None
        yield
