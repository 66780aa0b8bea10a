"""How patient enforcement is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EnforceSettings:
    """All in seconds, but for ``workers``.

    Args:
        deadline: after which one action is given up, unless its lever needs longer;
            it may still come about.
        probing: after which asking what this host can do is given up.
        patience: that a tick waits for its actions; what takes longer is told later.
        workers: guests that are worked on at once.
        retry_first, retry_most: before an action that failed, or that somebody else
            undid more than once, is tried again; each wait is twice the one before.
        audit: between two reads of what is really in force on a narrowed guest.
        returned: for which a device that was plugged in again is watched, lest the guest
            throws it out: longer than any kernel lets a button blink.
    """

    deadline: float = 2.0
    probing: float = 10.0
    patience: float = 0.5
    workers: int = 4
    retry_first: float = 1.0
    retry_most: float = 60.0
    audit: float = 60.0
    returned: float = 15.0
