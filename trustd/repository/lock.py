"""One daemon a repository: two would each undo what the other does."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from trustd.errors import StoreError


class Lock:
    """Held from its making until it is closed, or the process ends, however it ends.

    Args:
        path: the lock's file; it is made where there is none, and stays.

    Raises:
        StoreError: another process holds it.
        OSError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StoreError(
                f"{path}: another trustd (process {holder or 'unknown'}) uses this repository; stop"
                " it, or give this one another directory with the setting state"
            ) from error
        # for whoever is refused; the lock itself is the kernel's
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode("ascii"), 0)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._file)
