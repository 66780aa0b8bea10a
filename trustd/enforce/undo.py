"""What was there before trustd: kept from before the first change until it is given back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Protocol

from trustd.errors import StoreError
from trustd.model import GuestId, Intent, Place, Setting


class Ledger(Protocol):
    """Where intents survive the daemon. Called from several threads."""

    def record(self, intent: Intent) -> None:
        """Keep an intent, instead of an earlier one of its place; durable on return.

        Raises:
            StoreError: it is not kept.
        """

    def forget(self, guest: GuestId, lever: str, device: str) -> None:
        """Drop the intent of a place, if there is one.

        Raises:
            StoreError: it is still there.
        """

    def intents(self) -> Sequence[Intent]:
        """Every intent that is kept.

        Raises:
            StoreError: they cannot be read.
        """


class Priors:
    """The intents in force, in memory, and in the ledger whenever that can be written.

    What is kept of a guest is one tuple that is replaced as a whole, so that whoever
    only looks needs no lock: every guest is looked at in every tick.

    Args:
        ledger: read once, here.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = Lock()
        self._kept: dict[GuestId, tuple[Intent, ...]] = {}
        self._unsaved: set[Place] = set()
        for intent in ledger.intents():
            self._keep(intent)

    def guests(self) -> frozenset[GuestId]:
        """Every guest of which something is kept."""
        with self._lock:
            return frozenset(self._kept)

    def of(self, guest: GuestId) -> tuple[Intent, ...]:
        """A guest's intents, the latest change first: the order of undo.

        The same object as long as nothing of it changed.
        """
        return self._kept.get(guest, ())

    def get(self, guest: GuestId, lever: str, device: str) -> Intent | None:
        """The intent of one device."""
        place = guest, lever, device
        return next((each for each in self.of(guest) if each.place == place), None)

    def record(self, intent: Intent) -> StoreError | None:
        """Keep an intent; the error where that is in memory only."""
        with self._lock:
            self._keep(intent)
        try:
            self._ledger.record(intent)
        except StoreError as error:
            self._unsaved.add(intent.place)
            return error
        self._unsaved.discard(intent.place)
        return None

    def save(self, guest: GuestId) -> None:
        """Try again to store what could not be stored."""
        for intent in self.of(guest) if self._unsaved else ():
            if intent.place in self._unsaved:
                self.record(intent)

    def forget(self, intent: Intent) -> None:
        """Drop an intent whose device was given back.

        Where the ledger keeps it, a restart finds that nothing of it is in force.
        """
        with self._lock:
            self._set(intent.guest, self._others(intent))
            self._unsaved.discard(intent.place)
        try:
            self._ledger.forget(intent.guest, intent.lever, intent.device)
        except StoreError:
            return

    def _others(self, intent: Intent) -> list[Intent]:
        return [each for each in self.of(intent.guest) if each.place != intent.place]

    def _keep(self, intent: Intent) -> None:
        self._set(intent.guest, [*self._others(intent), intent])

    def _set(self, guest: GuestId, kept: list[Intent]) -> None:
        if kept:
            kept.sort(key=lambda each: (each.at, each.lever, each.device), reverse=True)
            self._kept[guest] = tuple(kept)
        else:
            self._kept.pop(guest, None)


def reclaimed(
    kept: Intent, present: Setting, facet: Callable[[str], str], configured: Setting | None = None
) -> Setting:
    """The state without what trustd did: prior where ours is in force, else what is there.

    Whoever else changed a part of the state meanwhile wanted it so, and keeps it.

    Args:
        facet: the part of the state that a key belongs to.
        configured: what the guest's persistent definition says, given where the guest
            runs anew. A part that stands there is the guest's own; one of ours that
            does not stand there came back with a saved image or a snapshot.

    >>> kept = Intent(GuestId("g"), "l", "d", "1", {"a": 9, "b": 9}, ({"a": 1, "b": 1},), 0.0)
    >>> reclaimed(kept, {"a": 1, "b": 5}, str)
    {'a': 9, 'b': 5}
    >>> reclaimed(kept, {"a": 1, "b": 1}, str, configured={"a": 1, "b": 9})
    {'a': 1, 'b': 9}
    """
    result: dict[str, int | str | bool] = {}
    for name in parts(facet, kept.prior, present, *kept.ours):
        there = part(present, name, facet)
        ours = any(part(each, name, facet) == there for each in kept.ours)
        own = configured is not None and part(configured, name, facet) == there
        result |= part(kept.prior, name, facet) if ours and not own else there
    return result


def parts(facet: Callable[[str], str], *states: Setting) -> Sequence[str]:
    """The parts that any of the states says something of, in order."""
    return sorted({facet(key) for state in states for key in state})


def part(state: Setting, name: str, facet: Callable[[str], str]) -> Setting:
    """What a state says of one part.

    >>> part({"a.x": 1, "a.y": 2, "b.x": 3}, "a", lambda key: key[0])
    {'a.x': 1, 'a.y': 2}
    """
    return {key: value for key, value in state.items() if facet(key) == name}


def renewed(kept: Intent, run: str, prior: Setting, present: Setting, state: Setting) -> Intent:
    """The intent to bring about another state where there is an intent already.

    Earlier states of ours are kept until the last one was seen in force: a call that
    was given up may have left any of them.
    """
    before = kept.ours[-1:] if kept.ours[-1] == present else kept.ours
    ours = (*(each for each in before if each != state), state)
    return replace(kept, run=run, prior=prior, ours=ours, yielded=None)
