"""How the interpreter is fitted to the daemon."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, sys, weakref
from trustd.daemon import interpreter

class Knot:
    def __init__(self):
        self.itself = self

interpreter.prepare()
alive = weakref.WeakSet()
most = 0
for _ in range(4 * interpreter.YOUNG):
    knot = Knot()
    alive.add(knot)
    most = max(most, len(alive))
print(most)
"""


def test_what_holds_itself_still_goes() -> None:
    """Objects that refer to each other and to which nobody else does are let go in time."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) <= 100_000
