"""What need not be done, because something quicker does it too: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from trustd.model import Action

Planned = Mapping[tuple[str, str], Action]
"""The actions by lever and device."""


def without_needless(planned: Planned) -> Iterator[Action]:
    """The actions without filters that only drop, where the link is down anyway.

    A link is down within milliseconds and nothing passes it, while a filter takes a
    host up to seconds. Why the filter was asked for stands with the link.

    >>> from trustd.model import GuestId
    >>> a = Action(GuestId("g"), "nic-filter", "mac", {"deny_send": True}, "send is lost")
    >>> b = Action(GuestId("g"), "nic-link", "mac", {"link": "down"}, "connect is lost")
    >>> [(c.lever, c.because) for c in without_needless({("nic-filter", "mac"): a,
    ...                                                  ("nic-link", "mac"): b})]
    [('nic-link', 'connect is lost; send is lost')]
    """
    for (lever, device), action in planned.items():
        if lever == "nic-filter" and "filter" not in action.setting:
            if ("nic-link", device) not in planned:
                yield action
        elif lever == "nic-link" and (other := _drops(planned, device)) is not None:
            parts = dict.fromkeys((*action.because.split("; "), *other.because.split("; ")))
            yield replace(action, because="; ".join(parts))
        else:
            yield action


def _drops(planned: Planned, device: str) -> Action | None:
    """The filter that only drops on a device."""
    action = planned.get(("nic-filter", device))
    return None if action is None or "filter" in action.setting else action
