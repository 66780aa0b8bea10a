"""How the interpreter runs this daemon."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter from the event loop."""
YOUNG = 100_000
"""New objects that wait before any is looked at.

A tick makes about ten objects a guest, and all of them die with the next tick by their
counts alone. Looking through them, as is usual after every 700, finds nothing and took a
sixth of the tick at 1,000 guests and a quarter at 10,000."""


def prepare() -> None:
    """Fit the interpreter to the daemon; called once, when everything is made."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(YOUNG, 10, 10)
    gc.collect()
    # what was made by now stays until the end: later collections pass it by
    gc.freeze()
