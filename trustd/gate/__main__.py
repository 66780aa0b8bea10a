"""``python -m trustd.gate [--detach] DIRECTORY``: what serves a gate.

The unit ``trustd-gate@`` starts it as it is. With ``--detach`` it becomes a process of
init's first: nbdkit ends when its parent does, and trustd is not to be its parent.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from trustd.errors import TrustdError
from trustd.gate.serve import serve

_WRONG_USAGE = 2
_PAUSE = 0.002


def main(arguments: list[str]) -> int:
    """Serve the gate that a directory defines."""
    *options, directory = arguments or [""]
    if not directory or options not in ([], ["--detach"]):
        sys.stderr.write("usage: python -m trustd.gate [--detach] DIRECTORY\n")
        return _WRONG_USAGE
    if options and not _detached():
        return 0
    try:
        serve(Path(directory).absolute())
    except TrustdError as error:
        sys.stderr.write(f"trustd-gate: {error}\n")
    return 1


def _detached() -> bool:
    """Go on in a process that has no parent but init; false in the one that is to end."""
    parent = os.getpid()
    if os.fork():
        return False
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
