"""How the interpreter runs this daemon."""

from __future__ import annotations

import ctypes
import gc
import sys

SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter from the event loop."""
YOUNG = 100_000
"""New objects that wait before any is looked at.

A tick makes about ten objects a guest, and all of them die with the next tick by their
counts alone. Looking through them, as is usual after every 700, finds nothing and took a
sixth of the tick at 1,000 guests and a quarter at 10,000."""

MAPPED = 1 << 18
"""Bytes from which a block is a mapping of its own, which the kernel has back when it is freed.

Else glibc takes the largest block that was ever freed for the measure: the columns and the pages
of every tick then lie in the heap among what stays, and leave holes that nothing gives back."""
_KEPT = 1 << 20
"""Free bytes at the end of the heap that are not given back."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of mallopt(3), by its header."""


def prepare() -> None:
    """Fit the interpreter to the daemon; called once, when everything is made."""
    sys.setswitchinterval(SWITCH_SECONDS)
    _give_back()
    gc.set_threshold(YOUNG, 10, 10)
    gc.collect()
    # what was made by now stays until the end: later collections pass it by
    gc.freeze()


def _give_back() -> None:
    """Have the C library hold little more memory than is in use; glibc alone is told how."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_MMAP_THRESHOLD, MAPPED)
    mallopt(_TRIM_THRESHOLD, _KEPT)
    # threads take turns anyway: a heap for each would only be memory that another cannot use
    mallopt(_ARENA_MAX, 1)
