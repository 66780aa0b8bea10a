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

BLOCKS = """
import os
from pathlib import Path
from trustd.daemon import interpreter

def resident():
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

interpreter.prepare()
# one large block that is freed, as once in a while: glibc takes it for the measure of all
del [bytes(1) * (24 << 20)][0]
before = resident()
blocks, stay = [], []
for _ in range(200):
    blocks.append(b"x" * 320_000)
    stay.append(b"y" * 2_000)
most = resident()
blocks.clear()
print((resident() - before) / (most - before))
"""


def printed(program: str) -> float:
    """What a program prints: a number."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=240
    )
    return float(done.stdout)


def test_memory_of_a_tick_is_given_back() -> None:
    """What a tick needs for a moment goes back to the host, though what stays lies between."""
    assert printed(BLOCKS) < 0.1


def test_what_holds_itself_still_goes() -> None:
    """Objects that refer to each other and to which nobody else does are let go in time."""
    assert printed(PROGRAM) <= 100_000
