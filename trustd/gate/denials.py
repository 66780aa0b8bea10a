"""What a gate denies: files whose presence its server looks for at every request."""

from __future__ import annotations

import os
from pathlib import Path

from trustd.gate.definition import sync
from trustd.model import Setting

FILES = {"deny_read": "deny-read", "deny_write": "deny-write"}
NOTHING_DENIED: Setting = dict.fromkeys(FILES, False)


def denied(directory: Path) -> Setting:
    """What the gate in this directory denies: ``deny_read`` and ``deny_write``.

    Raises:
        OSError: that cannot be seen.
    """
    there = {file.name for file in directory.iterdir()}
    return {key: name in there for key, name in FILES.items()}


def deny(directory: Path, state: Setting) -> None:
    """Have the gate deny exactly this from the next request on; lasting on return.

    What is to be denied is denied before anything else is permitted.

    Raises:
        OSError: it is not done, or not lasting.
    """
    for key, name in sorted(FILES.items(), key=lambda item: not state[item[0]]):
        path = directory / name
        if state[key]:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(path, flags, 0o600))
        else:
            path.unlink(missing_ok=True)
    sync(directory)
