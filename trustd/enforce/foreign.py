"""Somebody else's changes of what trustd put in force: told from its own, and answered.

Events cannot tell them apart: libvirt announces trustd's own changes as well, and
some changes not at all. So each state that was read back is remembered, and what is
found later is compared with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trustd.enforce.undo import part, parts
from trustd.model import Intent, Place, Setting

NONE = "none"


@dataclass(slots=True)
class _Watched:
    """One device as it was last seen in force, and the quarrel about it.

    Args:
        run: the run of the guest in which it was seen; empty while a change of
            trustd's own is under way, which may leave anything.
        wanted: what had been asked for, in the lever's words.
        last: steady seconds of the last change by somebody else.
        until: steady seconds before which it is not answered; None where there is
            nothing to answer.
    """

    run: str = ""
    state: Setting | None = None
    wanted: Setting | None = None
    times: int = 0
    last: float = 0.0
    until: float | None = None


class Quarrels:
    """What was seen in force on every device, and how often somebody else changed it.

    The first change is answered at once, the next ones after ever longer pauses, so
    that two programs with different ideas do not set one limit in turn without end.

    Args:
        first, most: seconds of the first pause, and of the longest. After twice the
            longest without a change the next one is answered at once again.
        clock: steady seconds.
    """

    def __init__(self, first: float, most: float, clock: Callable[[], float]) -> None:
        self._first = first
        self._most = most
        self._clock = clock
        self._watched: dict[Place, _Watched] = {}

    def seen(self, place: Place, run: str, state: Setting, wanted: Setting) -> None:
        """It was read back: this is in force, and nothing is left to be answered."""
        watched = self._watched.setdefault(place, _Watched())
        watched.run, watched.state, watched.wanted, watched.until = run, state, wanted, None

    def unsure(self, place: Place) -> None:
        """A change of our own begins: until it is read back, anything may be in force."""
        watched = self._watched.get(place)
        if watched is not None:
            watched.run = ""

    def forget(self, place: Place) -> None:
        """It is not ours any more."""
        self._watched.pop(place, None)

    def changed(self, kept: Intent, run: str, present: Setting, facet: Callable[[str], str]) -> str:
        """What somebody else changed; empty where that was nobody, or cannot be told.

        A new run of a guest begins without trustd's limits, and a call of trustd that
        was cut off leaves some state of its own or the one before: both are nobody.
        """
        if kept.run != run:
            return ""
        watched = self._watched.get(kept.place)
        if watched is not None and watched.run == run and watched.state is not None:
            return difference(watched.state, present)
        known = (kept.prior, *kept.ours)
        for name in parts(facet, present, *known):
            there = part(present, name, facet)
            if all(part(each, name, facet) != there for each in known):
                return difference(part(kept.ours[-1], name, facet), there)
        return ""

    def pause(self, place: Place, wanted: Setting) -> tuple[int, float]:
        """How often it was changed, this time included, and seconds until it is answered.

        A new wish is never made to wait for a quarrel about the one before.
        """
        now = self._clock()
        watched = self._watched.setdefault(place, _Watched(wanted=wanted))
        if watched.wanted != wanted:
            return watched.times + 1, 0.0
        if watched.until is None:
            if now - watched.last > 2 * self._most:
                watched.times = 0
            pause = min(self._first * 2 ** min(watched.times - 1, 32), self._most)
            watched.until = now + (pause if watched.times else 0.0)
            watched.times, watched.last = watched.times + 1, now
        return watched.times, max(0.0, watched.until - now)


def difference(before: Setting, after: Setting) -> str:
    """What differs between two states of a device.

    >>> difference({"write_bytes_sec": 4096, "read_bytes_sec": 1}, {"read_bytes_sec": 1})
    'write_bytes_sec 4096 -> none'
    """
    keys = dict.fromkeys((*before, *after))
    return ", ".join(
        f"{key} {_word(before, key)} -> {_word(after, key)}"
        for key in keys
        if before.get(key) != after.get(key)
    )


def _word(state: Setting, key: str) -> str:
    return str(state[key]) if state.get(key, "") != "" else NONE
